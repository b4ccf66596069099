import dataclasses

import numpy as np
import pytest

from framefall.data.clip import Clip


def clip(frames):
    return Clip(np.zeros((3, frames, 4, 6), np.uint8), "a ball", None, 24.0, "a.mp4#0")


@pytest.mark.parametrize("frames", [1, 16])
def test_an_image_is_a_clip_of_one_frame(frames):
    assert clip(frames).frames == frames


def test_a_clip_is_known_by_its_key_and_not_by_its_pixels():
    one, two = clip(2), clip(2)
    assert one != two and len({one, two}) == 2  # comparing arrays would have no single answer
    assert one.key == two.key and one.truth is None and one.states is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.key = "b"
