"""Bit rot and mixed files: what changed on disk is refused by its name, and training goes back to the last good one.

    python tests/batteries/bit_rot.py [FLIPS]      prints a JSON report; exit code 1 if the promise is broken

A toy is trained for a few steps. Then a bit of its model is flipped, anywhere, FLIPS times, and files are swapped,
lost, and taken from an earlier model; loading must name the folder that is wrong. Every tenth time the same is done to
the newest checkpoint: the averaged weights must be those of the checkpoint before it. The control reads the weights
as safetensors alone, without the manifest.
"""

import json
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import framefall  # noqa: F401  (before torch: it says how torch's threads wait)

# isort: split
import torch
from report import Report
from safetensors.torch import load_file
from trainings import _clips, _toy

from framefall.cascade.saved.checkpoint import load_cascade
from framefall.runs.training.train import train
from framefall.train import resume

STEPS = 3


def run(count: int, folder: Path, seed: int = 0) -> Report:
    """Row 4."""
    torch.set_num_threads(1)
    draw, model, older = random.Random(seed), folder / "model", folder / "older"
    source = _clips(folder / "clips")
    train(source, older, _toy(), stages=["base"], steps=STEPS)
    train(source, model, replace(_toy(), seed=1), stages=["base"], steps=STEPS)
    checkpoints = folder / "model.training" / "base" / "checkpoints"
    broken, naive, tried = list[str](), 0, 0
    for number in range(count):
        place = model if number % 10 else max(checkpoints.iterdir())
        with _flipped(draw.choice(_files(place)), draw) as where:
            tried += 1
            if place == model:
                broken += _refused(model, where)
                naive += _reads(model / "base.safetensors")
            else:
                broken += _fallen_back(checkpoints, where)
    for what, damage in DAMAGES.items():
        shutil.copytree(model, folder / what)
        damage(folder / what, older)
        tried += 1
        broken += _refused(folder / what, what)
    broken += [] if load_cascade(model) else ["the model itself is refused"]
    return Report(
        name="bit rot is noticed",
        promise="a file with another bit, lost, swapped or of another time is refused by name; training falls back",
        row=4,
        tried=tried,
        held=tried - min(tried, len(broken)),
        control="the weights read as safetensors, without the manifest",
        control_tried=count - len(range(0, count, 10)),
        control_broke=naive,
        broken=tuple(broken[:10]),
    )


def _swapped(model: Path, older: Path) -> None:
    first, second = model / "config.json", model / "base.safetensors"
    first.rename(model / "third")
    second.rename(first)
    (model / "third").rename(second)


def _lost(model: Path, older: Path) -> None:
    (model / "base.safetensors").unlink()


def _earlier(model: Path, older: Path) -> None:
    shutil.copy(older / "base.safetensors", model)


DAMAGES: dict[str, Callable[[Path, Path], None]] = {"swapped": _swapped, "lost": _lost, "earlier": _earlier}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)


@contextmanager
def _flipped(path: Path, draw: random.Random) -> Iterator[str]:
    """One bit of a file is another within the block."""
    data = path.read_bytes()
    bit = draw.randrange(8 * len(data))
    path.write_bytes(data[: bit // 8] + bytes([data[bit // 8] ^ (1 << bit % 8)]) + data[bit // 8 + 1 :])
    yield f"bit {bit} of {path.name}"
    path.write_bytes(data)


def _refused(model: Path, where: str) -> list[str]:
    try:
        load_cascade(model)
    except ValueError as error:
        return [] if str(model) in str(error) else [f"{where}: {error}"]
    return [f"{where}: it was taken"]


def _fallen_back(checkpoints: Path, where: str) -> list[str]:
    newest = sorted(int(path.name) for path in checkpoints.iterdir())
    found = resume.averaged(checkpoints).step
    return [] if found == newest[-2] else [f"{where}: step {found} instead of {newest[-2]}"]


def _reads(path: Path) -> bool:
    """The control: whether the weights are taken as they are."""
    try:
        load_file(path)
    except Exception:
        return False
    return True


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as _place:
        _found = run(int(sys.argv[1]) if len(sys.argv) > 1 else 100, Path(_place))
    print(json.dumps(_found.json(), indent=1))
    sys.exit(0 if _found.passed else 1)
