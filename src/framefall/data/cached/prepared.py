"""A source prepared to train on: a folder that holds all that training reads, so that the source need not be there.

It is a cache of its own without a limit, with `prepared.json` that says what was prepared and whether that is finished;
for a folder of videos `folder.records` holds its shots, captions and numbers.
"""

import json
import zlib
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from framefall import bounded
from framefall.data.cached import cache, records
from framefall.data.cached.store import CacheError, Store
from framefall.data.folder import Folder, FolderConfig, IngestReport, Shot, Skipped
from framefall.data.media.decode import DecodeError
from framefall.data.origin import Settings
from framefall.data.remote.place import as_values, from_values

ABOUT = "prepared.json"
VERSION = 1
_FOLDER = "folder.records"
_FREE = ("cache", "cache_gb")  # settings that decide on nothing that is prepared


_SINCE = {"numbers": "action"}  # what a setting was before there was one


def is_prepared(path: str | Path) -> bool:
    """Whether a folder has been prepared, or begun to be."""
    return (Path(path) / ABOUT).is_file()


def read_about(path: Path) -> dict[str, Any]:
    """What `prepared.json` says; a `ValueError` if it is damaged or of another version."""
    again = "prepare it again with framefall prepare, or restore it from a copy"
    try:
        about = bounded.read_json(path / ABOUT, bounded.TABLE)
        version, checksum = about.pop("format_version"), about.pop("checksum")
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        raise ValueError(f"{path / ABOUT} is damaged: {again}") from None
    if version != VERSION:
        raise ValueError(f"{path / ABOUT} has format version {version}, this Framefall reads {VERSION}: {again}")
    if checksum != _checksum(about):
        raise ValueError(f"{path / ABOUT} is damaged: {again}")
    return dict(about)


def write_about(path: Path, about: dict[str, Any]) -> None:
    """Publishes `prepared.json`."""
    whole = {"format_version": VERSION, **about, "checksum": _checksum(about)}
    with Store(path).writing(path / ABOUT) as partial:
        partial.write_text(json.dumps(whole, indent=1) + "\n")


def settings(config: FolderConfig) -> dict[str, Any]:
    """The settings that decide on what is prepared."""
    return {name: value for name, value in asdict(config).items() if name not in _FREE}


def check_settings(path: Path, about: dict[str, Any], config: FolderConfig) -> None:
    """Refuses a recipe that reads its data otherwise than they were prepared."""
    for name, value in settings(config).items():
        if name == "resample" and about.get("kind") == "world":  # which is drawn at the rate that is wanted
            continue
        if about["data"].get(name, _SINCE.get(name)) != value:
            raise ValueError(
                f"{path} must have been prepared as the recipe reads it, data.{name} is {about['data'].get(name)!r}"
                f" there and {value!r} in the recipe; --set data.{name} alike, or prepare the source for this recipe"
            )


def save_folder(folder: Folder, path: Path) -> None:
    """Writes what a prepared folder's cache does not say: shots, captions, numbers, and what became of each file."""
    entries = {
        name: [entry.file.stem, as_values(entry.origin.path), entry.origin.content, asdict(entry.origin.settings)]
        for name, entry in folder.entries.items()
    }
    report = asdict(folder.report)
    head = {"entries": entries, "report": report, "validation": sorted(folder.validation)}
    kept = [records.pack(head, {})]
    for shot in folder.shots:
        values = {one.name: getattr(shot, one.name) for one in fields(Shot) if one.name != "numbers"}
        kept.append(records.pack(values, {} if shot.numbers is None else {"numbers": shot.numbers}))
    with Store(path).writing(path / _FOLDER) as partial:
        records.write(partial, _FOLDER, kept)


def load_folder(path: Path, shots: int) -> Folder:
    """A prepared folder; raises `ValueError` where it is damaged and the source is not there to mend it."""
    store = Store(path)
    store.sweep()
    try:
        head, _ = records.unpack(records.read(path / _FOLDER, _FOLDER, 0))
        found = [records.unpack(records.read(path / _FOLDER, _FOLDER, number + 1)) for number in range(shots)]
        entries = {
            name: cache.entry(store, from_values(origin), content, Settings(**settings_))
            for name, (_, origin, content, settings_) in head["entries"].items()
        }
    except (records.Damaged, OSError, KeyError, TypeError, DecodeError, CacheError) as error:
        raise ValueError(f"{path} is damaged ({error}): prepare it again, or restore it from a copy") from None
    report = head["report"]
    return Folder(
        tuple(Shot(**values, numbers=arrays.get("numbers")) for values, arrays in found),
        IngestReport(
            tuple(report["ingested"]), tuple(Skipped(**one) for one in report["skipped"]), tuple(report["notes"])
        ),
        entries,
        frozenset(head["validation"]),
        store,
    )


def _checksum(about: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(about, sort_keys=True).encode())
