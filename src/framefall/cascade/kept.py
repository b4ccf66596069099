"""Finished windows of a long video, kept beside it until it is whole, so that a run that was ended can go on from them.

A window depends on the request and on windows before it, so one that was made for the same request is the one that
would be made again. They lie in a hidden folder that is named by the output and by the request's hash. Each is sealed
(`seal.py`): one that a kill or a loss of power cut off is made again, so that nothing waits for a disk.
"""

import contextlib
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from framefall import locks, publish
from framefall.seal import seal, sealed
from framefall.video import Video, from_pixels, to_pixels

LOCK = "lock"
_FOLDER = re.compile(r"\.(?P<name>.+)\.windows-[0-9a-f]{32}")
_WINDOW = re.compile(r"[A-Za-z0-9_-]+\.\d+-\d+\.npy")


class Kept:
    """Windows by stage and frames; without a folder nothing is kept. `found` is how many were there already."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self.found = 0
        for path in _windows(folder) if folder else ():
            if sealed(path):
                self.found += 1
            else:
                path.unlink()

    def read(self, stage: str, frames: range, device: torch.device) -> Video | None:
        """The frames that the stage made; none where they have to be made yet."""
        path = self._path(stage, frames)
        if path is None or not path.is_file():
            return None
        array = np.load(path, allow_pickle=False)
        video = torch.from_numpy(array) if array.dtype == np.float32 else from_pixels(array)
        return video.to(device)

    def write(self, stage: str, frames: range, video: Video, *, pixels: bool = False) -> None:
        """Keeps what a stage made: to the bit, or as the bytes that it becomes in a file. What cannot be is left."""
        path = self._path(stage, frames)
        if path is None:
            return
        try:
            np.save(path, (to_pixels(video) if pixels else video.float()).cpu().numpy())
            seal(path)
        except OSError as error:
            _empty(path.parent)
            self._folder = None
            warnings.warn(
                f"finished windows are no longer kept in {path.parent} ({error.strerror or error}): a run that is ended"
                " now begins anew",
                stacklevel=2,
            )

    def _path(self, stage: str, frames: range) -> Path | None:
        return self._folder and self._folder / f"{stage}.{frames.start}-{frames.stop}.npy"


NOTHING = Kept()


@contextlib.contextmanager
def keeping(output: Path, key: str) -> Iterator[Kept]:
    """The windows kept for a file that is to be written and for a request whose SHA-256 is `key`.

    They go when the block ends well, or with the generator around it; they stay for the next run when it fails. Those
    of another request for the same file go at once. Whoever makes the same at the same time keeps nothing.
    """
    own = output.with_name(f".{output.name}.windows-{key[:32]}")
    for folder in output.parent.glob(".*") if output.parent.is_dir() else ():
        found = _FOLDER.fullmatch(folder.name)
        if found and found["name"] == output.name and folder != own and _ours(folder):
            with _alone(folder) as ours:
                if ours:
                    _empty(folder)
    with _alone(own) as ours:
        if not ours:
            yield NOTHING
            return
        try:
            yield Kept(own)
        except GeneratorExit:
            _empty(own)
            raise
        _empty(own)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether nobody else has the folder, which is made, and goes in the end if nothing is in it."""
    with contextlib.ExitStack() as stack:
        stack.callback(_remove_empty, folder)
        while True:
            publish.make_folder(folder)
            try:
                stack.enter_context(locks.alone(folder / LOCK))
            except FileNotFoundError:  # who had it took it away meanwhile
                continue
            except locks.Held:
                yield False
                return
            break
        yield True


def _windows(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if _WINDOW.fullmatch(path.name) and path.is_file()]


def _ours(folder: Path) -> bool:
    return folder.is_dir() and {LOCK, *(path.name for path in _windows(folder))} >= set(os.listdir(folder))


def _empty(folder: Path) -> None:
    for path in _windows(folder):
        path.unlink(missing_ok=True)


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
