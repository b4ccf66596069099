"""Clips that are made: the same frames are the same file, a file tells how to make it again, and memory has a bound.

    python tests/batteries/made_clips.py [COUNT]      prints a JSON report a promise; exit code 1 if one is broken

COUNT (100 in full) is the number of clips that are remade, the share of sizes and kinds of files that are written
twelve times, and a tenth of the frames of the long video whose memory is compared with that of a short one.
"""

import dataclasses
import hashlib
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from report import Report

from framefall import memory
from framefall.data.media.writer import MP4, OpenSink, video_output, write
from framefall.seal import sealed

WRITES = 12
SIZES = [(48, 64), (32, 32), (64, 96), (33, 45), (16, 16), (90, 160), (7, 5), (144, 176)]  # height, width
SUFFIXES = (".mp4", ".webm", ".mkv", ".gif", ".npy", "")
NAIVE = 40  # writes with the encoder's macroblock tree: one in some is other bytes
MODEL = "pico"
SHORT = 64  # frames


def run(count: int, folder: Path, seed: int = 0) -> list[Report]:
    """All three promises."""
    folder.mkdir(parents=True, exist_ok=True)
    return [same_files(count, folder, seed), remade(count, folder, seed), bounded(count, folder)]


# ---------------------------------------------------------------- a seed means one file


