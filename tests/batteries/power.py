"""Power loss: all that training publishes is on disk before it has its name, and its name before work goes on.

    python tests/batteries/power.py [COUNT]      prints a JSON report; exit code 1 if the promise is broken

A child trains the toy and publishes checkpoints, notes and models. Every sync and every change of a name is written
down in order, with the bytes of whatever was synced. Then power is lost COUNT times at random moments: what was not
synced until then is gone, a name that was not synced may be the old one or the new, whichever is worse. What stands
under a final name must be whole: the old or the new. The control never syncs.
"""

import hashlib
import json
import os
import random
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

import framefall  # noqa: F401  (before torch: it says how torch's threads wait)

# isort: split
import torch
from report import Report
from trainings import _clips, _toy

from framefall import publish
from framefall.data.folder import Folder
from framefall.runs.training.train import train

_FORK = get_context("fork")
Content = dict[str, str]  # hashes of all files in what has a name, by their place in it


@dataclass
class Trace:
    """What a process told the disk, in order."""

    events: list[tuple[str, str, Content, Content]] = field(default_factory=list)  # kind, name, content, synced content
    synced: dict[tuple[int, int], str] = field(default_factory=dict)  # inode: hash of what is safely on disk


def run(count: int, folder: Path, seed: int = 0) -> Report:
    """Row 3."""
    torch.set_num_threads(1)
    os.environ["FRAMEFALL_CACHE"] = str(folder / "cache")
    source = _clips(folder / "clips")
    events, lost = {}, {}
    for naive in (False, True):
        there, back = _FORK.Pipe(duplex=False)
        child = _FORK.Process(target=_traced, args=(folder / f"naive-{naive}", source, naive, back))
        child.start()
        events[naive] = json.loads(there.recv())
        child.join(300)
        lost[naive] = _losses(events[naive], count, random.Random(seed))
    ordered = _disorder(events[False])
    broken = [*lost[False], *ordered]
    return Report(
        name="power loss leaves what is whole",
        promise="What has its name is on disk before it, and the name before work goes on: no loss of power ruins it",
        row=3,
        tried=count,
        held=count - len(lost[False]) if not ordered else 0,
        window="names that were given",
        hits=sum(kind == "name" for kind, *_ in events[False]),
        least_hits=10,
        control="the same without a sync",
        control_tried=count,
        control_broke=len(lost[True]),
        broken=tuple(broken[:8]),
    )


def _traced(folder: Path, source: Folder, naive: bool, back: object) -> None:
    """Trains two stages for a few steps, and tells what the disk was told."""
    folder.mkdir()
    trace, fsync, exchange = Trace(), os.fsync, publish._exchange
    replace_, rename = os.replace, os.rename

    def synced(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if naive:
            return
        fsync(descriptor)
        status = os.fstat(descriptor)
        if os.path.isdir(path):
            trace.events.append(("sync", path, {}, {}))
        else:
            trace.synced[status.st_dev, status.st_ino] = _hash(Path(path))

    def named(path: str | Path) -> None:
        content, safe = {}, {}
        path = Path(path)
        for file in sorted(one for one in (path, *path.rglob("*")) if one.is_file()):
            status = file.stat()
            inside = str(file.relative_to(path))
            content[inside] = _hash(file)
            safe[inside] = trace.synced.get((status.st_dev, status.st_ino), "")
        trace.events.append(("name", str(path), content, safe))

    def renaming(whole: object) -> object:
        def rename_(old: str, new: str) -> None:
            whole(old, new)  # type: ignore[operator]
            named(new)

        return rename_

    def exchanging(one: Path, other: Path) -> bool:
        done = exchange(one, other)
        if done:
            named(other)
        return done

    os.fsync, os.replace, os.rename = synced, renaming(replace_), renaming(rename)  # type: ignore[assignment]
    publish._exchange = exchanging
    recipe = replace(_toy(), keep=2)
    train(source, folder / "m", recipe, stages=["base", "temporal_sr"], steps=3)
    train(source, folder / "m", recipe, stages=["base"], steps=5, resume=True)  # published over the one before
    back.send(json.dumps(trace.events))  # type: ignore[attr-defined]
    os._exit(0)


def _disorder(events: Sequence[tuple[str, str, Content, Content]]) -> list[str]:
    """Names that were given to what was not on disk, or that nobody synced before the next name."""
    found = []
    for number, (kind, path, content, safe) in enumerate(events):
        if kind != "name":
            continue
        found += [
            f"{path}/{name} was not on disk before it had its name" for name in content if safe[name] != content[name]
        ]
        after = next((one[1] for one in events[number + 1 :]), None)
        if after != str(Path(path).parent):
            found.append(f"the name {path} was not synced at once")
    return found  # fmt: skip


def _losses(events: Sequence[tuple[str, str, Content, Content]], count: int, rng: random.Random) -> list[str]:
    """What is ruined by power losses at random moments, a line a loss."""
    found = []
    for _ in range(count):
        moment = rng.randrange(1, len(events) + 1)
        ruined = {
            path
            for kind, path, content, safe in events[:moment]
            if kind == "name" and any(safe[name] != content[name] for name in content)
        }
        # a name may be on disk before its sync, so that what it names counts from the moment that it was given
        if ruined:
            found.append(f"a loss after event {moment} ruins {sorted(ruined)[0]}")
    return found


def _hash(path: Path) -> str:
    with suppress(OSError):
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return "gone"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        report = run(int(sys.argv[1]) if len(sys.argv) > 1 else 50, Path(place))
    print(json.dumps(report.json(), indent=2))
    sys.exit(0 if report.passed else 1)
