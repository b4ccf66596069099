"""Anybody's folder of videos and images as shots of frames: ingested once, read ever after from the cache."""

import contextlib
import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from framefall.data.cached import contents, store
from framefall.data.cached.cache import Entry
from framefall.data.cached.decoding import Decoded, Turns, Undecoded, decode, in_threads
from framefall.data.cached.store import MORE, Store
from framefall.data.captions import Annotation
from framefall.data.item import Item, Items
from framefall.data.media.frame import readable
from framefall.data.origin import Settings
from framefall.data.remote.kinds import items
from framefall.data.remote.place import sweep
from framefall.noise import Key
from framefall.progress import Each
from framefall.ranges import Length, Often, Rate, Share, Size, within


@dataclass(frozen=True, kw_only=True)
class FolderConfig:
    """How a folder is ingested."""

    size: Length = 256  # the short side kept in the cache; a smaller source keeps its own
    fps: Rate = 24.0  # no frame is ever shown twice: slower sources are kept at what they have
    # how a file of another rate comes near to `fps`: at its own or a whole fraction of its own (auto); or at fps, fps/2
    # and so on, with frames left out unevenly (nearest) or mixed with their neighbours, which leaves ghosts (blend)
    resample: Literal["auto", "nearest", "blend"] = "auto"
    channels: Annotated[int, within(1, 4)] = 3  # 1 grey, 3 RGB, 4 RGBA
    scene_cuts: bool = True  # each take is a shot of its own
    min_seconds: Size = 0.0  # shorter takes are left out; images stay
    max_seconds: Size = 1800.0  # of one file
    max_pixels: Annotated[int, within(1, 10**10)] = 40_000_000  # of one source frame
    holdout: Share = 0.0  # the part of the source files that is kept for validation
    cache: str | None = None  # default: $FRAMEFALL_CACHE, or ~/.cache/framefall
    cache_gb: Size | None = None  # what all of it may take; default: $FRAMEFALL_CACHE_GB, or 20
    numbers: str = (
        "action"  # of a LeRobot data set: the features that become numbers a frame: "action,observation.state"
    )
    looks: Often = 4  # of a world: different moments, crops and captions of each scene, before they repeat

    def __post_init__(self) -> None:
        for name in ("size", "fps", "max_seconds", "max_pixels"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}; try a positive number")
        if self.resample not in ("auto", "nearest", "blend"):
            raise ValueError(f"resample must be auto, nearest or blend, got {self.resample!r}")
        if self.looks < 1:
            raise ValueError(f"looks must be at least 1, got {self.looks}; try 4")
        if self.cache_gb is not None and not self.cache_gb >= 0:
            raise ValueError(f"cache_gb must be at least 0, got {self.cache_gb}; try 20")
        if self.channels not in (1, 3, 4):
            raise ValueError(f"channels must be 1, 3 or 4 to read files, got {self.channels}")
        if not 0 <= self.holdout < 1:
            raise ValueError(f"holdout must be from 0 to below 1, got {self.holdout}; try 0.1")


@dataclass(frozen=True, eq=False)
class Shot:
    """One take of one file; an image is a shot of one frame."""

    key: str  # names it for ever: the file and the first frame
    source: str  # the file's path in the folder
    start: int  # its first frame in the cached file
    frames: int
    height: int
    width: int
    fps: float
    caption: str | None = None
    numbers: np.ndarray | None = None  # float32 [numbers] or [frames, numbers]
    where: str = ""  # the caption is: 0001.txt, captions.csv line 3, its name


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class IngestReport:
    """What became of every file."""

    ingested: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{len(self.ingested)} files are used, {len(self.skipped)} are skipped"]
        lines += [f"  skipped {skipped.path}: {skipped.reason}" for skipped in self.skipped]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


@dataclass(frozen=True)
class Outcome:
    """What became of one file: an entry in the cache, or the reason why not."""

    source: str
    content: str = ""  # SHA-256 of what the file holds
    entry: Entry | None = None
    annotation: Annotation = field(default_factory=Annotation)
    reason: str = ""
    total: int = 1  # how many files there are
    span: tuple[int, int] | None = None  # which of the file's frames it is: from, to; None: all
    group: str = ""  # what stands on one side of a split together; empty: the same content
    notes: tuple[str, ...] = ()  # of the first: what there is to say about the folder as a whole


