"""From ids to files. Clients send ids, and never a path or a part of one.

A file's id is a key of the queue's table. A folder's id is its place below one of the roots, sealed with the studio's
secret, so that nobody can make the id of another. Whatever is opened is opened part by part from a folder that the
operator named, and no part may be a link: a name that is changed meanwhile leads nowhere.
"""

import base64
import contextlib
import hmac
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from framefall.data.media.kinds import SUFFIXES
from framefall.studio.answers import Folder, FolderName
from framefall.studio.home import Home
from framefall.studio.queue import Refused

MOST_FOLDERS = 1000  # that are listed of one

# media types by the suffix that the server has given a file; nothing else is shown in a page
TYPES = {
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".avi": "video/x-msvideo",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".json": "application/json",
    ".html": "text/html; charset=utf-8",
}


def open_inside(root: Path, relative: str) -> int:
    """A descriptor of a plain file or folder below `root`. Raises `Refused` for whatever does not lie there."""
    parts = relative.split("/") if relative else []
    if any(part in ("", ".", "..") or "\0" in part or len(os.fsencode(part)) > 255 for part in parts):
        raise _none()
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        raise _none() from None
    for number, part in enumerate(parts):
        kind = os.O_DIRECTORY if number < len(parts) - 1 else 0
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | kind
        try:
            following = os.open(part, flags, dir_fd=descriptor)
        except (OSError, ValueError):
            raise _none() from None
        finally:
            os.close(descriptor)
        descriptor = following
    if stat.S_IFMT(os.fstat(descriptor).st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
        os.close(descriptor)
        raise _none()
    return descriptor


@contextlib.contextmanager
def opened(root: Path, relative: str) -> Iterator[int]:
    """The same until the block ends."""
    descriptor = open_inside(root, relative)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Roots:
    """The folders that the operator has given to train on."""

    home: Home
    folders: tuple[Path, ...] = ()

    def listed(self) -> list[FolderName]:
        """Each with its id."""
        return [FolderName(id=self._id(number, ""), name=root.name or "/") for number, root in enumerate(self.folders)]

    def path(self, folder: str) -> Path:
        """Where the folder of an id is. Raises `Refused` for an id that was not made here, or whose folder is gone."""
        root, relative = self._place(folder)
        with opened(root, relative) as descriptor:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise _none()
        return root / relative if relative else root

    def folder(self, folder: str) -> Folder:
        """What is in the folder of an id."""
        root, relative = self._place(folder)
        number = self.folders.index(root)
        names, media = [], 0
        with opened(root, relative) as descriptor, os.scandir(descriptor) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    names.append(entry.name)
                media += os.path.splitext(entry.name)[1].lower() in SUFFIXES
        inside = [
            FolderName(id=self._id(number, f"{relative}/{name}".lstrip("/")), name=_shown(name))
            for name in sorted(names, key=os.fsencode)[:MOST_FOLDERS]
        ]
        above = relative.rpartition("/")[0] if relative else None
        return Folder(
            id=folder,
            name=_shown(relative.rpartition("/")[2]) or root.name or "/",
            parent=None if above is None else self._id(number, above),
            folders=inside,
            media=media,
        )

    def _id(self, number: int, relative: str) -> str:
        place = base64.urlsafe_b64encode(os.fsencode(f"{number}/{relative}")).decode().rstrip("=")
        return f"{place}.{self._seal(place)}"

    def _seal(self, place: str) -> str:
        roots = "\0".join(map(str, self.folders))
        return self.home.keyed("folder", f"{roots}\0{place}")

    def _place(self, folder: str) -> tuple[Path, str]:
        place, _, seal = folder.partition(".")
        if not hmac.compare_digest(seal.encode(errors="replace"), self._seal(place).encode()):
            raise Refused(404, "there is no folder of this id; take one of GET /api/roots")
        number, _, relative = os.fsdecode(base64.urlsafe_b64decode(place + "=" * (-len(place) % 4))).partition("/")
        return self.folders[int(number)], relative


def roots(home: Home, given: Sequence[str | Path]) -> Roots:
    """Those of a server; each must be a folder."""
    for root in given:
        if not Path(root).is_dir():
            raise ValueError(f"--root must be a folder, got {root}; give one that is there")
    return Roots(home, tuple(Path(os.path.realpath(root)) for root in given))


def _shown(name: str) -> str:
    """A name as text that JSON can have."""
    return os.fsencode(name).decode("utf-8", "replace")


def _none() -> Refused:
    return Refused(404, "there is no such file")
