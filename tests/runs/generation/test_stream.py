"""Frames as they are made."""

from itertools import islice

import numpy as np
import pytest
import torch

from framefall.cascade.cascade import Cascade
from framefall.cascade.request import Request
from framefall.runs.generation.given import Given
from framefall.runs.generation.stream import stream
from framefall.video import to_frames


def test_the_chunks_of_a_clip_are_the_clip(cascade: Cascade) -> None:
    chunks = list(stream(Request("a", frames=40), cascade))
    whole = to_frames(cascade.sample(Request("a", frames=40)))
    assert len(chunks) > 1 and np.array_equal(np.concatenate(chunks), whole)


@pytest.mark.slow  # `cascade/test_cascade.py` reads one that does not end
def test_without_a_length_it_does_not_end_and_begins_with_what_is_given(cascade: Cascade) -> None:
    first = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)
    chunks = stream(Request("a"), cascade, given=Given(video=first))
    frames = np.concatenate(list(islice(chunks, 6)))
    chunks.close()  # type: ignore[attr-defined]
    assert len(frames) > 15 and np.array_equal(frames[:5], first) and frames[5:].std() > 0


def test_several_clips_at_once_are_refused(cascade: Cascade) -> None:
    with pytest.raises(ValueError, match="one clip is streamed at a time, got 2"):
        stream(Request("a", count=2), cascade)
    assert torch.is_grad_enabled()
