"""Real videos made longer and larger, from file to file."""

from pathlib import Path

import numpy as np
import pytest
import torch

from framefall.cascade.cascade import Cascade, SegmentStep, finished
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.data.media.decode import decode
from framefall.data.media.writer import write
from framefall.progress import Done, Started
from framefall.runs.generation import upscale as runs_upscale
from framefall.runs.generation.upscale import upscale
from framefall.video import from_pixels, to_pixels


@pytest.fixture(scope="module")
def cascade(trained: Path) -> Cascade:
    return load_cascade(trained)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pattern that drifts, 20 frames of 24 x 16 without any loss."""
    down, right, f = np.ogrid[:16, :24, :20]
    waves = [np.sin(0.5 * (right - f) + 0.3 * down + phase) for phase in range(3)]
    pixels = (127.5 + 120 * np.stack(waves)).astype(np.uint8).transpose(3, 1, 2, 0)
    path = tmp_path_factory.mktemp("real") / "a.mkv"
    write(path, [pixels], 6.0)
    return path


def frames(path: Path) -> np.ndarray:
    return np.stack([frame.pixels for frame in decode(path)])


@pytest.mark.parametrize(("time", "space"), [(1, 2), pytest.param(2, 1, marks=pytest.mark.slow), (2, 2)])
def test_a_file_is_what_the_stages_make_of_the_video_at_once(
    time: int, space: int, video: Path, cascade: Cascade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_upscale, "CHUNK", 7)  # it is read in pieces
    record = upscale(video, tmp_path / "large.npy", cascade, time=time, space=space, seed=3)
    made = np.load(tmp_path / "large.npy")
    given = from_pixels(torch.from_numpy(frames(video))).permute(3, 0, 1, 2)[None]
    stages = [name for name, factor in (("temporal_sr", time), ("spatial_sr", space)) if factor > 1]
    events = cascade.upscale(iter([given]), stages=stages, fps=6.0, seed=3)
    whole = torch.cat(list(finished(events, stages[-1])), dim=2)
    assert np.array_equal(made, to_pixels(whole[0]).permute(1, 2, 3, 0).numpy())
    assert (record.frames, record.fps) == (19 * time + 1, 6.0 * time)
    assert (record.height, record.width) == (16 * space, 24 * space) == made.shape[1:3]
    assert record.seconds.keys() >= {*stages, "decode"}


def test_given_frames_stay_as_they_are(video: Path, cascade: Cascade, tmp_path: Path) -> None:
    upscale(video, tmp_path / "long.npy", cascade, time=2, space=1)
    assert np.array_equal(np.load(tmp_path / "long.npy")[::2], frames(video))


def test_the_same_seed_makes_the_same_file(video: Path, cascade: Cascade, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        upscale(video, tmp_path / f"{name}.npy", cascade, time=2, space=1, seed=seed)
    one, same, other = (np.load(tmp_path / f"{name}.npy") for name in "abc")
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_whoever_leaves_on_the_way_leaves_no_file(video: Path, cascade: Cascade, tmp_path: Path) -> None:
    run = upscale.events(video, tmp_path / "a.mp4", cascade, time=2, space=1)
    assert next(run) == Started("upscale")
    for event in run:
        if isinstance(event, SegmentStep) and event.stage is not None and event.video is not None:
            run.close()
    assert list(tmp_path.iterdir()) == []
    *_, last = upscale.events(video, tmp_path / "a.mp4", cascade, time=2, space=1)  # the control
    assert isinstance(last, Done) and [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize(
    ("factors", "sentence"),
    [
        ({"time": 1}, "--space must be one of 1, 2 with this model, got 4"),
        ({"space": 1, "time": 3}, "--time must be one of 1, 2 with this model, got 3"),
        ({"space": 1, "time": 1}, "upscaling must do something, got --space 1 --time 1"),
    ],
)
def test_a_factor_that_a_model_does_not_have_is_refused(
    factors: dict, sentence: str, video: Path, cascade: Cascade, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=sentence):
        upscale(video, tmp_path / "a.mp4", cascade, **factors)
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_cannot_be_read_is_refused(cascade: Cascade, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("words")
    with pytest.raises(ValueError, match=r"text\.mp4"):
        upscale(tmp_path / "text.mp4", tmp_path / "a.mp4", cascade, time=2, space=2)
    assert not (tmp_path / "a.mp4").exists()
