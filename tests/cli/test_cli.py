import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer.main

from framefall.cli import app

COMMANDS = sorted(typer.main.get_command(app).commands)


def child(code: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """A fresh interpreter: what another test imported does not count."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=120
    )


LOADED = """
import json, sys
from framefall.cli import main
try:
    main()
finally:
    heavy = ("torch", "numpy", "av", "cv2", "transformers")
    print(json.dumps([name for name in heavy if name in sys.modules]), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], [], ["train", "--help"], ["generate", "-h"]], ids=str)
def test_help_is_there_at_once_and_loads_nothing_heavy(arguments: list[str]) -> None:
    said = child(LOADED, *arguments)
    assert said.returncode == 0 and "Usage: " in said.stdout
    assert json.loads(said.stderr) == []


def test_the_check_for_heavy_imports_would_see_one(tmp_path: Path) -> None:
    said = child(LOADED, "verify", tmp_path)
    assert said.returncode == 1 and "torch" in json.loads(said.stderr.splitlines()[-1])


def test_every_command_has_help_with_an_example(framefall: Callable) -> None:
    assert COMMANDS == ["bench", "compare", "evaluate", "generate", "train", "upscale", "verify", "worlds"]
    for name in COMMANDS:
        said = framefall(name, "--help")
        assert said.code == 0 and said.err == "" and f"framefall {name} " in said.out
        assert "--json" in said.out


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file in the way, and an empty folder."""
    root = tmp_path_factory.mktemp("there")
    (root / "file.txt").write_text("words")
    (root / "scene.json").write_text("{}")
    (root / "words.json").write_text("words")
    (root / "empty").mkdir()
    return root


TRAIN = "train {clips} -o {there}/new --recipe micro --steps 1 "
REFUSED = [
    ("train {there}/nowhere -o {there}/new --recipe micro", 1, "the source must be a folder of videos or images"),
    ("train {there}/empty -o {there}/new --recipe micro", 1, "must hold at least one file that can be used"),
    ("train {there}/file.txt -o {there}/new --recipe micro", 1, "the source must be a folder"),
    ("train {clips} -o {there}/new --recipe huge", 1, "recipe must be one of nano, pico, worlds, micro, vdm"),
    (TRAIN + "--stage sr", 1, "a stage must be one of base, temporal_sr, spatial_sr; got 'sr'"),
    (TRAIN + "--set stages.base.sise=3", 1, "setting 'stages.base.sise' is unknown; known here: accumulate, batch"),
    (TRAIN + "--set stages.base.batch=many", 1, "stages.base.batch: Input should be a valid integer, got 'many'"),
    (TRAIN + "--set stages.base.accumulate=3", 1, "batch must be a multiple of accumulate, got batch=4, accumulate=3"),
    (TRAIN + "--set seed", 1, "a setting must look like key=value, got 'seed'"),
    (TRAIN + "--device toaster", 1, "device must be one this machine has, got 'toaster'; try cpu"),
    ("train {clips} -o {trained} --recipe micro --steps 1", 1, "holds an earlier run; pass --resume to go on with it"),
    ("train {clips} -o {there}/file.txt --recipe micro --steps 1", 1, "exists and is not a Framefall model"),
    ("train {clips} -o {there}/file.txt/new --recipe micro --steps 1", 1, "Not a directory"),
    ("train {clips} -o {trained} --recipe micro --steps 5 --resume --set seed=1", 1, "seed was 0, now it is 1"),
    ("train {clips} -o {there}/new --steps 0", 2, "Invalid value for '--steps'"),
    ("train {clips} -o {there}/new --minutes 0", 2, "Invalid value for '--minutes'"),
    ("train {clips}", 2, "Missing option"),
    ("train", 2, "Missing argument"),
    ("train fall,snow -o {there}/new", 1, "scenario must be one of all, fall, projectile"),
    ("train fall:lots -o {there}/new", 1, "the size of a world must be given like all:6000 or all:6k, got 'lots'"),
    ("train fall:0 -o {there}/new", 1, "size must be from 1 to 10,000,000 scenes, got 0"),
    ("worlds snow -o {there}/w", 1, "scenario must be one of all, fall, projectile"),
    ("worlds fall -o {there}/w --split test2", 1, "split must be one of train, id, ood-near, ood-far, comb, horizon"),
    ("worlds fall -o {there}/w --size 3", 1, "size must be from 8 to 4096 pixels, got 3"),
    ("worlds fall -o {there}/w --size 100000", 1, "size must be from 8 to 4096 pixels, got 100000"),
    ("worlds fall -o {there}/w --fps 0", 1, "fps must be above 0 and at most 1000, got 0.0"),
    ("worlds fall -o {there}/w --format .xyz", 1, "the kind of file must be one of .mp4"),
    ("worlds fall -o {there}/w --violation melting", 1, "a violation must be twins or one of teleport, blink"),
    ("worlds {there}/nothing.json -o {there}/w", 1, "nothing.json cannot be read (No such file or directory)"),
    ("worlds {there}/scene.json -o {there}/w", 1, "does not fit Scene: key: Field required"),
    ("worlds {there}/words.json -o {there}/w", 1, "does not fit Scene"),
    ("worlds fall --count 0 -o {there}/w", 2, "Invalid value for '--count'"),
    ("bench nothing", 1, "name must be one of attention, backbones"),
    ("compare {there}/nothing -o {there}/c", 1, "nothing"),
    ("compare uniform --fusion magic -o {there}/c", 1, "fusions must be some of per_frame"),
    ("evaluate {clips} --training {clips}", 1, "--training needs --reference"),
    ("evaluate {clips} --validate --html {there}/p.html", 1, "--html is for scores of clips"),
    ("generate --model {there}/nowhere -o {there}/a.mp4", 1, "a model must be a folder or a shipped name"),
    ("generate --model {there}/empty -o {there}/a.mp4", 1, "has no manifest.json"),
    ("generate --model {trained} -o {there}/a.xyz", 1, "the name of a video must end in one of .mp4, .webm"),
    ("generate --model {trained} -o {there}/file.txt/a.mp4", 1, "file.txt"),
    ("generate --model {trained} -o {there}/a.mp4 --until sr", 1, "a stage must be one of"),
    ("generate --model {trained} -o {there}/a.npy --report", 1, "--report reads the clip back"),
    ("generate --model {trained} -o {there}/a.mp4 --device toaster", 1, "device must be one this machine has"),
    ("generate --count 0", 2, "Invalid value for '--count'"),
    ("generate --frames 0", 2, "Invalid value for '--frames'"),
    ("generate --quality good", 2, "Invalid value for '--quality'"),
    ("generate --seed x", 2, "Invalid value for '--seed'"),
    ("upscale {there}/nowhere.mp4 -o {there}/a.mp4 --model {trained} --time 2 --space 2", 1, "nowhere.mp4"),
    ("upscale {there}/file.txt -o {there}/a.mp4 --model {trained} --time 2 --space 2", 1, "file.txt cannot be read"),
    ("upscale {clips}/0001.mp4", 2, "Missing option"),
    ("evaluate {there}/nowhere", 1, "clips must be a file or folder that exists"),
    ("evaluate {there}/empty", 1, "must hold at least one readable video, got none"),
    ("evaluate {clips}/0001.mp4 --model {trained}", 1, "with --model the clips must be a folder"),
    ("evaluate {clips} --model {there}/nowhere", 1, "a model must be a folder or a shipped name"),
    ("verify {there}/nowhere", 1, "a model must be a folder or a shipped name"),
    ("verify {there}/empty", 1, "has no manifest.json"),
    ("verify", 2, "Missing argument"),
    ("--nonsense", 2, "No such option"),
    ("dream", 2, "No such command"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_a_refusal_is_one_sentence_on_stderr_and_an_exit_code(
    line: str, code: int, sentence: str, clips: Path, trained: Path, there: Path, framefall: Callable
) -> None:
    before = sorted(there.rglob("*"))
    said = framefall(*line.format(clips=clips, trained=trained, there=there).split())
    *notes, refusal = said.err.splitlines()
    assert said.code == code and said.out == ""
    assert refusal.startswith("framefall: ") and sentence in refusal and "Traceback" not in said.err
    assert all(note == "2 files are used, 0 are skipped" for note in notes)
    assert sorted(there.rglob("*")) == before


def test_only_results_go_to_stdout(clips: Path, framefall: Callable, tmp_path: Path) -> None:
    options = ["--recipe", "micro", "--stage", "spatial_sr", "--steps", 2]
    said = framefall("train", clips, "-o", tmp_path / "m", *options)
    assert said.code == 0 and said.out == "" and "2 files are used, 0 are skipped" in said.err
    said = framefall("train", clips, "-o", tmp_path / "m", *options, "--resume", "--json")
    assert json.loads(said.out) == {"model": str(tmp_path / "m"), "stages": {}, "skipped": []}
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
    code = "from framefall.cli import main; main()"
    command = [sys.executable, "-c", code, "train", str(clips), "-o", str(tmp_path / "m"), "--recipe", "micro"]
    process = subprocess.Popen(
        [*command, "--stage", "spatial_sr", "--steps", "100000"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
    )
    log, last = tmp_path / "m.training" / "spatial_sr" / "log.jsonl", time.monotonic() + 100
    try:
        while not (log.exists() and log.stat().st_size) and process.poll() is None and time.monotonic() < last:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert process.returncode == 130
    assert err.splitlines()[-1] == "framefall: stopped; a training run goes on with --resume" and "Traceback" not in err
