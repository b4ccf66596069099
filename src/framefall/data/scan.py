"""What in a folder is a video or an image, by its name; whether it can be read is found out later."""

import os
from collections.abc import Iterator
from pathlib import Path

from framefall.data.media import pictures
from framefall.data.media.frame import readable

VIDEOS = frozenset({".mp4", ".m4v", ".mkv", ".webm", ".avi", ".mov", ".gif"})
SUFFIXES = VIDEOS | pictures.SUFFIXES
SIDECARS = frozenset({".txt", ".json", ".csv", ".md"})


def scan(root: str | Path) -> list[Path]:
    """Every source below `root`, sorted: video files, images, and folders of numbered frames (each one video).

    Hidden names and sidecar files are left out. A folder that is reached twice through links is entered once.
    """
    root = Path(root)
    if not root.is_dir():
        raise ValueError(
            f"the source must be a folder of videos or images, got {readable(root)}; give an existing folder"
        )
    if is_frames(root):
        return [root]
    return sorted(_walk(root, {os.path.realpath(root)}), key=lambda path: os.fsencode(path))


def is_frames(folder: Path) -> bool:
    """Whether a folder is one video: at least two images with numbers for names, and nothing else but sidecars."""
    try:
        entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
        others = [entry for entry in entries if not _is_numbered(entry.name)]
        plain = all(entry.is_file() and Path(entry.name).suffix.lower() in SIDECARS for entry in others)
    except OSError:
        return False
    return plain and len(entries) - len(others) >= 2


def _walk(folder: Path, entered: set[str]) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name))
    except OSError:
        return
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith("."):
            continue
        if os.path.isdir(path):  # entry.is_dir() raises for a link to itself; this one is false
            real = os.path.realpath(path)
            if real in entered:
                continue
            entered.add(real)
            if is_frames(path):
                yield path
            else:
                inside = list(_walk(path, entered))
                # a folder with a video's name that holds nothing is a mistake that its owner should hear of
                yield from inside or ([path] if path.suffix.lower() in SUFFIXES else [])
        elif path.suffix.lower() in SUFFIXES:  # links to nothing too: they are named in the report
            yield path


def _is_numbered(name: str) -> bool:
    """`0001.png`, `frame_12.jpg`: an image whose name ends in a number."""
    path = Path(name)
    return path.suffix.lower() in pictures.SUFFIXES and path.stem[-1:].isdigit()
