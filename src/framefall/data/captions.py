"""What is found about a video: its caption and its numbers, from the files beside it or from its name.

In order of priority: `name.json` (the caption under `caption`, `text`, `prompt`, ...; `numbers`: a list, or one a
frame), `name.txt`, `name.caption`, ...; all of them also as `name.mp4.txt`, with suffixes in any case, and in a folder
`captions` or `labels` beside that of the videos; `caption.txt` or `prompt.txt` in a folder with no other video in it; a
row of a table (`tables.py`) in the video's folder, or one above; the words of the file name.
"""

import json
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from framefall.data import tables
from framefall.data.media.frame import readable
from framefall.data.media.kinds import SUFFIXES
from framefall.data.media.numbering import PICTURED, is_pattern, words
from framefall.data.tables import Row, Table
from framefall.data.text import read_text, whole

SIDECARS = (".json", ".txt", ".caption", ".captions", ".cap", ".prompt", ".tags")  # in order of priority
FOLDERS = ("captions", "caption", "labels", "prompts", "texts", "txt")  # beside that of the videos
ALONE = ("caption.json", "prompt.json", "caption.txt", "prompt.txt")  # of the only video in a folder
CAMERAS = frozenset({"img", "dsc", "dscn", "mov", "mvi", "vid", "pxl", "gopr"})  # what cameras call every file


@dataclass(frozen=True, eq=False)
class Annotation:
    """A caption, numbers (float32 [numbers] or [frames, numbers]), and what was wrong with their files."""

    caption: str | None = None
    numbers: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    where: str = ""  # the caption is: 0001.txt, captions.csv line 3, its name


@dataclass(frozen=True)
class _Listing:
    """The files and folders in a folder, found without minding how their suffixes, or all of them, are written."""

    files: Mapping[str, str] = field(default_factory=dict)  # name with its suffix in small letters: name
    folded: Mapping[str, str] = field(default_factory=dict)  # all in small letters, accents in one piece: name
    folders: Mapping[str, str] = field(default_factory=dict)  # the same, of folders

    @staticmethod
    def of(folder: Path) -> "_Listing":
        files, folded, folders = {}, {}, {}
        try:
            for entry in sorted(os.scandir(folder), key=lambda one: os.fsencode(one.name), reverse=True):
                stem, suffix = os.path.splitext(entry.name)
                if entry.name.startswith("."):
                    continue
                if os.path.isdir(entry):
                    folders[entry.name.lower()] = entry.name
                else:
                    files[stem + suffix.lower()] = folded[_folded(entry.name)] = entry.name
        except OSError:
            return _Listing()
        return _Listing(files, folded, folders)


