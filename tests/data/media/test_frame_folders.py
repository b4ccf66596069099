"""A folder of frames is decoded picture by picture, each by the worker."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from framefall.data.media import frame_folders
from framefall.data.media.frame import DecodeError, Limits


def test_frames_come_in_order_at_the_folders_rate(tmp_path: Path) -> None:
    for number in range(4):
        Image.fromarray(np.full((6, 8, 3), number * 10, np.uint8)).save(tmp_path / f"{number}.png")
    (tmp_path / "fps.txt").write_text("8\n")
    info = frame_folders.probe(tmp_path, Limits())
    assert (info.width, info.height, info.fps, info.frames) == (8, 6, 8.0, 4)
    found = list(frame_folders.read(tmp_path, None, 3, Limits()))
    assert [int(frame.pixels[0, 0, 0]) for frame in found] == [0, 10, 20, 30] and found[1].time == 0.125
    with pytest.raises(DecodeError, match="above the limit of 3"):
        frame_folders.probe(tmp_path, Limits(frames=3))
