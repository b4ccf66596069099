from itertools import islice

import numpy as np
import pytest
from encodes import encode, grey, textured
from PIL import Image

from framefall.data.folder import FolderConfig, Shot, open_folder
from framefall.data.loader import batches
from framefall.data.window import Window, extent, fitting_strides, large_enough, usable


def take(folder, window, steps=6, **settings):
    return list(islice(batches(folder, window, **{"batch": 4, "seed": 1, **settings}), steps))


def test_a_crop_has_native_pixels_and_a_whole_view_reaches_across(tmp_path):
    image = textured(1, 48, 64)[0]
    for name in ("left", "right"):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    images = open_folder(tmp_path, FolderConfig(cache=str(tmp_path / ".cache")))
    crop = Window(frames=1, height=16, width=24, view="crop", flip=False)
    places = set()
    for clips in take(images, crop, 10):
        for clip in clips:
            found = [
                (top, left) for top in range(33) for left in range(41)
                if np.array_equal(image[top : top + 16, left : left + 24], clip.pixels[:, 0].transpose(1, 2, 0))
            ]  # fmt: skip
            assert len(found) == 1
            places.add(found[0])
    assert len(places) > 10
    whole = Window(frames=1, height=24, width=24, flip=False)
    for clip in take(images, whole, 2)[0]:
        blocks = image[:, :].reshape(24, 2, 32, 2, 3).mean((1, 3))
        errors = [np.abs(clip.pixels[:, 0].transpose(1, 2, 0) - blocks[:, left : left + 24]).max() for left in range(9)]
        odd = image[:, 1:63].reshape(24, 2, 31, 2, 3).mean((1, 3))  # a crop that begins at an odd column
        errors += [np.abs(clip.pixels[:, 0].transpose(1, 2, 0) - odd[:, left : left + 24]).max() for left in range(8)]
        assert min(errors) <= 1  # the whole height, as exact averages


def test_flat_frames_stay_flat_at_any_size(tmp_path):
    encode(tmp_path / "a.mp4", grey([100] * 4, 30, 50))
    folder = open_folder(tmp_path, FolderConfig(cache=str(tmp_path / ".cache")))
    for size in ((7, 13), (30, 50), (61, 40)):
        (clips,) = take(folder, Window(frames=2, height=size[0], width=size[1]), 1)
        assert np.abs(clips[0].pixels.astype(int) - 100).max() <= 1


def shot(frames, height=32, width=48, fps=24.0):
    return Shot("a#0", "a", 0, frames, height, width, fps)


def test_the_strides_that_fit_are_those_whose_extent_the_shot_has():
    window = Window(frames=4, strides=(3, 2, 1), height=8, width=8)
    assert [extent(4, stride) for stride in window.strides] == [10, 7, 4]
    assert {n: fitting_strides(shot(n), window, 4) for n in (10, 9, 6)} == {10: [3, 2, 1], 9: [2, 1], 6: [1]}
    at_rate = Window(frames=4, fps=6.0, height=8, width=8)  # every fourth frame, or nearer where the shot is short
    assert {n: fitting_strides(shot(n), at_rate, 4) for n in (13, 12, 4)} == {13: [4], 12: [3], 4: [1]}


def test_usable_shots_are_long_enough_and_for_a_crop_large_enough():
    shots = [shot(4), shot(3), shot(9, 8, 8)]
    whole, crop = (Window(frames=4, height=16, width=16, view=view) for view in ("whole", "crop"))
    assert usable(shots, whole) == (shots[0], shots[2]) and usable(shots, crop) == (shots[0],)
    assert large_enough(shots[2], whole) and not large_enough(shots[2], crop)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"frames": 0}, "at least 1"), ({"strides": ()}, "at least 1"), ({"fps": 0.0}, "fps must be above 0"),
     ({"image_share": 1.5}, "image_share must be from 0 to 1")],
)  # fmt: skip
def test_a_window_that_cannot_be_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        Window(**{"frames": 4, "height": 8, "width": 8, **wrong})