def frames(height: int, width: int, count: int = 24) -> np.ndarray:
    """A square that moves over a pattern, uint8 `[frames, height, width, 3]`."""
    y, x, f = np.ogrid[:height, :width, :count]
    ground = np.stack(
        np.broadcast_arrays(60 + 40 * (x // 8 % 2) + 0 * y * f, 60 + 40 * (y // 8 % 2) + 0 * x * f, 90), -1
    )
    square = (abs(x - f % max(1, width - 8) - 4) < 5) & (abs(y - height // 2) < 5)
    moved = np.where(square[..., None], (220, 80, 40), ground).astype(np.uint8)
    return np.ascontiguousarray(moved.transpose(2, 0, 1, 3))


def digest(path: Path) -> str:
    """Of a file, or of a folder of files."""
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    return hashlib.sha256(b"".join(one.read_bytes() for one in files)).hexdigest()


def written(suffix: str, size: tuple[int, int], folder: Path, seed: int, times: int) -> set[str]:
    """The hashes of files of the same frames, each written where memory lies otherwise."""
    draw, junk, found = random.Random(f"{seed} {suffix} {size}"), list[bytearray](), set[str]()
    for _ in range(times):
        junk = [*junk[-4:], bytearray(draw.randrange(1000, 3_000_000))]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd sides
            write(folder / f"same{suffix}", [frames(*size)], 24.0, {"comment": "seed 7"}, overwrite=True)
        found.add(digest(folder / f"same{suffix}"))
    return found


def same_files(count: int, folder: Path, seed: int = 0) -> Report:
    """Row 16, of files: twelve writes, and one in another process with two threads, are one file."""
    cells = list(itertools.product(SIZES, SUFFIXES))[: max(len(SUFFIXES), len(SIZES) * len(SUFFIXES) * count // 100)]
    here = {cell: written(cell[1], cell[0], folder, seed, WRITES) for cell in cells}
    there = _elsewhere(cells, folder)
    broken = [f"{suffix or 'folder'} {size}: {len(here[size, suffix] | {there[size, suffix]})} files"
              for size, suffix in cells if here[size, suffix] != {there[size, suffix]}]  # fmt: skip
    naive = dataclasses.replace(MP4, options={**MP4.options, "mbtree": "1"}).open
    files = [_sunk(naive, folder / "naive.mp4", frames(*SIZES[0], 48), turn) for turn in range(NAIVE)]
    return Report(
        name="the same frames are the same file",
        promise="Twelve writes of the same frames, in one process and in another, are one file byte for byte",
        row=16,
        tried=len(cells),
        held=len(cells) - len(broken),
        control="x264 with its macroblock tree, which is on by default",
        control_tried=NAIVE,
        control_broke=len(set(files)) - 1,
        broken=tuple(broken),
        figures={"writes": WRITES * len(cells)},
    )


def _elsewhere(cells: list[tuple[tuple[int, int], str]], folder: Path) -> dict[tuple[tuple[int, int], str], str]:
    line = [sys.executable, __file__, "digests", str(folder / "elsewhere"), json.dumps(cells)]
    done = subprocess.run(line, capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "2"})
    return dict(zip(cells, json.loads(done.stdout), strict=True))


def _sunk(encoder: OpenSink, path: Path, video: np.ndarray, turn: int) -> str:
    junk = bytearray(1_000_003 * (turn % 3) + 10_007 * turn)
    sink = encoder(video_output(path, overwrite=True), Fraction(24), {})
    next(sink)
    try:
        for frame in itertools.chain(video, [None]):
            sink.send(frame)
    except StopIteration:
        pass
    return digest(path) if junk else ""


# ---------------------------------------------------------------- a file tells how to make it again


def remade(count: int, folder: Path, seed: int = 0) -> Report:
    """Row 31: each clip is marked, made again to the same hash, and a byte of it that changes is seen."""
    # torch comes with these: the process that writes files elsewhere does without
    from framefall.cascade.request import Request
    from framefall.cascade.saved.checkpoint import load_cascade
    from framefall.runs.generation.generate import generate
    from framefall.runs.generation.remake import remake
    from framefall.runs.generation.tags import read_made

    cascade, draw, broken = load_cascade(MODEL), random.Random(seed), list[str]()
    mark = altered = same = naive = 0
    for index in range(count):
        path = folder / f"clip-{index}{(*SUFFIXES[:4],)[index % 4]}"
        request = Request(f"a ball falls {index}", seed=draw.randrange(1 << 30), frames=1 + index % 3, until="base")
        generate(request, path, cascade)
        made = read_made(path)
        marked = bool(made["ai_generated"]) and made["seed"] == str(request.seed) and sealed(path)
        (again,) = remake(path, folder / f"again{path.suffix}", MODEL)
        equal = digest(Path(again.path)) == digest(path)
        data = bytearray(path.read_bytes())
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        path.write_bytes(data)
        seen = not sealed(path)
        naive += _still_reads(path)  # the control: tags alone say that it is ours, changed or not
        mark, same, altered = mark + marked, same + equal, altered + seen
        if not (marked and equal and seen):
            broken.append(f"clip {index}: marked {marked}, remade {equal}, alteration seen {seen}")
        Path(again.path).unlink()
        path.unlink()
    return Report(
        name="a file tells how to make it again",
        promise="Every clip is marked, is made again from its tags to the same hash, and tells if a byte of it changed",
        row=31,
        tried=count,
        held=count - len(broken),
        control="tags without a seal say nothing of a changed byte",
        control_tried=count,
        control_broke=naive,
        broken=tuple(broken),
        figures={"marked": mark, "same hash": same, "alteration seen": altered},
    )


def _still_reads(path: Path) -> bool:
    from framefall.runs.generation.tags import read_made

    try:
        return bool(read_made(path))
    except (ValueError, OSError, IndexError):
        return False


# ---------------------------------------------------------------- memory has a bound


def bounded(count: int, folder: Path) -> Report:
    """Row 18: a long video takes no more memory than a short one, the estimate is right, and limits are kept."""
    long = max(4 * SHORT, 1024 * count // 100)  # fewer fit into what a limit leaves, however they are held
    peaks = {length: _upscaled(folder, length, "64GB") for length in (SHORT, long)}
    estimate = peaks[long]["estimate"]
    tries: dict[str, bool] = {
        f"{long} frames against {SHORT}: {peaks[long]['peak']} to {peaks[SHORT]['peak']} bytes": (
            peaks[long]["peak"] <= 1.1 * peaks[SHORT]["peak"]
        ),
        f"estimate {estimate} of {peaks[long]['peak']} bytes": abs(estimate / peaks[long]["peak"] - 1) <= 0.2,
    }
    for share in (1.0, 0.7, 0.4):
        limit = int(share * estimate)
        found = _upscaled(folder, SHORT, str(limit))
        kept = found["refused"] if found["peak"] is None else found["peak"] <= 1.1 * limit
        tries[f"limit {limit}: {found}"] = bool(kept)
    naive = _upscaled(folder, long, "64GB", "all")
    return Report(
        name="memory does not grow with length",
        promise="A long video takes the memory of a short one, as was said before; a limit is kept, or refused at once",
        row=18,
        tried=len(tries),
        held=sum(tries.values()),
        control="all frames held until the end",
        control_tried=1,
        control_broke=int(naive["peak"] > 1.1 * peaks[SHORT]["peak"]),
        broken=tuple(text for text, held in tries.items() if not held),
        figures={"frames": long, "peak MB": peaks[long]["peak"] >> 20, "estimate MB": estimate >> 20},
    )


def _upscaled(folder: Path, length: int, limit: str, keep: str = "none") -> dict[str, int | bool | None]:
    line = [sys.executable, __file__, "upscaled", str(folder / f"film-{length}.mkv"), str(length), limit, keep]
    done = subprocess.run(line, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return dict(json.loads(done.stdout))


def _upscale(path: Path, length: int, limit: str, keep: str) -> dict[str, int | bool | None]:
    """In a process of its own: its peak, what was said of that, and whether it was refused before a frame was made."""
    import re
    import resource

    from framefall.cascade.cascade import SegmentStep
    from framefall.progress import Note
    from framefall.runs.generation.upscale import upscale

    if not path.exists():
        write(path, (frames(48, 64, 1) for _ in range(length)), 24.0)
    held, said, made = [], "", False
    try:
        for event in upscale.events(
            path, path.with_suffix(f".{keep}.npy"), MODEL, space=4, time=1, memory=limit, overwrite=True
        ):
            said = event.text if isinstance(event, Note) and "about" in event.text else said
            made = made or (isinstance(event, SegmentStep) and event.stage is not None)
            held += [event.video] if keep == "all" and isinstance(event, SegmentStep) else []
    except ValueError as error:
        return {"peak": None, "estimate": 0, "refused": not made and "allow more (--memory" in str(error)}
    size = re.search(r"about ([\d.]+ [MG]B) of memory", said)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    return {"peak": peak, "estimate": memory.size_of(size[1]) if size else 0, "refused": False}


def main(words: list[str]) -> Iterator[Report]:
    """The command."""
    if words[:1] == ["digests"]:
        into = Path(words[1])
        into.mkdir(parents=True, exist_ok=True)
        print(json.dumps([*(min(written(suffix, tuple(size), into, 1, 1)) for size, suffix in json.loads(words[2]))]))
        return
    if words[:1] == ["upscaled"]:
        print(json.dumps(_upscale(Path(words[1]), int(words[2]), words[3], words[4])))
        return
    promises: list[Callable[..., Report]] = [same_files, remade, bounded]
    with tempfile.TemporaryDirectory() as folder:
        for promise in promises:
            yield promise(int(words[0]) if words else 100, Path(folder))


if __name__ == "__main__":
    reports = []
    for report in main(sys.argv[1:]):
        reports.append(report)
        print(json.dumps(report.json(), indent=1), flush=True)
    sys.exit(not all(report.passed for report in reports))
