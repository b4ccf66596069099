"""Users' cases of the files that are made: they play anywhere, and the same seed makes the same one."""

import dataclasses
import os
import resource
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

import framefall as package
from cases.conftest import refused
from cases.drawing import pictures
from framefall.data.media import writer

Case = Callable[[str], Path]


def test_odd_size_45x33(case: Case, framefall: Callable, trained: Path, tmp_path: Path) -> None:
    out = case("odd-size-45x33")
    made = tmp_path / "o.mp4"
    said = framefall("upscale", out / "odd.mkv", "-o", made, "--space", 1, "--time", 2, "--model", trained)
    assert said.code == 0 and "46x34 instead of 45x33" in said.err
    with av.open(str(made)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.pix_fmt, context.profile, stream.width, stream.height) == ("yuv420p", "High", 46, 34)
    even = framefall(
        "upscale", out / "odd.mkv", "-o", tmp_path / "o.mp4", "--space", 2, "--time", 1, "--model", trained
    )
    assert "instead of" not in even.err  # 90x66 is kept
    naive = dataclasses.replace(writer.MP4, formats={3: "yuv444p"}, even=False)  # the control, as it was
    sink = naive.open(writer.video_output(tmp_path / "naive.mp4"), writer.Fraction(24), {})
    next(sink)
    with pytest.raises(StopIteration):
        for frame in (*pictures(2, 45, 33), None):
            sink.send(frame)
    with av.open(str(tmp_path / "naive.mp4")) as container:
        assert container.streams.video[0].codec_context.profile == "High 4:4:4 Predictive"


@pytest.mark.parametrize("size", [(64, 48), (32, 32), (96, 64)])
def test_same_frames_written_twice(tmp_path: Path, size: tuple[int, int]) -> None:
    frames = np.stack(pictures(48, *size))
    files = set()
    for _ in range(12):
        package.write(tmp_path / "o.mp4", [frames], 24)
        files.add((tmp_path / "o.mp4").read_bytes())
    assert (
        len(files) == 1
    )  # the control is in data/media/test_writer.py: with the encoder's macroblock tree there are more


def test_last_frame_of_1e7_seconds(case: Case, framefall: Callable, trained: Path, tmp_path: Path) -> None:
    out = case("last-frame-of-1e7-seconds")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    said = framefall("upscale", out / "z.mp4", "-o", tmp_path / "o.mp4", "--space", 2, "--time", 1, "--model", trained)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 30
    assert refused(said) and "1e+07 s" in said.err and os.listdir(tmp_path) == [out.name]
