"""The training that goes on for days, in stretches: the stages of the worlds, each on one core that nothing else wants.

    python scripts/long_run.py            # starts it, or says where it stands        (make long-run)
    python scripts/long_run.py stop       # ends it at its newest checkpoint
    python scripts/long_run.py cool       # goes on for a quarter more with a rate that falls to nothing, and ends
    python scripts/long_run.py weights    # averaged weights into the package, bf16, and a line for docs/log.md
    python scripts/long_run.py anew       # begins again with the committed weights, as for other data or settings

Each is of the base; of another stage with its name behind the word: `start temporal_sr`. A run is of a copy of the
code, so that edits do not reach it, at idle priority, on one thread, in `runs/long` (`runs/long-STAGE`) of the
project's root. A killed run loses at most the minutes since its last checkpoint. From a clean clone it begins with the
weights that are committed. The committed base has learnt from its own clips besides (decision 59), which more data undo
in time: what this makes is to be reinforced before it is shipped.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from framefall.cascade.about.card import StageCard

ROOT = Path(__file__).parents[1]
HOME = ROOT / "runs" / "long"
MODEL, STAGE, RECIPE = "worlds", "base", "worlds"
# the base first saw all scenarios; a third of its error was then of crowds of things that nobody asks for (docs/log.md)
SOURCE = "fall,uniform,projectile,collision,double_drop,pendulum,ramp,occluder:60k@2"
FIRST = "all:60k@2"  # what the stages above see: how a thing moves between two frames is the same everywhere
STEPS = 4_000_000  # a number that is never reached: rates stay constant, and averaged weights do a cool-down's work
SETTINGS = ("save_minutes=5", "save_every=1000000", "strip_minutes=20", "data.looks=1", "data.cache_gb=8")
BEGUN = ("data.size=128",)
_NOTHING = {"clips": 0, "minutes": 0.0}
IDLE = True  # only what nobody else wants of a core
SHIPPED = ROOT / "src" / "framefall" / "weights" / MODEL
TOTALS = ROOT / "docs" / "long_run.json"  # clips and minutes behind the committed weights, over all runs
BEFORE = "before.json"  # in `runs/long`: the totals of the weights that its run began with
ABOUT = (
    "Simulated scenes from a caption, and around whatever frames or parts of them are given: coloured things fall,"
    " fly, collide, swing, slide and pass behind screens, in 60 frames of 256 x 256. docs/log.md says how it was made."
)


FAILURES = {  # looked at (docs/log.md, "A side and a step" and "What is known carries its motion on")
    "base": (
        "A second copy of a thing shows in some clips, and colours of two things mix where they touch;"
        " after a blow few part as they should.",
        "What goes on from given frames keeps their light, direction and, for a moment, speed;"
        " then boxes lose their shape, and arcs end early.",
        "White screens come out grey, or fade; what goes behind a screen comes back in nearly all clips.",
    ),
    "temporal_sr": ("What is small and fast comes apart between two given frames.",),
    "spatial_sr": (
        "Edges are some .8 as sharp as the renderer's; outlines are as lumpy as the base drew them, and waver.",
    ),
}


def home_of(stage: str) -> Path:
    """Where a stage's run lies."""
    return HOME if stage == STAGE else HOME.with_name(f"{HOME.name}-{stage}")


def source_of(stage: str) -> str:
    """The worlds that a stage is trained on."""
    return SOURCE if stage == STAGE else FIRST


def knows(stage: str = STAGE, clips: int = 0) -> "StageCard":
    """What the stage is trained on, as its card says it, after `clips` in earlier runs."""
    from dataclasses import replace

    from framefall.runs.sources import WorldSource
    from framefall.runs.training.knowledge import known_of
    from framefall.worlds.world import open_world

    return replace(known_of(WorldSource(open_world(source_of(stage)))), seen=clips)


def run_folder(home: Path = HOME, stage: str = STAGE) -> Path:
    """Where checkpoints, log and samples of the stage lie."""
    return home / f"{MODEL}.training" / stage


