"""The tags that a written video carries: read back from each kind of file that `writer.py` writes."""

import json
import os
from pathlib import Path

import numpy as np

from framefall import bounded
from framefall.data.media import isolated
from framefall.data.media.decode import kind_in
from framefall.data.media.frame import DecodeError, open_source
from framefall.data.media.writer import BESIDE, INSIDE
from framefall.seal import LABEL

LARGEST = 1 << 22  # bytes of tags that are read
_WALKED = 1 << 30  # bytes of a GIF that is walked through


def read_tags(path: str | Path) -> dict[str, str]:
    """The tags of a video by name, in small letters; empty where it has none.

    Raises `DecodeError` for what is no video. A `.npy` file's lie beside it, in `NAME.npy.json`; a folder's in it.
    """
    path = Path(path)
    if path.is_dir():
        return _from_json(path / INSIDE)
    if not path.exists():
        raise DecodeError(path, "it is not there")
    with open_source(path) as source:
        if os.pread(source.file, len(np.lib.format.MAGIC_PREFIX), 0) == np.lib.format.MAGIC_PREFIX:
            return _from_json(path.with_name(path.name + BESIDE))
        kind = kind_in(source)
        if kind == "gif":
            return _from_gif(path)
        return {key.lower(): value for key, value in isolated.tags(source, kind).items()}


def _from_json(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        return _strings(path, bounded.read(path, LARGEST))
    except bounded.Unreadable as error:
        raise DecodeError(path, f"its file of tags {error.reason}") from None


def _from_gif(path: Path) -> dict[str, str]:
    """The comment block before the trailer, walked to from the first byte as the format lays blocks out."""
    try:
        found = _last_comment(bounded.read(path, _WALKED))
    except bounded.Unreadable as error:
        raise DecodeError(path, f"it {error.reason}") from None
    except IndexError:
        raise DecodeError(path, "it is cut short") from None
    return _strings(path, found) if found.startswith(b"{") and len(found) <= LARGEST else {}


def _last_comment(data: bytes) -> bytes:
    place, found = 13 + _table(data[10]), b""
    while place < len(data) and data[place] != 0x3B:
        comment = data[place : place + 2] == b"\x21\xfe"
        place += 10 + _table(data[place + 9]) + 1 if data[place] == 0x2C else 2
        parts = []
        while place < len(data) and data[place]:
            parts.append(data[place + 1 : place + 1 + data[place]])
            place += 1 + data[place]
        place += 1
        found = b"".join(parts) if comment else found
    return found


def _table(flags: int) -> int:
    """Bytes of a table of colours."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _strings(path: Path, text: bytes) -> dict[str, str]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        raise DecodeError(path, "its tags are damaged") from None
    if not isinstance(values, dict):
        return {}
    return {str(key).lower(): str(value) for key, value in values.items() if key != LABEL.decode()}
