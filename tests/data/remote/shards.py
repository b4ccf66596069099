"""The same few clips in a plain folder and as other tools keep them, written by those tools; and clips to compare."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
import webdataset
from encodes import encode, textured

from framefall.data.clip import Clip
from framefall.data.folder import Folder, FolderConfig, open_folder
from framefall.data.loader import batches
from framefall.data.window import Window

COUNT, FRAMES = 5, 24
WINDOW = Window(frames=4, height=24, width=32)


def plain(folder: Path) -> Path:
    """Five clips with captions as a folder has them."""
    folder.mkdir(parents=True)
    for number in range(COUNT):
        encode(folder / f"{number:04d}.mp4", textured(FRAMES, seed=number))
        (folder / f"{number:04d}.txt").write_text(f"noise number {number} moves")
    return folder


def samples(folder: Path) -> Iterable[dict[str, object]]:
    """The same as WebDataset's writer takes them."""
    for path in sorted(folder.glob("*.mp4")):
        yield {"__key__": path.stem, "mp4": path.read_bytes(), "txt": path.with_suffix(".txt").read_text()}


def sharded(folder: Path, shards: Path, each: int = 2) -> Path:
    """Shards of a plain folder."""
    shards.mkdir(parents=True)
    with webdataset.ShardWriter(str(shards / "%06d.tar"), maxcount=each, verbose=0) as writer:
        for sample in samples(folder):
            writer.write(sample)
    return shards


def opened(source: str | Path, cache: Path, **settings: object) -> Folder:
    """A source that is read with a cache of its own."""
    return open_folder(source, FolderConfig(cache=str(cache), **settings))


def drawn(folder: Folder, start: int = 0, steps: int = 4) -> list[Clip]:
    """Clips of some steps of training."""
    made = batches(folder, WINDOW, batch=2, seed=3, start=start)
    return [clip for batch in islice(made, steps) for clip in batch]


def same(ours: list[Clip], theirs: list[Clip]) -> bool:
    """Whether they are the same clips to the bit."""
    return len(ours) == len(theirs) and all(
        (a.key, a.caption, a.fps) == (b.key, b.caption, b.fps)
        and np.array_equal(a.pixels, b.pixels)
        and (a.numbers is None) == (b.numbers is None)
        and (a.numbers is None or np.array_equal(a.numbers, b.numbers))
        for a, b in zip(ours, theirs, strict=True)
    )


def reasons(folder: Folder) -> dict[str, str]:
    """What was left out, and why."""
    return {one.path: one.reason for one in folder.report.skipped}