def running(home: Path = HOME) -> int | None:
    """The process that trains, if it lives."""
    try:
        pid = int((home / "pid").read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except (OSError, ValueError):
        return None
    return pid if str(home / MODEL) in words else None


def command(home: Path = HOME, stage: str = STAGE, steps: int = STEPS) -> list[str]:
    """The training as a command line: it goes on, or begins with committed weights, or with none."""
    words = [sys.executable, "-c", "from framefall.cli import main; main()", "train", source_of(stage)]
    words += ["-o", str(home / MODEL), "--recipe", RECIPE, "--stage", stage, "--steps", str(steps)]
    # the two that see whole pictures began when the recipe's were of 128 pixels, which their checkpoints remember
    begun = () if stage == "spatial_sr" else BEGUN
    settings = (*SETTINGS, *begun, f"data.cache={home / 'cache'}")
    words += [word for setting in settings for word in ("--set", setting)]
    if (run_folder(home, stage) / "checkpoints").exists():
        return [*words, "--resume"]
    return [*words, "--init", str(SHIPPED)] if (SHIPPED / f"{stage}.safetensors").exists() else words


def start(home: Path = HOME, stage: str = STAGE, steps: int = STEPS) -> int:
    """Starts the training in the background, at the lowest priority there is."""
    home.mkdir(parents=True, exist_ok=True)
    words = command(home, stage, steps)
    if "--resume" not in words:
        totals = _totals(TOTALS).get(stage, _NOTHING) if "--init" in words else _NOTHING
        (home / BEFORE).write_text(json.dumps(totals))
    code = home / "code"
    shutil.rmtree(code, ignore_errors=True)
    shutil.copytree(ROOT / "src", code, ignore=shutil.ignore_patterns("*.pyc.*"))  # half of a file that is compiled now
    lowest = [*(["chrt", "-i", "0"] if shutil.which("chrt") else []), "nice", "-n", "19"]
    idle = lowest if IDLE else []
    environment = {**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    background = 'exec "$@" </dev/null >>output.txt 2>&1 & echo $!'  # it outlives this script
    words = ["sh", "-c", background, "sh", *idle, *words]
    done = subprocess.run(words, cwd=home, env=environment, stdout=subprocess.PIPE, check=True, start_new_session=True)
    pid = int(done.stdout)
    (home / "pid").write_text(str(pid))
    # Linux shares cores among sessions before it looks at priorities: without this an idle task takes a session's share
    if IDLE:
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/autogroup").write_text("19")
    return pid


def cool(home: Path = HOME, stage: str = STAGE) -> int:
    """Goes on for a quarter of its steps more, in which the rate falls to nothing; then `weights` and `anew`.

    Averaged weights do this for a transformer; convolutions gain a quarter of their error by it (docs/log.md).
    """
    stop(home)
    reached = max(int(one.name) for one in (run_folder(home, stage) / "checkpoints").glob("[0-9]*"))
    return start(home, stage, reached + max(1, reached // 4))


def stop(home: Path = HOME) -> bool:
    """Ends the training; what was learnt since its last checkpoint is lost."""
    if (pid := running(home)) is None:
        return False
    os.kill(pid, signal.SIGTERM)
    for _ in range(100):
        if running(home) is None:
            return True
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    return True


def status(home: Path = HOME, stage: str = STAGE) -> str:
    """Where the training stands, in a few lines."""
    folder = run_folder(home, stage)
    rows = [json.loads(line) for line in _tail(folder / "log.jsonl")]
    rows = [row for row in rows if row.get("loss") is not None]
    if not rows:
        return "no step has been done yet"
    batch = json.loads((folder / "recipe.json").read_text())["stages"][stage]["batch"]
    checkpoints = sorted((folder / "checkpoints").glob("[0-9]*"))
    minutes = json.loads((checkpoints[-1] / "state.json").read_text())["state"]["minutes"] if checkpoints else 0.0
    rate, loss = (sorted(row[key] for row in rows)[len(rows) // 2] for key in ("clips_a_second", "loss"))
    newest = checkpoints[-1].name if checkpoints else "none yet"
    sheets = sorted((folder / "samples").glob("*.png"))
    steps, before = rows[-1]["step"], _before(home)
    return "\n".join(
        (
            f"{steps * batch:,} clips in {steps:,} steps, {minutes / 60:.1f} hours to the last checkpoint ({newest})",
            f"{before['clips']:,} clips, {before['minutes'] / 60:.1f} hours before, in the weights that it began with",
            f"loss {loss:.4f} in the middle of the last {len(rows)} steps, {rate:.1f} clips a second",
            _held_out(folder / "log.jsonl"),
            f"samples: {sheets[-1] if sheets else 'none yet'}",
        )
    )


def weights(home: Path = HOME, stage: str = STAGE, shipped: Path = SHIPPED, totals: Path = TOTALS) -> str:
    """Publishes the averaged weights as they are now, and what they have cost; gives the line for the log."""
    import torch

    from framefall.provenance import commit
    from framefall.runs.training.export import export

    before = _before(home)
    found = export(
        run_folder(home, stage),
        shipped,
        description=ABOUT,
        trained_on=tuple(f"worlds:{source}, simulated by this package" for source in dict.fromkeys((SOURCE, FIRST))),
        dtype=torch.bfloat16,
        knows=knows(stage, int(before["clips"])),
        failures=FAILURES.get(stage, ()),
    )
    clips, minutes = before["clips"] + found.clips, before["minutes"] + found.minutes
    totals.write_text(json.dumps(_totals(totals) | {stage: {"clips": clips, "minutes": round(minutes, 1)}}) + "\n")
    return (
        f"{date.today()}: the {stage} of the worlds has seen {clips:,} clips in"
        f" {minutes / 60:.1f} hours of one core (commit {commit()})"
    )


def _totals(path: Path) -> dict[str, dict[str, float]]:
    """Clips and minutes behind the committed weights, by stage."""
    found: dict[str, dict[str, float]] = json.loads(path.read_text()) if path.exists() else {}
    return found


def anew(home: Path = HOME) -> None:
    """Ends the run and removes it, so that the next one begins with the committed weights: for other data or settings.

    `weights` comes first, or what was learnt since the last commit is lost.
    """
    stop(home)
    shutil.rmtree(home / f"{MODEL}.training", ignore_errors=True)


def _before(home: Path) -> dict[str, float]:
    """Clips and minutes behind the weights that the run began with."""
    found: dict[str, float] = json.loads((home / BEFORE).read_text()) if (home / BEFORE).exists() else _NOTHING
    return found


def _held_out(log: Path) -> str:
    """The newest held-out loss, and where it is going."""
    with open(log, encoding="utf-8") as lines:
        rows = [line for line in lines if '"held_out_loss"' in line]
    if not rows:
        return "held-out loss: not measured yet"
    row = json.loads(rows[-1])
    trend = f", {row['trend']}" if row.get("trend") else ""
    return f"held-out loss {row['held_out_loss']:.4f} at step {row['step']:,}{trend}"


def _tail(path: Path, lines: int = 500) -> list[str]:
    if not path.exists():
        return []
    with open(path, "rb") as stream:
        stream.seek(max(0, path.stat().st_size - 400 * lines))
        return stream.read().decode(errors="replace").splitlines()[1:][-lines:]


if __name__ == "__main__":
    word, stage = (*sys.argv[1:], *("start", STAGE)[len(sys.argv) - 1 :])
    home = home_of(stage)
    if word == "weights":
        print(weights(home, stage))
    elif word == "stop":
        print("stopped" if stop(home) else "it was not running")
    else:
        if word == "anew":
            anew(home)
        if word == "cool":
            cool(home, stage)
        pid = running(home)
        begun = f"it runs as process {pid}" if pid else f"started as process {start(home, stage)}"
        print(f"{begun}, output in {home / 'output.txt'}")
        print(status(home, stage))
