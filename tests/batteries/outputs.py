"""Outputs: a save is all or nothing, a file under its final name is whole, and two writers of a name never mix.

    python tests/batteries/outputs.py [COUNT]      prints a JSON report a promise; exit code 1 if one is broken

COUNT scales all three: races of two to four processes on one name; clips whose writing is struck at that many bytes of
the encoder's output, by the system itself (a limit on the size of files: an error, or a signal that kills); and, from
100 on, every system call of a publish struck once by each fault, by the program in `tests/test_publish.py`.
"""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import av
import numpy as np
from report import Report

from framefall import outputs, publish
from framefall.data.media.decode import decode
from framefall.data.media.writer import WRITERS, write

FRAMES, SIDE = 12, 48
PROGRAM = Path(__file__).parents[1] / "test_publish.py"
SAFE = ("publish_folder", "publish_file", "output_folder", "output_file")
SECONDS = 60.0  # that a child may take
_FORK = get_context("fork")


def run(count: int, folder: Path, seed: int = 0) -> list[Report]:
    """All three promises."""
    return [faults(count, folder / "faults"), cuts(count, folder / "cuts", seed), races(count, folder / "races", seed)]


# ---------------------------------------------------------------- every call of a save


def faults(count: int, folder: Path) -> Report:
    """Row 1: kill, full disk and broken disk at each open, write, fsync, rename and close."""
    environment = os.environ | {"FRAMEFALL_FULL": "1" if count >= 100 else "0"}

    def struck(writer: str) -> list[dict[str, object]]:
        (folder / writer).mkdir(parents=True)
        line = [sys.executable, str(PROGRAM), "faults", str(folder / writer), writer]
        done = subprocess.run(line, capture_output=True, text=True, env=environment, check=True)
        return list(json.loads(done.stdout))

    found = [(writer, one) for writer in SAFE for one in struck(writer)]
    whole = [one["found"] in ("old", "new") and one["swept"] in ("old", "new", None) for _, one in found]
    broken = [f"{writer}: {one}" for (writer, one), held in zip(found, whole, strict=True) if not held or one["left"]]
    naive = struck("write_in_place")
    return Report(
        name="a save is all or nothing",
        promise="A save that is killed, or fails, at any call leaves the whole old or the whole new, and nothing else",
        row=1,
        tried=len(found),
        held=len(found) - len(broken),
        window="struck before the new one stood under its name",
        hits=sum(one["found"] == "old" for _, one in found),
        least_hits=len(found) // 4,
        control="written in place, the manifest last",
        control_tried=len(naive),
        control_broke=sum(one["found"] == "corrupt" for one in naive),
        broken=tuple(broken),
        figures={"calls": len({(writer, one["point"]) for writer, one in found})},
    )


# ---------------------------------------------------------------- the encoder's output, cut