@dataclass(frozen=True)
class Folder:
    """Shots, and the way to their pixels. Small and picklable: pixels stay in the cache."""

    shots: tuple[Shot, ...]
    report: IngestReport
    entries: Mapping[str, Entry]  # by source
    validation: frozenset[str] = frozenset()  # sources that are held out
    store: Store | None = None  # where the states of its captions are kept; None: nowhere

    def read(self, shot: Shot, frames: Sequence[int]) -> np.ndarray:
        """Frames of a shot by number: uint8 [channels, frames, height, width]."""
        if not all(0 <= frame < shot.frames for frame in frames):
            raise ValueError(f"frames of {shot.key} must be 0 to {shot.frames - 1}, got {list(frames)}")
        return self.entries[shot.source].read([shot.start + frame for frame in frames]).transpose(3, 0, 1, 2)

    @property
    def names(self) -> list[str]:
        """The files, as a model that was trained on them names them."""
        return sorted({shot.source for shot in self.shots})

    @property
    def fingerprint(self) -> str:
        """A hash of what the shots are: two folders with the same one give the same clips."""
        digest = hashlib.blake2b(digest_size=16)
        for shot in self.shots:  # an entry's name is a hash of the file and of how it was decoded
            content = self.entries[shot.source].file.stem
            digest.update(repr((content, shot.key, shot.frames, shot.fps, shot.caption)).encode())
            digest.update(b"" if shot.numbers is None else np.ascontiguousarray(shot.numbers).tobytes())
        return digest.hexdigest()

    def split(self, name: Literal["train", "validation", "all"]) -> "Folder":
        """The shots of one side; all shots of a file, and of its exact copies, stand on the same side."""
        if name not in ("train", "validation", "all"):
            raise ValueError(f"split must be one of train, validation, all; got {name!r}")
        keep = [s for s in self.shots if name == "all" or (s.source in self.validation) == (name == "validation")]
        return replace(self, shots=tuple(keep))


def open_folder(path: str | Path, config: FolderConfig | None = None) -> Folder:
    """Ingests a folder and collects it. To show progress, read `ingest` and hand its outcomes to `collect`."""
    config = config or FolderConfig()
    return collect(path, ingest(path, config), config)


def ingest(path: str | Path, config: FolderConfig, each: Each | None = None) -> Iterator[Outcome]:
    """Every file of a source in sorted order, as it is decoded or found in the cache; nothing stops the rest.

    The source is a folder, shards of WebDataset, tables of Parquet with videos in them, a LeRobot data set, or any of
    them at a URL that fsspec opens. Files are decoded by threads of this process, or wherever `each` does it.
    """
    home = _store(config)
    home.sweep()
    sweep(home.root)
    with items(path, home.root, config.numbers) as found:
        yield from _ingested(found, config, home, str(path), each)


def _ingested(found: Items, config: FolderConfig, home: Store, source: str, each: Each | None) -> Iterator[Outcome]:
    notes, total = found.notes, len(found.items) + len(found.left_out)
    settings = Settings(**{f.name: getattr(config, f.name) for f in Settings.__dataclass_fields__.values()})
    before = contents.load(home, source) if any(item.identity for item in found.items) else {}
    files = [Undecoded(item.place, before.get(item.identity, "") if item.identity else "") for item in found.items]
    known, turns = dict[str, str](), Turns()

    def outcome(item: Item, decoded: Decoded | str) -> Outcome:
        one = Outcome(source=item.name, total=total, span=item.span, group=item.group)
        if isinstance(decoded, str):
            return replace(one, reason=decoded)
        if item.identity:
            known[item.identity] = decoded.content
        return replace(one, content=decoded.content, entry=decoded.entry, annotation=item.annotate())

    def here(pair: tuple[Item, Undecoded]) -> Outcome:
        return outcome(pair[0], decode(home, settings, pair[1], turns))

    outcomes: Generator[Outcome, None, None]
    if each is None:
        outcomes = in_threads(here, list(zip(found.items, files, strict=True)))
    else:
        decoded = each(partial(decode, home, settings), files)
        outcomes = (outcome(item, one) for item, one in zip(found.items, decoded, strict=True))
    with contextlib.closing(outcomes):
        for one in outcomes:
            yield replace(one, notes=notes)
            notes = ()
    if known and known != before:
        contents.save(home, source, known)
    for name, reason in found.left_out.items():
        yield Outcome(source=name, reason=reason, total=total)


