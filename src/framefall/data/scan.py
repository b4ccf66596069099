"""What in a folder is a video or an image, by its name; whether it can be read is found out later.

Which pictures are the frames of one video is decided by the rule of `media/frames.py`. Folders of what is computed from
pictures (`masks`, `depth`, ...) are left out where what it is computed from lies beside them. Nothing that looks like
media is passed over: what is not a source is left out with a reason.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from framefall.data.media.decode import DecodeError, sniff
from framefall.data.media.frame import readable
from framefall.data.media.kinds import SUFFIXES, named
from framefall.data.media.numbering import COMPUTED, PERHAPS_COMPUTED, PICTURED, Sorted, in_folder, marks, words

STRANGERS = frozenset({"@eadir", "__macosx", "$recycle.bin", "#recycle", "#snapshot", "lost+found"})  # of systems
PLAIN = frozenset(  # known to be no pictures: not looked into
    named(
        ".txt .json .jsonl .csv .tsv .md .caption .captions .cap .prompt .tags .parquet .srt .vtt .ass .log .yaml "
        ".yml .xml .html .py .sh .npy .npz .pt .safetensors .db .ini .zip .tar .gz .wav .mp3 .flac .m4a .aac .opus"
    )
)


@dataclass(frozen=True)
class Found:
    """The sources below a folder, sorted; and why what else looks like media is none, by its path."""

    sources: tuple[Path, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)


def scan(root: str | Path) -> list[Path]:
    """Every source below `root`, sorted: video files, images, and numbered frames (each such sequence is one video)."""
    return list(look(root).sources)


def look(root: str | Path) -> Found:
    """Every source below `root`, and what is left out.

    Hidden files, those of the system and plain text are passed over. A folder that is reached twice through links is
    entered once. Frames are named by their folder, or by a pattern where it holds more than one video as frames.
    """
    root = Path(root)
    if not root.is_dir():
        raise ValueError(
            f"the source must be a folder of videos or images, got {readable(root)}; give an existing folder"
        )
    left_out: dict[str, str] = {}
    sources = list(_walk(root, root, {os.path.realpath(root)}, left_out))
    return Found(tuple(sorted(sources, key=os.fsencode)), left_out)


def is_frames(folder: Path) -> bool:
    """Whether a folder stands for one video of numbered frames."""
    return len(in_folder(folder).videos) == 1


def _walk(root: Path, folder: Path, entered: set[str], left_out: dict[str, str]) -> Iterator[Path]:
    found = in_folder(folder)
    for name, reason in found.left_out.items():
        left_out[_relative(folder / name, root)] = reason
    several = len(found.videos) > 1
    yield from (folder / one.pattern if several else folder for one in found.videos)
    yield from (folder / name for name in found.singles)
    folders = []
    for entry in _entries(folder):
        path = folder / entry.name
        if os.path.isdir(path):  # entry.is_dir() raises for a link to itself; this one is false
            folders.append(path)
        elif reason := _why_not(path):
            left_out[_relative(path, root)] = reason
    computed = {path: pictures for path in folders if (pictures := _computed(path, found, folders))}
    for path in folders:
        real = os.path.realpath(path)
        if path in computed:
            left_out[_relative(path, root)] = (
                f"its {computed[path]} pictures are computed from those beside it, by its name"
            )
        elif real not in entered and path.name.lower() not in STRANGERS:
            entered.add(real)
            inside = list(_walk(root, path, entered, left_out))
            # a folder with a video's name that holds nothing is a mistake that its owner should hear of
            yield from inside or ([path] if path.suffix.lower() in SUFFIXES else [])


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name))
    except OSError:
        return []
    return [entry for entry in entries if not entry.name.startswith(".")]


def _why_not(path: Path) -> str:
    """Why a file that begins as media do is no source; nothing for any other, and for sources."""
    suffix = path.suffix.lower()
    try:
        if suffix in SUFFIXES or suffix in PLAIN or not stat.S_ISREG(os.stat(path).st_mode):
            return ""
        kind = sniff(path)
    except (DecodeError, OSError):
        return ""
    return f"it begins as {kind} does, but its name does not end so: rename it to use it"


def _computed(folder: Path, parent: Sorted, beside: list[Path]) -> int:
    """How many pictures are in a folder of masks, depth, ... that go with those beside it; 0 for any other folder."""
    called = words(folder.name)
    if not called & (COMPUTED | PERHAPS_COMPUTED):
        return 0
    inside = marks(folder, deep=True)
    others = [marks(folder.parent, deep=False)] if parent.videos or parent.singles else []
    for other in beside:
        theirs = words(other.name)
        if not theirs & (COMPUTED | PERHAPS_COMPUTED) and (called & COMPUTED or theirs & PICTURED):
            others.append(marks(other, deep=True))
    return len(inside) if any(2 * len(inside & other) >= len(inside) > 0 for other in others) else 0


def _relative(path: Path, root: Path) -> str:
    return readable(path.relative_to(root))