@dataclass(frozen=True)
class Captions:
    """All that lies about in a folder of sources and may say something of them."""

    root: Path
    sources: tuple[Path, ...]
    _listings: dict[Path, _Listing] = field(default_factory=dict)

    def annotate(self, source: Path) -> Annotation:
        """Everything found about one source; a malformed file is noted, and the next one is asked."""
        found = [_from_file(file) for file in self._sidecars(source)]
        for folder in self._above(source):
            rows = (self._row(table, source, folder) for table in self._tables.get(folder, ()))
            found += [Annotation(row.caption, row.numbers, where=row.where) for row in rows if row]
        found.append(Annotation(self._spoken(source), where="its name"))
        caption = next((one for one in found if one.caption), Annotation())
        return Annotation(
            caption=caption.caption,
            numbers=next((one.numbers for one in found if one.numbers is not None), None),
            notes=tuple(note for one in found for note in one.notes),
            where=caption.where,
        )

    def _row(self, table: Table, source: Path, folder: Path) -> Row | None:
        """What a table in a folder says of a source; nothing where files in several folders may be meant."""
        name = _relative(source, folder)
        row = table.find(name)
        return row if row is None or table.names(name) or len(self._meant[id(row)]) == 1 else None

    @cached_property
    def _meant(self) -> Mapping[int, set[Path]]:
        """The folders of the sources that each row may mean."""
        found: dict[int, set[Path]] = defaultdict(set)
        for source in self.sources:
            for folder in self._above(source):
                for table in self._tables.get(folder, ()):
                    if row := table.find(_relative(source, folder)):
                        found[id(row)].add(source.parent)
        return found

    def _spoken(self, source: Path) -> str | None:
        """The words of a name; of frames in a folder called rgb, or by numbers alone, those of the folder around it."""
        is_folder = os.path.isdir(source)
        if is_folder and source != self.root and words(source.name) - {""} <= PICTURED:
            return from_name(source.parent.name)
        return from_name(source.name) or (from_name(source.parent.name) if is_pattern(source) else None)

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to say about the tables."""
        found = []
        for folder, several in self._tables.items():
            place = "" if folder == self.root else f"{_relative(folder, self.root)}/"
            for table in several:
                found += [f"{place}{table.name}{note}" for note in table.notes]
                unclear = [name for name, row in table.rows.items() if len(self._meant.get(id(row), ())) > 1]
                if unclear:
                    found.append(
                        f"{place}{table.name}: {len(unclear)} of its {len(table.rows)} rows may mean files in several"
                        f" folders, {whole(unclear[0])} for one; say their folders too"
                    )
                lost = self._lost(folder, table)
                if lost:
                    found.append(
                        f"{place}{table.name}: {len(lost)} of its {len(table.rows)} rows name no file that is used"
                        f" here, {whole(lost[0])} for one"
                    )
        return tuple(found)

    @cached_property
    def _tables(self) -> dict[Path, list[Table]]:
        """The tables of each folder, in order of priority."""
        sidecars = {file for source in self.sources for file in self._sidecars(source)}
        found = {}
        for folder in dict.fromkeys(above for source in self.sources for above in self._above(source)):
            listing = self._listing(folder)
            several = [
                table
                for name in sorted(listing.folded.values(), key=_priority)
                if (file := folder / name) not in sidecars and (table := tables.read_table(file)) is not None
            ]
            lists = [
                next((folder / listing.folded[name] for name in names if name in listing.folded), None)
                for names in (tables.LINES_OF_FILES, tables.LINES_OF_CAPTIONS)
            ]
            if lists[0] and lists[1]:
                several.append(tables.read_lines(lists[0], lists[1]))
            found[folder] = [one for one in several if one.promised or len(self._lost(folder, one)) < len(one.rows)]
        return found

    def _lost(self, folder: Path, table: Table) -> list[str]:
        """The rows of a table that speak of no source."""
        below = (source for source in self.sources if folder in self._above(source))
        used = {id(table.find(_relative(source, folder))) for source in below}
        return [name for name, row in table.rows.items() if id(row) not in used]

    def _above(self, source: Path) -> list[Path]:
        """The folders whose tables speak of a source: its own, and those above, up to the root; nearest first."""
        if source == self.root:
            return [self.root]
        inside = [source] if os.path.isdir(source) else []
        return [*inside, *(self.root / part for part in source.relative_to(self.root).parents)]

    def _sidecars(self, source: Path) -> list[Path]:
        """The files that say something of one source alone, in order of priority."""
        return [place / name for place, names in self._asked(source) for name in names]

    def _asked(self, source: Path) -> Iterator[tuple[Path, list[str]]]:
        is_folder = os.path.isdir(source)
        stems = [source.name] if is_folder or source.suffix.lower() not in SUFFIXES else [source.stem, source.name]
        wanted = [stem + suffix for suffix in SIDECARS for stem in stems]
        places = [source.parent]
        if source != self.root and source.parent != self.root:
            folders = self._listing(source.parent.parent).folders
            places += [source.parent.parent / folders[name] for name in FOLDERS if name in folders]
        # another system may write a name in other letters (A.MP4, a.txt) or other bytes (é as one letter or as two)
        alike = self._alike[source.parent, _folded(stems[0])] == 1
        for place in places:
            listing = self._listing(place)
            found = [listing.files.get(name) or (alike and listing.folded.get(_folded(name))) for name in wanted]
            yield place, [name for name in found if name]
        inside = source if is_folder else source.parent
        if is_folder or self._counts[source.parent] == 1:
            listing = self._listing(inside)
            yield inside, [listing.folded[name] for name in ALONE if name in listing.folded]
            if is_folder:
                yield inside, [listing.files[name] for name in wanted if name in listing.files]

    def _listing(self, folder: Path) -> _Listing:
        if folder not in self._listings:
            self._listings[folder] = _Listing.of(folder)
        return self._listings[folder]

    @cached_property
    def _alike(self) -> Counter[tuple[Path, str]]:
        """How many names of sources in a folder are one but for how their letters are written."""
        names = {(one.parent, one.name if os.path.isdir(one) else one.stem) for one in self.sources}
        return Counter((folder, _folded(name)) for folder, name in names)

    @cached_property
    def _counts(self) -> Counter[Path]:
        """How many sources lie in each folder."""
        return Counter(source.parent for source in self.sources)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).lower()


def from_name(name: str) -> str | None:
    """The words of a file name ("red_ball-003.mp4" says "red ball"); a name without letters says nothing."""
    name = readable(name)
    stem = name[: -len(Path(name).suffix)] if Path(name).suffix.lower() in SUFFIXES else name
    spaced = re.sub(r"%0?\d*d|(?<=[a-z])(?=[A-Z])|[\W_]+", " ", stem)
    kept = [w for w in spaced.split() if not any(c.isdigit() for c in w) and w.lower() not in CAMERAS]
    return " ".join(kept) or None


def _from_file(file: Path) -> Annotation:
    """What a sidecar says."""
    name, notes = readable(file.name), []
    try:
        if not file.is_file():
            raise ValueError("it is no plain file")
        text, remark = read_text(file)
        values = json.loads(text) if file.suffix.lower() == ".json" else text
    except (OSError, ValueError, RecursionError) as error:
        return Annotation(notes=(f"{name} is left out: {' '.join(str(error).split())[:120]}",))
    if remark:
        notes.append(f"{name}: {remark}")
    numbers: np.ndarray | None = None
    raw: str | None = None
    if isinstance(values, str):
        raw = values
        if not raw.strip():
            return Annotation(notes=(*notes, f"{name} is left out: it is empty"))
    elif isinstance(values, dict):
        raw, odd = tables.caption_of(values)
        if odd:
            notes.append(f"{name}: {odd}")
        if (given := values.get(tables.NUMBERS)) is not None:
            try:
                numbers = tables.numbers_of(given)
            except ValueError as error:
                notes.append(f"{name}: {error}")
        if raw is None and given is None and not odd:
            known = ", ".join(tables.CAPTION_COLUMNS[:6])
            notes.append(f"{name} says no caption: none of its keys is one of {known}, ...")
    else:
        return Annotation(notes=(*notes, f"{name} is left out: it must hold an object with caption and numbers"))
    if raw is not None and whole(raw) != raw:
        notes.append(f"{name}: half of a character in its caption is replaced by \ufffd")
    return Annotation(tables.clean(raw or ""), numbers, tuple(notes), name)


def _priority(name: str) -> tuple[bool, bool, bytes]:
    small = name.lower()
    return not small.startswith("caption"), not small.startswith("metadata"), os.fsencode(name)


def _relative(source: Path, folder: Path) -> str:
    return readable(source.name if source == folder else source.relative_to(folder))