def collect(path: str | Path, outcomes: Iterable[Outcome], config: FolderConfig) -> Folder:
    """The folder of what was ingested; raises `ValueError` when no file can be used."""
    used, skipped, shots, outcomes = list[Outcome](), list[Skipped](), list[Shot](), list(outcomes)
    notes = [note for outcome in outcomes for note in outcome.notes]
    width = _numbers_width(outcomes)
    for outcome in outcomes:
        if outcome.entry is None:
            skipped.append(Skipped(outcome.source, outcome.reason))
            continue
        found, remarks = _shots(outcome, outcome.entry, config, width)
        notes += [f"{outcome.source}: {remark}" for remark in remarks]
        if not found:
            gone = outcome.span and outcome.span[0] > max(outcome.entry.sources, default=0)
            why = (
                "it begins after what is read of its file" if gone else f"no take in it lasts {config.min_seconds:g} s"
            )
            skipped.append(Skipped(outcome.source, why))
            continue
        used.append(outcome)
        shots += found
    if not used:
        reasons = "; ".join(f"{s.path}: {s.reason}" for s in skipped[:3]) or "it has no video and no image in it"
        raise ValueError(f"{readable(str(path))} must hold at least one file that can be used, got none ({reasons})")
    entries = {o.source: o.entry for o in used if o.entry is not None}
    if poor := sum(not one.kept for one in entries.values()):
        notes.append(
            f"{_store(config).full(f'the frames of {poor} files')}: they are decoded whenever they are needed, which is"
            f" slow; {MORE}, or keep smaller pictures (data.size)"
        )
    report = IngestReport(tuple(o.source for o in used), tuple(skipped), tuple(notes))
    return Folder(tuple(shots), report, entries, _held_out(used, config.holdout), _store(config))


def _store(config: FolderConfig) -> Store:
    return Store(store.root(config.cache), store.limit(config.cache_gb))


def _held_out(used: Sequence[Outcome], holdout: float) -> frozenset[str]:
    """The sources of round(n * holdout) of the n distinct contents."""
    chosen = held_out({o.group or o.content for o in used}, holdout)
    return frozenset(o.source for o in used if (o.group or o.content) in chosen)


def held_out(groups: Iterable[str], holdout: float) -> frozenset[str]:
    """Those of some names that stand on the validation side, ranked by a hash that nothing else moves."""
    ranked = sorted(set(groups), key=lambda one: (Key(0, "holdout", one).word(), one))
    return frozenset(ranked[: int(len(ranked) * holdout + 0.5)])


def _shots(outcome: Outcome, entry: Entry, config: FolderConfig, width: int | None) -> tuple[list[Shot], list[str]]:
    frames, height, width_, _ = entry.shape
    begin, end = outcome.span or (0, entry.source_frames)  # by the file's own count, of which not every one is kept
    numbers, remarks = outcome.annotation.numbers, [*entry.notes, *outcome.annotation.notes]
    if numbers is not None and numbers.shape[-1] != width:
        remarks.append(f"its {numbers.shape[-1]} numbers are left out: most files have {width}")
        numbers = None
    if numbers is not None and numbers.ndim == 2 and len(numbers) != end - begin:
        remarks.append(f"its {len(numbers)} rows of numbers are left out: it has {end - begin} frames")
        numbers = None
    first, last = (bisect_left(entry.sources, one) for one in outcome.span) if outcome.span else (0, frames)
    if numbers is not None and numbers.ndim == 2:
        numbers = numbers[[source - begin for source in entry.sources[first:last]]]
    shots, short = [], 0
    starts = [first, *(start for start in entry.starts if first < start < last)]
    for start, stop in zip(starts, (*starts[1:], last), strict=True):
        if stop <= start or (frames > 1 and (stop - start) / entry.fps < config.min_seconds):
            short += 1
            continue
        own = numbers[start - first : stop - first] if numbers is not None and numbers.ndim == 2 else numbers
        key, size = f"{outcome.source}#{start}", (stop - start, height, width_)
        told = outcome.annotation.caption, own, outcome.annotation.where
        shots.append(Shot(key, outcome.source, start, *size, entry.fps, *told))
    if short and shots:
        remarks.append(f"{short} takes under {config.min_seconds:g} s are left out")
    return shots, remarks


def _numbers_width(outcomes: Iterable[Outcome]) -> int | None:
    """How many numbers most files come with: those with another count cannot stand in a batch with them."""
    found = (o.annotation.numbers for o in outcomes if o.entry is not None)
    widths = Counter(numbers.shape[-1] for numbers in found if numbers is not None)
    return max(widths, key=lambda width: (widths[width], width)) if widths else None
