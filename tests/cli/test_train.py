import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from children import program

TRAIN = "train {clips} -o {there}/new --recipe micro --steps 1 "
REFUSED = [
    ("train {there}/nowhere -o {there}/new --recipe micro", 1, "the source must be a folder of videos or images"),
    ("train {there}/empty -o {there}/new --recipe micro", 1, "must hold at least one file that can be used"),
    ("train {there}/file.txt -o {there}/new --recipe micro", 1, "the source must be a folder"),
    (
        "train {clips} -o {there}/new --recipe huge",
        1,
        "recipe must be one of nano, pico, gen1_pico, worlds, micro, vdm",
    ),
    (TRAIN + "--stage sr", 1, "a stage must be one of base, temporal_sr, spatial_sr; got 'sr'"),
    (TRAIN + "--set stages.base.sise=3", 1, "setting 'stages.base.sise' is unknown; known here: accumulate, batch"),
    (TRAIN + "--set stages.base.batch=many", 1, "stages.base.batch: Input should be a valid integer, got 'many'"),
    (TRAIN + "--set stages.base.accumulate=3", 1, "batch must be a multiple of accumulate, got batch=4, accumulate=3"),
    (TRAIN + "--set seed", 1, "a setting must look like key=value, got 'seed'"),
    (TRAIN + "--device toaster", 1, "device must be one this machine has, got 'toaster'; try cpu"),
    ("train {clips} -o {trained} --recipe micro --steps 1", 1, "holds an earlier run; pass --resume to go on with it"),
    ("train {clips} -o {there}/file.txt --recipe micro --steps 1", 1, "exists and is not a Framefall model"),
    ("train {clips} -o {there}/file.txt/new --recipe micro --steps 1", 1, "file.txt is a file; choose another"),
    ("train {clips} -o {trained} --recipe micro --steps 5 --resume --set seed=1", 1, "seed was 0, now it is 1"),
    ("train {clips} -o {there}/new --steps 0", 2, "Invalid value for '--steps'"),
    ("train {clips} -o {there}/new --minutes 0", 2, "Invalid value for '--minutes'"),
    ("train {clips}", 2, "Missing option"),
    ("train", 2, "Missing argument"),
    ("train fall,snow -o {there}/new", 1, "scenario must be one of all, fall, projectile"),
    ("train fall:lots -o {there}/new", 1, "the size of a world must be given like all:6000 or all:6k, got 'lots'"),
    ("train fall:0 -o {there}/new", 1, "size must be from 1 to 10,000,000 scenes, got 0"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_a_refusal_is_one_sentence_and_an_exit_code(line: str, code: int, sentence: str, refused: Callable) -> None:
    refused(line, code, sentence)


def test_only_results_go_to_stdout(clips: Path, framefall: Callable, tmp_path: Path) -> None:
    options = ["--recipe", "micro", "--stage", "spatial_sr", "--steps", 2]
    said = framefall("train", clips, "-o", tmp_path / "m", *options)
    assert said.code == 0 and said.out == "" and "2 files are used, 0 are skipped" in said.err
    said = framefall("train", clips, "-o", tmp_path / "m", *options, "--resume", "--json")
    report = json.loads(said.out)
    assert report.pop("said").endswith("had spent its budget before: nothing was trained")
    assert report == {"model": str(tmp_path / "m"), "stages": {}, "skipped": [], "enough": None}
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "clip.mp4").symlink_to(clips / "0001.mp4")
    (tmp_path / "broken" / "none.mp4").write_bytes(b"")
    said = framefall("train", tmp_path / "broken", "-o", tmp_path / "n", *options, "--json")
    report = json.loads(said.out)
    assert report["stages"]["spatial_sr"]["steps"] == 2 and isinstance(report["stages"]["spatial_sr"]["loss"], float)
    assert [skipped["path"] for skipped in report["skipped"]] == ["none.mp4"] and "none.mp4" in said.err


def test_a_damaged_checkpoint_is_told_on_the_terminal(clips: Path, framefall: Callable, tmp_path: Path) -> None:
    options = ["--recipe", "micro", "--stage", "spatial_sr", "--set", "save_every=2", "--resume"]
    assert framefall("train", clips, "-o", tmp_path / "m", *options, "--steps", 4).code == 0
    newest = max((tmp_path / "m.training" / "spatial_sr" / "checkpoints").iterdir())
    (newest / "state.json").write_text("{}")
    said = framefall("train", clips, "-o", tmp_path / "m", *options, "--steps", 5)
    assert said.code == 0 and f"{newest / 'state.json'} is not what the manifest says" in said.err


def test_an_interrupt_says_how_to_go_on(clips: Path, tmp_path: Path) -> None:
    code = (
        f"import signal, sys; sys.stderr = open({str(tmp_path / 'err')!r}, 'w', buffering=1)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background ignores it
        "from framefall.cli import main; main()"
    )
    words = ("train", clips, "-o", tmp_path / "m", "--recipe", "micro", "--stage", "spatial_sr", "--steps", "100000")
    process = program(code, *words)
    log, last = tmp_path / "m.training" / "spatial_sr" / "log.jsonl", time.monotonic() + 100
    try:
        while not (log.exists() and log.stat().st_size) and process.is_alive() and time.monotonic() < last:
            time.sleep(0.01)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGINT)
        process.join(60)
    finally:
        process.kill()
    err = (tmp_path / "err").read_text()
    assert process.exitcode == 130
    assert err.splitlines()[-1] == "framefall: stopped; a training run goes on with --resume" and "Traceback" not in err