def cuts(count: int, folder: Path, seed: int = 0) -> Report:
    """Row 19: the system stops the writing of a clip at some byte, with an error or with a kill."""
    chance, broken, hits, naive = random.Random(seed), list[str](), 0, 0
    kinds = [(suffix, over) for suffix in WRITERS for over in (False, True)]
    naive_tried = 0
    for turn in range(count):
        suffix, over = kinds[turn % len(kinds)]
        kills = (turn // 2 + turn // len(kinds)) % 2 == 0  # half of them in each round of the kinds
        place = folder / str(turn)
        place.mkdir(parents=True)
        path, size = place / f"a{suffix}", _size(suffix, folder)
        if over:
            write(path, _windows(1), 24.0)
        before = _content(path)
        limit = chance.randrange(1, size)

        status = _limited(lambda path=path: write(path, _windows(2), 24.0), limit, kills)
        struck = os.WIFSIGNALED(status) if kills else os.waitstatus_to_exitcode(status) == 1
        hits += struck
        outputs.file(place / "next.json")  # whoever writes here next sweeps
        left = [one.name for one in place.iterdir() if one != path]
        if left or (struck and _content(path) != before) or (not struck and _shade(path) != 2):
            broken.append(f"{suffix or 'frames'}, {limit} of {size} bytes, {'kill' if kills else 'error'}: {left}")
        if suffix in (".mkv", ".gif") and not over:
            naive_tried += 1
            bare = place / f"naive{suffix}"
            _limited(lambda bare=bare, suffix=suffix: _in_place(bare, suffix), limit, kills)
            naive += bare.exists() and _shade(bare) != 2
        shutil.rmtree(place)
    return Report(
        name="a file under its final name is whole",
        promise="A clip whose writing is killed, or fails for want of space, at any byte is whole or not there",
        row=19,
        tried=count,
        held=count - len(broken),
        window="struck while the encoder wrote",
        hits=hits,
        least_hits=count * 8 // 10,
        control="the same encoder writes to the final name",
        control_tried=naive_tried,
        control_broke=naive,
        broken=tuple(broken),
    )


def _windows(shade: int, wait: Callable[[], object] | None = None) -> Iterator[np.ndarray]:
    """A noisy clip (so that its file is long) whose brightness says whose it is."""
    noise = np.random.default_rng(shade).integers(0, 24, (FRAMES, SIDE, SIDE, 3), np.uint8)
    yield noise[: FRAMES // 2] + np.uint8(40 * shade)
    if wait is not None:
        wait()
    yield noise[FRAMES // 2 :] + np.uint8(40 * shade)


def _in_place(path: Path, suffix: str) -> None:
    with av.open(str(path), "w", format={".mkv": "matroska", ".gif": "gif"}[suffix]) as container:
        stream = container.add_stream("ffv1" if suffix == ".mkv" else "gif", rate=24)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "bgr0" if suffix == ".mkv" else "rgb8"
        for window in _windows(2):
            for frame in window:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def _size(suffix: str, folder: Path, known: dict[str, int] = {}) -> int:  # noqa: B006 (found out once)
    if suffix not in known:
        path = folder / "whole" / f"a{suffix}"
        write(path, _windows(2), 24.0)
        known[suffix] = min(one.stat().st_size for one in ([*path.glob("*.png")] if path.is_dir() else [path]))
    return known[suffix]


def _limited(work: Callable[[], object], limit: int, kills: bool) -> int:
    """The wait status of a child that may write no file longer than `limit` bytes."""

    def child() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL if kills else signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        work()

    return os.waitpid(_start(child), 0)[1]


def _start(work: Callable[[], object]) -> int:
    """A child that does some work and ends with 0, or with 1 on an error that a user would be told."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            work()
        except (OSError, ValueError, av.FFmpegError):
            os._exit(1)
        except BaseException:
            os._exit(2)
        os._exit(0)
    return child


def _content(path: Path) -> dict[str, bytes]:
    """The bytes of a file, or of the files of a folder; of nothing, none."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path] if path.exists() else []
    return {one.name: one.read_bytes() for one in files}


def _shade(path: Path) -> int:
    """Whose clip a file is, all of it; 0 where it is not whole, or of more than one."""
    try:
        clip = np.load(path) if path.suffix == ".npy" else np.stack([frame.pixels for frame in decode(path)])
    except (ValueError, OSError, EOFError, RuntimeError):
        return 0
    shades = {round((float(frame.mean()) - 11.5) / 40) for frame in clip}
    return shades.pop() if len(clip) == FRAMES and len(shades) == 1 else 0


# ---------------------------------------------------------------- two writers


@dataclass(frozen=True)
class Race:
    """Some processes that write one name, all of them inside at once."""

    suffix: str
    writers: int
    over: bool  # a file of Framefall's stands there
    overwrite: bool

    def run(self, place: Path, put: Callable[[Path, int, Callable[[], object]], object]) -> tuple[list[int], Path]:
        """The exit code of each, 2 where it had not got to write, and where the file should be."""
        place.mkdir(parents=True)
        path = place / f"a{self.suffix}"
        if self.over:
            write(path, _windows(5), 24.0)
        barrier = _FORK.Barrier(self.writers)
        children = [
            _start(lambda who=who: put(path, who, lambda: barrier.wait(SECONDS))) for who in range(1, self.writers + 1)
        ]
        return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children], path


def races(count: int, folder: Path, seed: int = 0) -> Report:
    """Row 20: of two to four processes that write one name at once one has it, and the others are told."""
    chance, broken, naive, hits = random.Random(seed), list[str](), 0, 0
    for turn in range(count):
        suffix = tuple(WRITERS)[turn % len(WRITERS)]
        race = Race(suffix, 2 + turn % 3, chance.random() < 0.5, chance.random() < 0.5)
        ends, path = race.run(
            folder / str(turn),
            lambda path, who, wait, race=race: write(path, _windows(who, wait), 24.0, overwrite=race.overwrite),
        )
        won = [who for who, end in enumerate(ends, 1) if end == 0]
        shades = sorted(_shade(one) for one in path.parent.iterdir() if not one.name.startswith("."))
        hits += set(ends) <= {0, 1}  # all have come to the barrier, which is inside of the writing
        alone = won == [_shade(path)] and shades == list(range(1, race.writers + 1))
        if not alone or any(one.name.startswith(".") for one in path.parent.iterdir()):
            broken.append(f"{race}: {won} won, {path.name} is of {_shade(path)}, in all {shades}")
        ends, path = Race(".npy", race.writers, False, False).run(folder / f"naive {turn}", _check_then_write)
        naive += ends.count(0) > 1  # each of them was told that its clip is there
        shutil.rmtree(folder / str(turn)), shutil.rmtree(path.parent)
    return Report(
        name="two writers never mix",
        promise="Of processes that write one name at once one has it; the others are told, and theirs lies beside it",
        row=20,
        tried=count,
        held=count - len(broken),
        window="two or more wrote at once",
        hits=hits,
        least_hits=count,
        control="a look whether the name is free, then a rename",
        control_tried=count,
        control_broke=naive,
        broken=tuple(broken),
    )


def _check_then_write(path: Path, who: int, wait: Callable[[], object]) -> None:
    """As everybody writes it first."""
    if path.exists():
        raise FileExistsError(f"{path} is there")
    with publish.file(path) as partial, open(partial, "wb") as stream:
        np.save(stream, np.concatenate([*_windows(who, wait)]))


def main(words: Sequence[str]) -> int:
    """Prints the reports."""
    with tempfile.TemporaryDirectory() as folder:
        found = run(int(words[0]) if words else 100, Path(folder))
    print(json.dumps([one.json() for one in found], indent=1))
    return 0 if all(one.passed for one in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
