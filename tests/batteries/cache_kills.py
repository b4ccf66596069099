"""SIGKILL aimed at preparing and caching: what is published is whole, the end is the unbroken one's, nothing is left.

    python tests/batteries/cache_kills.py [KILLS]      prints a JSON report; exit code 1 if a promise is broken

Four kinds of work take turns: a world prepared in one process and with workers, a folder of videos prepared, and a
training run whose workers fill the cache ahead of it. Every other kill waits for a hidden `.…partial…` file, which
stands there only while something is written. After each kill no process may be left, and all that stands under its
final name must check. At last each work is finished: its files are those of a run that nobody killed, and the partial
files of the killed ones are gone.

The control writes the same shards straight to their names, and reads them without a checksum: the same kills must leave
it with clips that are not those that were made.
"""

import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import kills
from children import SERVER, Child, command
from report import Report

from framefall import publish
from framefall.data.cached import records
from framefall.data.cached.ahead import _CODE
from framefall.data.cached.records import Damaged

NAMES = ("world", "workers", "videos", "train")
CLIPS = 150  # of a world for each kill of its work: what a kill lets be made meanwhile is less
_FREE = {"lock", "used"}  # files that say nothing about clips


@dataclass(frozen=True)
class Work:
    """One kind of work: a command line, and the folder that it fills."""

    name: str
    arguments: tuple[str, ...]
    fills: str  # below the work's own folder
    result: str  # below the work's own folder: what must be equal in the end
    of: str  # the name of the work that nobody kills and that must end alike

    @property
    def unbroken(self) -> "Work":
        """What nobody kills: the training reads what was prepared, instead of a world and a cache."""
        if self.name != "train":
            return self
        words = ("train", "{here}/../world/out", *self.arguments[2:])
        return replace(self, arguments=words)

    def start(self, root: Path) -> Child:
        """Begins with it, or goes on."""
        root.mkdir(parents=True, exist_ok=True)
        return command(*(word.format(here=root) for word in self.arguments), errors=root / "stderr.txt")


