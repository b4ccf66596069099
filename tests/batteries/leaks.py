"""Nothing grows: decodes and loaders that are opened and closed, while workers are killed under them.

    python tests/batteries/leaks.py [COUNT]      prints a JSON report; exit code 1 if a promise is broken

COUNT videos (3,000 in full) are decoded; under every thirtieth the decode worker is killed. A tenth as often a loader
is opened, read and closed: of a folder with two threads, and every tenth time of a simulated world with a process that
makes clips ahead and is killed. A killed worker must be told of within ten seconds of being missed, or have cost
nothing. What this process has is read from the kernel at even distances: memory, open descriptors, threads, mapped
shared blocks and children.

The control opens the same files as loaders do that want to save the opening: the container and its frames are kept.
"""

import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from unittest import mock

import av
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a program it finds its neighbours too
from report import Report

from cases.drawing import clip, pictures
from framefall.data import loader
from framefall.data.cached import ahead
from framefall.data.cached.shards import Shards
from framefall.data.folder import FolderConfig, open_folder
from framefall.data.loader import batches
from framefall.data.media import isolated
from framefall.data.media.decode import DecodeError, decode
from framefall.data.window import Window
from framefall.runs.sources import open_source

FRAMES = 48
KILL_EVERY, OPEN_EVERY, WORLD_EVERY = 30, 10, 10
PATIENCE = 10.0  # seconds until a killed worker is told of
SLOPE = 10 << 20  # bytes for 1,000 decodes
NOISE = 16 << 20  # bytes by which a process changes anyhow
SHARD = 32  # clips: a killed worker is missed when those that it was making are wanted
WINDOW = Window(frames=4, height=16, width=16)


def run(count: int, folder: Path, seed: int = 0) -> Report:
    """Row 14."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [clip(folder / "clips" / f"{one}.mp4", pictures(FRAMES, step=1 + one)) for one in range(3)]
    work = Work(folder)
    warm = max(KILL_EVERY, count // 10)
    work.do(files, warm)  # libraries, caches, and the first of each kind of worker
    before, samples, broken = counted(), [], work.broken
    steps = 10
    for _ in range(steps):
        work.do(files, max(1, count // steps))
        samples.append(memory())
    broken += grown(before, counted())
    slope = slope_of(samples) * steps  # over all of it
    allowed = max(NOISE, SLOPE * count // 1000)
    broken += [f"memory grew by {slope / 2**20:.1f} MB"] if slope > allowed else []
    naive = naively(files, min(count, 300))
    return Report(
        name="nothing leaks",
        promise="memory, descriptors, threads, shared blocks and children stay as they were; killed workers are named",
        row=14,
        tried=work.decodes + work.loaders,
        held=work.decodes + work.loaders - min(len(broken), work.decodes),
        window="a worker is killed at work",
        hits=work.kills,
        least_hits=max(1, count // KILL_EVERY),
        control="each container is kept open with its frames",
        control_tried=2,
        control_broke=sum(naive),
        broken=tuple(broken),
        figures={
            "decodes": work.decodes,
            "loaders": work.loaders,
            "MB of memory for 1,000 decodes": round(slope / count * 1000 / 2**20, 2),
            "slowest word of a killed worker, seconds": round(work.slowest, 2),
        },
    )


class Work:
    """What is done again and again, and what of it went wrong."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.decodes = self.loaders = self.kills = 0
        self.slowest = 0.0
        self.broken: list[str] = []

    def do(self, files: list[Path], count: int) -> None:
        """So many decodes, and the loaders between them."""
        for _ in range(count):
            self.decodes += 1
            self._decode(files[self.decodes % len(files)], killed=self.decodes % KILL_EVERY == 0)
            if self.decodes % OPEN_EVERY == 0:
                self.loaders += 1
                self._world() if self.loaders % WORLD_EVERY == 1 else self._folder()

    def _decode(self, file: Path, killed: bool) -> None:
        frames, seen, at = decode(file), 0, time.monotonic()
        try:
            for _ in frames:
                seen += 1
                if killed and seen == 1:
                    at = self._kill("framefall.data.media.worker")
        except DecodeError as error:
            if not killed or not str(error).strip():
                self.broken.append(f"decode {self.decodes}: {error}")
        else:
            if seen != FRAMES:  # what was on its way already may be all of it
                self.broken.append(f"decode {self.decodes}: {seen} frames and no word")
        if killed:
            self._told(time.monotonic() - at)

    def _folder(self) -> None:
        config = FolderConfig(size=32, cache=str(self.folder / "cache"))
        source = open_folder(self.folder / "clips", config)
        with contextlib.closing(batches(source, WINDOW, batch=4, seed=0, workers=2)) as made:
            if [len(one) for one in islice(made, 2)] != [4, 4]:
                self.broken.append(f"loader {self.loaders} has not read")

    def _world(self) -> None:
        said, read = dict[str, float](), 0
        config = FolderConfig(size=32, cache=str(self.folder / f"world-{self.loaders}"))
        source = open_source("uniform:4000", config)

        def say(text: str) -> None:
            said[text] = time.monotonic()

        small = mock.patch.object(loader, "Shards", partial(Shards, largest=SHARD))
        with small, contextlib.closing(batches(source, WINDOW, batch=4, seed=0, workers=1, say=say)) as made:
            next(made)
            at = self._kill(ahead._CODE)
            while not said and read < 4000:  # it is missed when the clips that it was making are wanted
                at, read = time.monotonic(), read + len(next(made))
        told = next((moment for text, moment in said.items() if "has ended" in text), None)
        if told is None:
            self.broken.append(f"loader {self.loaders}: a killed worker is not told of ({[*said]})")
        else:
            self._told(told - at)

    def _kill(self, code: str) -> float:
        for child in children(code):
            os.kill(child, signal.SIGKILL)
            self.kills += 1
        return time.monotonic()

    def _told(self, took: float) -> None:
        self.slowest = max(self.slowest, took)
        if took > PATIENCE:
            self.broken.append(f"a killed worker was told of after {took:.1f} s")


