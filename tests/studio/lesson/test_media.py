"""Strips and films of the lesson."""

import numpy as np
import torch

from framefall.data.media.decode import decode
from framefall.studio.lesson.media import Media, strip_frames
from framefall.video import from_pixels


def _clip(side: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (3, 5, side, side), dtype=np.uint8)


def test_a_small_strip_keeps_every_pixel(tmp_path):
    clip = _clip(16)
    about = Media(tmp_path, "x").strip("one", from_pixels(clip)[None], 6.0)
    assert about == {"strip": "x-one.webp", "frames": 5, "height": 16, "width": 16, "fps": 6.0}
    assert np.array_equal(strip_frames(tmp_path / "x-one.webp", 5), clip.transpose(1, 2, 3, 0))
    # a strip with a quality does not
    Media(tmp_path, "x").strip("two", from_pixels(clip)[None], 6.0, quality=60)
    assert not np.array_equal(strip_frames(tmp_path / "x-two.webp", 5), clip.transpose(1, 2, 3, 0))


def test_a_film_has_the_frames_and_its_name_is_remembered(tmp_path):
    video = torch.linspace(-1, 1, 4)[None, None, :, None, None].expand(1, 3, 4, 32, 32)
    media = Media(tmp_path, "x")
    about = media.film("film", video, 24.0)
    assert media.made == ["x-film.mp4"] and about["frames"] == 4
    frames = list(decode(tmp_path / "x-film.mp4"))
    assert len(frames) == 4