def works(clips: int, source: Path) -> tuple[Work, ...]:
    """All kinds, the simulated ones of so many clips."""
    world, stage = f"uniform:{clips}", "stages.base.stage"
    settings = ["data.looks=1", "stages.base.image_share=0", "stages.base.batch=16"]
    settings += [
        *(f"stages.{one}.stage.shape.{side}=96" for one in ("base", "temporal_sr") for side in ("height", "width")),
        f"{stage}.backbone.patch=[2,24,24]",
    ]
    toy = ("--recipe", "micro", "--stage", "base", *(word for one in settings for word in ("--set", one)))
    train = ("--steps", str(clips // 16), "--set", "save_every=1", "--set", "workers=1", "--resume")
    videos = ("prepare", str(source), "-o", "{here}/out", "--recipe", "micro")
    return (
        Work("world", ("prepare", world, "-o", "{here}/out", *toy), "out", "out", "world"),
        Work("workers", ("prepare", world, "-o", "{here}/out", *toy, "--set", "workers=2"), "out", "out", "world"),
        Work("videos", videos, "out", "out", "videos"),
        Work(
            "train",
            ("train", world, "-o", "{here}/m", *toy, *train, "--set", "data.cache={here}/cache"),
            "cache",
            "m",
            "train",
        ),
    )


def run(count: int, folder: Path, seed: int = 0) -> Report:
    """`count` kills, two fifths of them while something is written."""
    inside = -(-count * 2 // 5)
    found = strike(folder, count, inside, seed)
    same: dict[str, bool] = found["identical"]  # type: ignore[assignment]
    broken = [*found["damage"], *(f"{name} ends otherwise" for name, alike in same.items() if not alike)]  # type: ignore[misc]
    broken += [f"{found[name]} {name}" for name in ("processes_left", "leftovers") if found[name]]
    kills_ = int(found["kills"])  # type: ignore[call-overload]
    return Report(
        name="preparing and caching go on after any kill",
        promise="what is published is whole, what is finished later is that of an unbroken run, and nothing is left",
        row=15,
        tried=kills_,
        held=kills_ - min(kills_, len(broken)),
        window="a kill while a file is written",
        hits=int(found["inside_write"]),  # type: ignore[call-overload]
        least_hits=inside,
        control="the same shards written straight to their names, and read without a checksum",
        control_tried=count,
        control_broke=int(found["naive_used"]),  # type: ignore[call-overload]
        broken=tuple(broken),
        figures={"seconds": found["seconds"], "identical": found["identical"]},
    )


def strike(
    root: Path, count: int, inside: int, seed: int = 0, names: tuple[str, ...] = NAMES, clips: int = CLIPS
) -> dict[str, object]:
    """At least `count` kills of these works, of which at least `inside` land while something is written."""
    began, rng = time.monotonic(), random.Random(seed)
    kills.PATIENCE = 600.0  # a shard takes a second, and minutes where others want the same cores
    source = _videos(root)
    kinds = [one for one in works(clips * -(-count // len(names)), source) if one.name in names]
    done, landed, damage, left, ended = 0, 0, list[str](), 0, list[str]()
    while done < count or landed < inside:
        assert done < 4 * count, "most kills aimed at a write miss it: make writes slower or the machine quieter"
        work = kinds[done % len(kinds)]
        if work.name in ended:  # another of the works can still be killed
            work = next(one for one in kinds if one.name == "videos")
        home = root / "killed" / work.name
        child = work.start(home)
        try:
            alive = _to_the_moment(child, home / work.fills, rng, aimed=done % 8 < 4 or done - landed > count - inside)
        finally:
            child.kill()
            child.join()
        done += 1
        if not alive:
            ended.append(work.name)
        left += len(_workers_left(home))
        landed += bool(partials(home / work.fills))
        damage += _damage(home / work.fills)
    same, leftovers = {}, 0
    for work in kinds:
        killed, whole = root / "killed" / work.name, root / "whole" / work.of
        codes = [kills._end(work.start(killed)), 0 if whole.exists() else kills._end(work.unbroken.start(whole))]
        left += len(_workers_left(killed)) + len(_workers_left(whole))
        hashes = [_hashes(home / work.result) for home in (killed, whole)]
        same[work.name] = codes == [0, 0] and bool(hashes[0]) and hashes[0] == hashes[1]
        damage += _damage(killed / work.fills)
        leftovers += len(partials(killed))
    control = naive(root, next((root / "whole" / "world").rglob("*.records")), count, rng)
    return {
        "name": "cache_kills",
        "kills": done,
        "inside_write": landed,
        "ended_before_the_kill": ended,
        "damage": damage,
        "processes_left": left,
        "leftovers": leftovers,
        "identical": same,
        "naive_used": control,
        "seconds": round(time.monotonic() - began, 1),
    }


def passed(report: dict[str, object], count: int, inside: int) -> bool:
    """Whether the promises hold, and the control breaks them."""
    enough = report["kills"] >= count and report["inside_write"] >= inside  # type: ignore[operator]
    clean = not report["damage"] and not report["processes_left"] and not report["leftovers"]
    return bool(enough and clean and all(report["identical"].values()) and report["naive_used"])  # type: ignore[attr-defined]


def naive(root: Path, shard: Path, count: int, rng: random.Random) -> int:
    """How many kills leave a writer in place with a file that a reader without checksums takes for whole."""
    used, folder = 0, root / "naive"
    folder.mkdir()
    for _ in range(count):
        child = SERVER.Process(target=exec, args=(IN_PLACE.format(source=str(shard), folder=str(folder)),))
        child.start()
        try:
            kills._wait(lambda: (folder / "a.records").exists(), child)
            time.sleep(rng.uniform(0, 0.05))
        finally:
            child.kill()
            child.join()
        used += (folder / "a.records").read_bytes() != shard.read_bytes()
        (folder / "a.records").unlink()
    return used


IN_PLACE = """
data = open({source!r}, "rb").read()
while True:
    with open({folder!r} + "/a.records", "wb", buffering=0) as stream:
        for begin in range(0, len(data), 1 << 14):
            stream.write(data[begin:begin + (1 << 14)])
"""


def partials(folder: Path) -> list[Path]:
    """Files that are being written, or that a killed writer left."""
    return [path for path in _files(folder) if path.name.startswith(".") and ".partial-" in path.name]


def _to_the_moment(child: Child, folder: Path, rng: random.Random, aimed: bool) -> bool:
    """Waits for the moment of a kill; false when the work is over by itself."""
    before = len(_files(folder))
    if not kills._wait(lambda: len(_files(folder)) > before, child):
        return False
    if aimed:
        if not kills._wait(lambda: partials(folder), child):
            return False
        time.sleep(max(0.0, rng.uniform(-0.005, 0.005)))
    else:
        time.sleep(rng.uniform(0, 0.5))
    return child.is_alive()


def _workers_left(home: Path) -> list[int]:
    """Workers of a killed parent that have not ended: they are given a little time to clear up."""
    last = time.monotonic() + 20
    while (found := list(_workers(home))) and time.monotonic() < last:
        time.sleep(0.05)
    return found


def _workers(home: Path) -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if _CODE.encode() in words and Path(os.readlink(process / "fd" / "2")) == home / "stderr.txt":
                yield int(process.name)
        except OSError:
            continue


def _damage(folder: Path) -> list[str]:
    """What stands under a final name and does not check."""
    found = []
    for path in _files(folder):
        if path.name.startswith(".") or path.suffix != ".records" or path.name == "folder.records":
            continue
        name = f"{path.parent.name}/{int(path.stem)}"
        try:
            count = int.from_bytes(path.read_bytes()[36:40], "little")
            for number in range(count):
                records.read(path, name, number)
            if not count:
                found.append(f"{path} is empty")
        except Damaged as error:
            found.append(str(error))
    return found


def _hashes(folder: Path) -> dict[str, str]:
    """The files of a finished work that say anything about clips."""
    return {
        path.relative_to(folder).as_posix(): publish.sha256(path)
        for path in _files(folder)
        if path.name not in _FREE and not path.name.startswith(".")
    }


def _files(folder: Path) -> list[Path]:
    """All files below a folder; those that go while one looks are left out."""
    found = []
    for place, _, names in os.walk(folder):
        found += [Path(place) / name for name in names]
    return found


def _videos(root: Path) -> Path:
    """Some files of one real clip, each of another content, so that they are decoded one by one."""
    one = next(kills._clips(root).iterdir()).resolve()
    source = root / "videos"
    source.mkdir()
    for index in range(6):
        shutil.copy(one, source / f"{index:02d}.mp4")
        with open(source / f"{index:02d}.mp4", "ab") as stream:
            stream.write(b"\0\0\0\x08free" * (index + 1))
    return source


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as place:
        result = run(number, Path(place))
    print(json.dumps(result.json(), indent=2))
    sys.exit(0 if result.passed else 1)