def naively(files: list[Path], count: int) -> tuple[bool, bool]:
    """Whether the control leaves more descriptors, and more memory than is noise."""
    kept: list[tuple[av.container.InputContainer, list[np.ndarray]]] = []
    before, had = counted(), memory()
    for one in range(count):
        container = av.open(str(files[one % len(files)]))
        kept.append((container, [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]))
    found = grown(before, counted()), memory() - had
    for container, _ in kept:
        container.close()
    return any("descriptors" in one for one in found[0]), found[1] > max(NOISE, SLOPE * count // 1000)


# ---------------------------------------------------------------- what a process has


def memory() -> int:
    """Bytes that are resident, of this process alone."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Private_"))


def counted() -> dict[str, int]:
    """What else a process has, when no worker waits for it."""
    isolated._end_all()
    maps = Path("/proc/self/maps").read_text().splitlines()
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
        "shared blocks": sum("/dev/shm" in line or "SYSV" in line or "memfd:" in line for line in maps),
        "children": len(list(children())),
    }


def grown(before: dict[str, int], now: dict[str, int]) -> list[str]:
    """What there is more of, in words."""
    return [f"{now[name] - count} more {name}" for name, count in before.items() if now[name] > count]


def children(code: str = "") -> Iterator[int]:
    """The children of this process whose command has these words, those that are gone and not waited for as well."""
    for task in Path("/proc/self/task").iterdir():
        found = ""
        with contextlib.suppress(OSError):  # a thread that has ended since
            found = (task / "children").read_text()
        for child in found.split():
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{child}/cmdline").read_bytes().decode(errors="replace")
                if code in words and "resource_tracker" not in words:
                    yield int(child)


def slope_of(samples: list[int]) -> float:
    """Of a line through samples at even distances, per sample."""
    return float(np.polyfit(range(len(samples)), samples, 1)[0])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as _place:
        _found = run(int(sys.argv[1]) if len(sys.argv) > 1 else 3000, Path(_place))
    print(json.dumps(_found.json(), indent=1))
    sys.exit(0 if _found.passed else 1)
