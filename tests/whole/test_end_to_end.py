"""From a folder of real clips to files that another decoder reads, through the command line."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from children import command

from examples import examples
from framefall import publish
from framefall.data.media.writer import write

TRAIN = ["--recipe", "micro", "--steps", "6", "--set", "save_every=2", "--device", "cpu"]


def decoded(path: Path) -> tuple[np.ndarray, float]:
    """Frames and frames a second as OpenCV reads them: none of our code is asked."""
    capture = cv2.VideoCapture(str(path))
    fps, frames = capture.get(cv2.CAP_PROP_FPS), []
    while (read := capture.read())[0]:
        frames.append(read[1])
    capture.release()
    return np.stack(frames), fps


@pytest.fixture(scope="module")
def short(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one second of real video at 24 frames a second, 80x64."""
    folder = tmp_path_factory.mktemp("short")
    frames, _ = decoded(real / "carphone_pristine.mp4")
    write(folder / "talk.mp4", [np.ascontiguousarray(frames[:25, :64, :80, ::-1])], 24.0)
    return folder


@pytest.fixture(scope="module")
def tiny(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve real frames of 44x36."""
    path, (frames, _) = tmp_path_factory.mktemp("tiny") / "talk.mp4", decoded(real / "carphone_pristine.mp4")
    small = np.stack([cv2.resize(frame, (44, 36), interpolation=cv2.INTER_AREA)[..., ::-1] for frame in frames[:12]])
    write(path, [small], 24.0)
    return path


@pytest.mark.slow  # one stage is killed in `test_kills.py`; that finished ones are left alone is in `test_train.py`
def test_a_killed_run_that_is_resumed_makes_the_model_of_an_unbroken_one(
    clips: Path, framefall: Callable, tmp_path: Path
) -> None:
    log = tmp_path / "killed" / "model.training" / "temporal_sr" / "log.jsonl"
    (tmp_path / "killed").mkdir()
    child = command("train", clips, "-o", tmp_path / "killed" / "model", *TRAIN)
    try:
        while child.is_alive() and not (log.exists() and log.read_bytes().count(b"\n") >= 3):
            time.sleep(0.001)
    finally:
        child.kill()
        child.join()
    assert not (tmp_path / "killed" / "model.training" / "spatial_sr" / "log.jsonl").exists()  # it was in the middle
    resumed = framefall("train", clips, "-o", tmp_path / "killed" / "model", *TRAIN, "--resume", "--json")
    unbroken = framefall("train", clips, "-o", tmp_path / "whole" / "model", *TRAIN, "--json")
    assert (resumed.code, unbroken.code) == (0, 0)
    assert publish.verify(tmp_path / "killed" / "model") == publish.verify(tmp_path / "whole" / "model")
    ours, theirs = json.loads(resumed.out)["stages"], json.loads(unbroken.out)["stages"]
    assert "base" not in ours and theirs["base"]["steps"] == 6  # which was done before the kill
    assert ours["spatial_sr"] == theirs["spatial_sr"] and ours["temporal_sr"] == theirs["temporal_sr"]


def test_a_seed_names_a_video(trained: Path, framefall: Callable, tmp_path: Path) -> None:
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        said = framefall("generate", "a man talks", "-o", tmp_path / f"{name}.mp4", "--model", trained, "--seed", seed)
        assert said.code == 0 and said.out == "" and f"{name}.mp4: 15 frames of 32x32 at 12 a second" in said.err
    (a, fps), (b, _), (c, _) = (decoded(tmp_path / f"{name}.mp4") for name in "abc")
    assert a.shape == (15, 32, 32, 3) and fps == 12
    assert np.array_equal(a, b) and (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert np.abs(a.astype(int) - c).mean() > 0.1  # a toy after six steps: hardly more than grey, but another grey


def test_numbered_clips_do_not_depend_on_how_many_are_asked_for(
    trained: Path, framefall: Callable, tmp_path: Path
) -> None:
    for name, count in (("one.mp4", 1), ("two.mp4", 2)):
        said = framefall("generate", "-o", tmp_path / name, "--model", trained, "--seed", 7, "--count", count)
        assert said.code == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["one.mp4", "two-000.mp4", "two-001.mp4"]
    one, first, second = (decoded(tmp_path / name)[0] for name in names)
    assert np.array_equal(one, first) and not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("options", "frames", "size", "fps"),
    [
        (["--until", "base"], 8, 16, 6),
        (["--frames", "40"], 40, 32, 12),
        (["--quality", "best"], 15, 32, 12),
        *examples(
            [],
            [
                (["--until", "temporal_sr"], 15, 16, 12),
                (["--frames", "7"], 7, 32, 12),
                (["--frames", "1"], 1, 32, 12),
                (["--frames", "5", "--until", "base"], 5, 16, 6),
            ],
        ),
    ],
)
def test_a_clip_is_as_long_and_as_large_as_asked(
    options: list[str], frames: int, size: int, fps: int, trained: Path, framefall: Callable, tmp_path: Path
) -> None:
    said = framefall("generate", "-o", tmp_path / "a.mp4", "--model", trained, *options, "--json")
    video, rate = decoded(tmp_path / "a.mp4")
    assert said.code == 0 and video.shape == (frames, size, size, 3) and rate == fps
    (record,) = json.loads(said.out)["clips"]
    assert (record["frames"], record["height"], record["width"], record["fps"]) == (frames, size, size, fps)
    assert json.loads(record["made_with"]["comment"])["ai_generated"] is True


def test_every_stages_clip_can_be_kept(trained: Path, framefall: Callable, tmp_path: Path) -> None:
    kept = tmp_path / "stages"
    said = framefall("generate", "-o", tmp_path / "a.mkv", "--model", trained, "--save-stages", kept)
    assert said.code == 0
    shapes = {path.name: decoded(path)[0].shape[:2] for path in kept.iterdir()}
    assert shapes == {"a-base.mkv": (8, 16), "a-temporal_sr.mkv": (15, 16), "a-spatial_sr.mkv": (15, 32)}
    (last, _), (whole, _) = decoded(kept / "a-spatial_sr.mkv"), decoded(tmp_path / "a.mkv")
    assert np.array_equal(last, whole)
    base, temporal = (decoded(kept / f"a-{name}.mkv")[0] for name in ("base", "temporal_sr"))
    assert np.array_equal(temporal[::2], base)  # given frames go on as they are


@pytest.mark.parametrize("suffix", examples([".gif"], [".mp4", ".gif", ""]))
def test_a_report_is_a_contact_sheet_and_scores(
    suffix: str, trained: Path, framefall: Callable, tmp_path: Path
) -> None:
    said = framefall("generate", "-o", tmp_path / f"a{suffix}", "--model", trained, "--report")
    assert said.code == 0 and "longest_still" in said.out  # the toy's clip is grey: it has a length, and no motion
    sheet, scores = cv2.imread(str(tmp_path / "a.png")), json.loads((tmp_path / "a.json").read_text())
    assert sheet.shape[0] >= 32 and sheet.shape[1] >= 32 * 3 and scores["n"] == 1
    if suffix == ".gif":
        quiet = framefall("generate", "-o", tmp_path / "a.gif", "--model", trained, "--report", "--json")
        (report,) = json.loads(quiet.out)["reports"]
        assert report["metrics"].keys() == scores["metrics"].keys()


@pytest.mark.parametrize(("time", "space"), examples([(2, 2)], [(1, 2), (2, 1), (2, 2)]))
def test_a_real_clip_gets_more_frames_and_pixels(
    time: int, space: int, tiny: Path, trained: Path, framefall: Callable, tmp_path: Path
) -> None:
    options = ["--time", time, "--space", space, "--model", trained, "--json"]
    said = framefall("upscale", tiny, "-o", tmp_path / "large.mp4", *options)
    assert said.code == 0
    frames = (12 - 1) * time + 1
    video, fps = decoded(tmp_path / "large.mp4")
    assert video.shape == (frames, 36 * space, 44 * space, 3) and fps == 24 * time
    record = json.loads(said.out)
    assert (record["frames"], record["height"], record["width"]) == (frames, 36 * space, 44 * space)
    given = decoded(tiny)[0].astype(int)
    small = np.stack([cv2.resize(frame, (44, 36), interpolation=cv2.INTER_AREA) for frame in video[::time]])
    assert np.abs(small - given).mean() < 8 < np.abs(small[:, :, ::-1] - given).mean()  # levels of 255


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--time", "1"], "--space must be one of 1, 2 with this model, got 4"),
        (["--space", "1", "--time", "3"], "--time must be one of 1, 2 with this model, got 3"),
        (["--space", "1", "--time", "1"], "upscaling must do something, got --space 1 --time 1"),
    ],
)
def test_a_factor_that_a_model_does_not_have_is_refused(
    options: list[str], said: str, tiny: Path, trained: Path, framefall: Callable, tmp_path: Path
) -> None:
    refusal = framefall("upscale", tiny, "-o", tmp_path / "a.mp4", "--model", trained, *options)
    assert refusal.code == 1 and said in refusal.err and not (tmp_path / "a.mp4").exists()


def check_scores(scores: dict) -> None:
    assert scores["n"] >= 1 and scores["protocol"] and scores["metrics"]
    for metric in scores["metrics"].values():
        assert metric["better"] in ("lower", "higher", "one") and metric["n"] + metric["not_measurable"] >= 1
        if metric["n"] > 1:
            assert metric["low"] <= metric["value"] <= metric["high"]
        elif metric["n"]:  # one clip has a value and no interval
            assert isinstance(metric["value"], float) and metric["low"] is metric["high"] is None


@pytest.mark.slow  # `runs/evaluation` has the scores, `test_any_footage.py` the command with its report
def test_clips_are_scored(short: Path, framefall: Callable, tmp_path: Path) -> None:
    printed = framefall("evaluate", short, "--json")
    assert printed.code == 0
    scores = json.loads(printed.out)
    check_scores(scores)
    written = framefall("evaluate", short / "talk.mp4", "--reference", short, "--report", tmp_path / "report")
    assert written.code == 0 and "flicker" in written.out
    with_reference = json.loads((tmp_path / "report" / "scores.json").read_text())
    check_scores(with_reference)
    assert scores["metrics"]["flicker"]["value"] == with_reference["metrics"]["flicker"]["value"]
    assert with_reference["metrics"].keys() > scores["metrics"].keys()


@pytest.mark.slow  # `cli/test_diagnose.py` has the command
def test_a_models_super_resolution_is_scored_on_clips(short: Path, trained: Path, framefall: Callable) -> None:
    said = framefall("diagnose", "stages", trained, short, "--only", "superres", "--count", 2, "--json")
    assert said.code == 0
    scores = json.loads(said.out)["superres"]
    check_scores(scores)
    assert {name.partition(".")[0] for name in scores["metrics"]} == {"temporal_sr", "spatial_sr"}


def test_what_is_whole_is_verified_and_what_was_tampered_with_is_named(
    trained: Path, framefall: Callable, tmp_path: Path
) -> None:
    checkpoint = trained.with_name("toy.training") / "base" / "checkpoints" / "00000004"
    for source, part in ((trained, "spatial_sr.safetensors"), (checkpoint, "tensors.safetensors")):
        copy = shutil.copytree(source, tmp_path / source.name)
        plain, said = framefall("verify", copy), framefall("verify", copy, "--json")
        assert (plain.code, said.code) == (0, 0) and "whole: " in plain.out
        report = json.loads(said.out)
        assert report["files"] == publish.verify(source) and all(size > 1000 for size in report["parameters"].values())
        data = bytearray((copy / part).read_bytes())
        data[-1] ^= 1
        (copy / part).write_bytes(data)
        refusal = framefall("verify", copy)
        assert refusal.code == 1 and refusal.out == "" and f"{part} is not what the manifest says" in refusal.err


def test_a_folder_of_frames_replaces_frames_and_nothing_else(
    trained: Path, framefall: Callable, tmp_path: Path
) -> None:
    for seed in (1, 2):
        assert framefall("generate", "-o", tmp_path / "frames", "--model", trained, "--seed", seed).code == 0
    assert len(list((tmp_path / "frames").glob("*.png"))) == 15
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for name in ("mine", trained):
        refusal = framefall("generate", "-o", tmp_path / name, "--model", trained)
        assert refusal.code == 1 and "is never replaced" in refusal.err
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    publish.verify(trained)


def test_numbers_condition_a_clip(clips: Path, framefall: Callable, tmp_path: Path) -> None:
    source = tmp_path / "numbered"
    source.mkdir()
    for index, path in enumerate(sorted(clips.glob("*.mp4"))):
        shutil.copy(path, source)
        (source / f"{path.stem}.json").write_text(json.dumps({"numbers": [float(index), 1.0]}))
    model = tmp_path / "model"
    setting = ("--set", "stages.base.stage.backbone.numbers=2")
    said = framefall("train", source, "-o", model, "--recipe", "micro", "--stage", "base", "--steps", 8, *setting)
    assert said.code == 0
    made = []
    for index, given in enumerate(([], ["--numbers", "0,0"], ["--numbers", "5,-5"])):
        path = tmp_path / f"{index}.npy"
        assert framefall("generate", "-o", path, "--model", model, "--seed", 1, *given).code == 0
        made.append(np.load(path))
    assert np.array_equal(made[0], made[1]) and not np.array_equal(made[1], made[2])
    for wrong, why in (("1", "takes 2 numbers, got 1"), ("a,b", "must be given like")):
        refusal = framefall("generate", "-o", tmp_path / "no.npy", "--model", model, "--numbers", wrong)
        assert refusal.code == 1 and why in refusal.err and not (tmp_path / "no.npy").exists()
