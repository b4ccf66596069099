"""Numbered pictures as the frames of a video: which of them belong together, which are missing, which are none of it.

**The rule.** Pictures of one folder whose names differ in one number only (`0001.png`, `take_12.jpg`, `take (12).jpg`,
`0001_rgb.png`) are the frames of one video, in the order of that number, when

- there are at least two and no other picture or video lies beside them, or there are at least eight;
- the number mostly goes up by one step: 1, 2, 3, or 0, 5, 10;
- most of them are of one kind and one size;
- they have no captions of their own (`0001.txt`, or rows of a table in the folder).

A file `fps.txt` in the folder says that all of its pictures are frames, whatever they are called. All others are single
pictures. Where the number jumps one shot ends and another begins. Pictures that go with others by their names and are
called masks, depth, flow, ... are left out, as is a picture of the folder beside its video (`cover.jpg`); and of a
frame that is there twice (`1.png`, `1.jpg`) one is taken.

A folder that holds one such video stands for it; of several each is named by a pattern: `FOLDER/a_%04d.png`.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from framefall import bounded
from framefall.data.media import isolated
from framefall.data.media.frame import DecodeError, Limits, open_source, readable
from framefall.data.media.kinds import PICTURES, SUFFIXES, named

RATE = "fps.txt"
ALONE, AMONG = 2, 8  # frames that a video has at least: with nothing beside them, and among other files
OWN_WORDS = frozenset({".txt", ".json", ".caption", ".captions", ".cap", ".prompt", ".tags"})  # beside one picture
TABLES = frozenset({".csv", ".tsv", ".jsonl", ".json"})
LARGEST_TABLE = 1 << 26  # bytes that are searched for names of pictures
LOOKED_AT = 9  # pictures of a sequence whose sizes and captions decide whether it is a video

# what is computed from a picture and kept beside it
COMPUTED = frozenset(
    named(
        "annotation annotations depth depths depthmap depthmaps disparity mask masks matte mattes normals seg "
        "segmentation segmentations segmask segmasks silhouette silhouettes trimap trimaps"
    )
)
# the same, but things may be called so too
PERHAPS_COMPUTED = frozenset(
    named(
        "alpha canny edge edges flow flows gt hed instance instances label labels lineart normal optical pose poses "
        "preview previews semantic semantics skeleton thumb thumbs thumbnail thumbnails truth"
    )
)
COVERS = frozenset(
    named("albumart albumartsmall cover folder poster preview thumb thumbnail")
)  # beside a video's frames
PICTURED = frozenset(
    named("color colour frame frames image images img imgs input jpegimages rgb video videos")
)  # what folders of frames are called, so that it says nothing


@dataclass(frozen=True)
class Numbered:
    """Pictures of one folder that are one video."""

    files: tuple[Path, ...]  # in order, one for each number
    breaks: tuple[int, ...] = ()  # which of them come after a gap
    notes: tuple[str, ...] = ()
    pattern: str = ""  # of their names, as FFmpeg has it: a_%04d.png


@dataclass(frozen=True)
class Sorted:
    """What the pictures and videos of one folder are."""

    videos: tuple[Numbered, ...] = ()
    singles: tuple[str, ...] = ()  # names of files
    left_out: Mapping[str, str] = field(default_factory=dict)  # why, by what stands for them: depth_*.png


def is_pattern(path: Path) -> bool:
    """Whether a path names numbered pictures by a pattern, and no file."""
    return bool(_PATTERN.search(path.name)) and not os.path.lexists(path)


def frames_of(path: Path) -> Numbered:
    """The frames that a folder or a pattern stands for; raises `DecodeError` where there is none or more than one.

    In a folder that is asked for by its name all pictures are frames if none of them are by the rule.
    """
    folder = path.parent if is_pattern(path) else path
    found = in_folder(folder)
    if folder != path:
        chosen = [one for one in found.videos if one.pattern == path.name]
        if not chosen:
            raise DecodeError(path, "it is not there, and no numbered pictures in its folder have such names")
        return chosen[0]
    if len(found.videos) > 1:
        patterns = " and ".join(str(Path(path.name) / one.pattern) for one in found.videos[:2])
        raise DecodeError(path, f"it holds {len(found.videos)} videos as frames; give one of them, such as {patterns}")
    pictures = [name for name in found.singles if Path(name).suffix.lower() in PICTURES]
    if not found.videos and not pictures:
        raise DecodeError(path, "it is a folder without frames (png, jpg, ...)")
    return found.videos[0] if found.videos else Numbered(_in_order(path, pictures))


def in_folder(folder: Path) -> Sorted:
    """Pictures and videos in a folder, but not in its folders: those that are frames, and single ones."""
    try:
        files = sorted(one.name for one in os.scandir(folder) if one.name[0] != "." and not os.path.isdir(one))
    except OSError:
        return Sorted()
    return _sorted(folder, files)


def natural(name: str) -> list[tuple[int, int, str]]:
    """A sort key by which frame 9 comes before frame 10."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def words(text: str) -> set[str]:
    """The words of a name, in small letters."""
    return set(re.split(r"[\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower()))


def marks(folder: Path, deep: bool) -> set[str]:
    """What tells the pictures in a folder, or in all below it, apart: their numbers, or else their names."""
    found: set[str] = set()
    for _, folders, names in os.walk(folder):
        for name in names:
            if _suffix(name) in PICTURES and name[0] != ".":
                match = _NUMBERED.fullmatch(Path(name).stem)
                found.add(str(int(match["number"])) if match else Path(name).stem.lower())
        if not deep:
            folders.clear()
    return found


_NUMBERED = re.compile(r"(?P<prefix>.*?)(?P<number>\d+)(?P<tail>\)?(?:[_\-. ][^\W\d_]+)*)", re.DOTALL)
_PATTERN = re.compile(r"%(?:0\d+)?d")
_Group = Mapping[int, Sequence[str]]  # names by number


def _sorted(folder: Path, files: Sequence[str]) -> Sorted:
    media = [name for name in files if _suffix(name) in SUFFIXES]
    aside = _computed(media)
    kept = [name for name in media if name not in aside]
    pictures = [name for name in kept if _suffix(name) in PICTURES]
    groups = _groups(pictures)
    if RATE in files and pictures:
        group = next(iter(groups.values()), {}) if len(groups) == 1 else {}
        whole = sum(map(len, group.values())) == len(pictures)
        videos = [_numbered(folder, group) if whole else _all(folder, pictures)]
        members = set(pictures)
    else:
        chosen = []
        for group in groups.values():
            names = [name for several in group.values() for name in several]
            if len(group) >= (ALONE if len(names) == len(kept) else AMONG) and _is_video(folder, group, files):
                chosen.append(group)
        videos = [_numbered(folder, group) for group in chosen]
        members = {name for group in chosen for several in group.values() for name in several}
    left_out = {
        label: f"{count} {'file that goes' if count == 1 else 'files that go'} by name with those beside"
        for label, count in Counter(aside.values()).items()
    }
    if videos:
        covers = [name for name in pictures if Path(name).stem.lower() in COVERS and name not in members]
        left_out |= dict.fromkeys(covers, "it is a picture of the folder by its name, and no frame of the video in it")
        members = members | set(covers)
    return Sorted(tuple(videos), tuple(name for name in kept if name not in members), left_out)


def _groups(names: Sequence[str]) -> dict[tuple[str, str], dict[int, list[str]]]:
    """Numbered pictures by what is around their number."""
    found: dict[tuple[str, str], dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in names:
        if match := _NUMBERED.fullmatch(Path(name).stem):
            found[match["prefix"], match["tail"]][int(match["number"])].append(name)
    return found


def _computed(names: Sequence[str]) -> dict[str, str]:
    """Files that are computed from others by what they are called, with what stands for all of their kind.

    `cat_mask.png` beside `cat.png`, and `depth_0001.png` to `depth_0100.png` beside `rgb_0001.png` and so on.
    """
    found, stems = {}, {Path(name).stem for name in names}
    for name in names:
        match = re.fullmatch(r"(.+)([_\-. ]([^\W\d_]+))", Path(name).stem)
        if match and match[1] in stems and match[3].lower() in COMPUTED | PERHAPS_COMPUTED:
            found[name] = f"*{match[2]}{Path(name).suffix}"
    groups = _groups([name for name in names if _suffix(name) in PICTURES and name not in found])
    aside = {key for key in groups if words(" ".join(key)) & (COMPUTED | PERHAPS_COMPUTED)}
    for key in aside:
        if any(
            2 * len(groups[key].keys() & groups[other].keys()) >= len(groups[key]) for other in groups.keys() - aside
        ):
            for name in (name for several in groups[key].values() for name in several):
                found[name] = f"{key[0]}*{key[1]}{Path(name).suffix}"
    return found


def _is_video(folder: Path, group: _Group, files: Sequence[str]) -> bool:
    kinds = Counter(_suffix(several[0]) for several in group.values())
    if not _step(sorted(group)) or 2 * max(kinds.values()) <= len(group):
        return False
    some = [group[number][0] for number in sorted(group)[:: -(-len(group) // LOOKED_AT)]]
    own = {Path(name).stem for name in files if _suffix(name) in OWN_WORDS}
    if 2 * sum(Path(name).stem in own or name in own for name in some) > len(some):
        return False
    if any(_lists(folder / name, some) for name in files if _suffix(name) in TABLES):
        return False
    sizes = Counter(size for name in some if (size := _size(folder / name)) is not None)
    return not sizes or 2 * max(sizes.values()) > sizes.total()


def _step(numbers: Sequence[int]) -> int:
    """What the numbers mostly go up by; 0 where there is no such step."""
    steps = Counter(later - number for number, later in pairwise(numbers))
    step = max(steps, key=lambda one: (steps[one], -one), default=0)
    usual = 2 * steps[step] > steps.total()
    return step if usual and (step == 1 or len(numbers) > 2) else 0


def _lists(table: Path, names: Sequence[str]) -> bool:
    """Whether a table has rows for most of these pictures."""
    try:
        content = bounded.read(table, LARGEST_TABLE)
    except (OSError, bounded.Unreadable):
        return False
    return 2 * sum(os.fsencode(name) in content for name in names) > len(names)


def _size(file: Path) -> tuple[int, int] | None:
    """What a picture's header says."""
    try:
        with open_source(file) as source:
            return isolated.size(source, Limits())
    except Exception:  # whatever is wrong with it is said when it is read
        return None


def _numbered(folder: Path, group: _Group) -> Numbered:
    """One file for each number, of the kind that most are of; and where numbers are missing."""
    numbers, notes = sorted(group), []
    kinds = Counter(_kind(name) for several in group.values() for name in several)
    ranked = [
        sorted(group[one], key=lambda name: (-kinds[_kind(name)], _suffix(name) in _LOSSY, name)) for one in numbers
    ]
    names, doubles = [names[0] for names in ranked], [name for names in ranked for name in names[1:]]
    step = _step(numbers)
    breaks = [place for place in range(1, len(numbers)) if step and numbers[place] - numbers[place - 1] != step]
    if doubles:
        notes.append(f"{len(doubles)} of its frames are there twice: {_some(doubles)} left out")
    if breaks:
        gaps = [f"{numbers[place - 1]} is followed by {numbers[place]}" for place in breaks]
        notes.append(f"its numbers have a gap ({_some(gaps)}): one shot ends and another begins there")
    return Numbered(tuple(folder / name for name in names), tuple(breaks), tuple(notes), _pattern(names))


def _all(folder: Path, names: Sequence[str]) -> Numbered:
    return Numbered(_in_order(folder, names), pattern="*")


def _in_order(folder: Path, names: Sequence[str]) -> tuple[Path, ...]:
    return tuple(folder / name for name in sorted(names, key=natural))


def _kind(name: str) -> tuple[str, int]:
    """The suffix, and how many digits a number with leading zeros has."""
    match = _NUMBERED.fullmatch(Path(name).stem)
    return _suffix(name), len(match["number"]) if match and match["number"].startswith("0") else 0


def _pattern(names: Sequence[str]) -> str:
    matches = [match for name in names if (match := _NUMBERED.fullmatch(Path(name).stem))]
    widths = {len(match["number"]) for match in matches}
    number = f"%0{max(widths)}d" if len(widths) == 1 and max(widths) > 1 else "%d"
    return matches[0]["prefix"] + number + matches[0]["tail"] + Path(names[0]).suffix


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _some(things: Sequence[str], most: int = 3) -> str:
    more = f" and {len(things) - most} more" if len(things) > most else ""
    return ", ".join(readable(thing) for thing in things[:most]) + more


_LOSSY = frozenset({".jpg", ".jpeg", ".webp"})
