"""The tags that a written video carries: read back from each kind of file that `writer.py` writes."""

import json
from pathlib import Path

import numpy as np

from framefall.data.media import streams
from framefall.data.media.decode import DecodeError, sniff
from framefall.data.media.frame import Limits
from framefall.data.media.writer import BESIDE, INSIDE
from framefall.seal import LABEL

LARGEST = 1 << 22  # bytes of tags that are read


def read_tags(path: str | Path) -> dict[str, str]:
    """The tags of a video by name, in small letters; empty where it has none.

    Raises `DecodeError` for what is no video. A `.npy` file's lie beside it, in `NAME.npy.json`; a folder's in it.
    """
    path = Path(path)
    if path.is_dir():
        return _from_json(path / INSIDE)
    if not path.exists():
        raise DecodeError(path, "it is not there")
    with open(path, "rb") as stream:
        head = stream.read(len(np.lib.format.MAGIC_PREFIX))
    if head == np.lib.format.MAGIC_PREFIX:
        return _from_json(path.with_name(path.name + BESIDE))
    kind = sniff(path)
    if kind == "gif":
        return _from_gif(path)
    return {key.lower(): value for key, value in streams.metadata(path, kind, Limits()).items()}


def _from_json(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    if path.stat().st_size > LARGEST:
        raise DecodeError(path, f"its tags are larger than {LARGEST:,} bytes")
    return _strings(path, path.read_bytes())


def _from_gif(path: Path) -> dict[str, str]:
    """The comment block before the trailer, walked to from the first byte as the format lays blocks out."""
    data = path.read_bytes()
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
    return _strings(path, found) if found.startswith(b"{") and len(found) <= LARGEST else {}


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
