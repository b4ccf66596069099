"""Uploads: one file a request, written as it comes and never kept in memory, and looked at by the decode worker.

What may come is bounded everywhere: bytes of a file, bytes of all, files, uploads at a time, parts and headers of a
request, and the seconds in which nothing comes. What is not finished is gone when its request is.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from framefall import publish
from framefall.data.media import decode as decoder
from framefall.data.media.frame import DecodeError, Limits, VideoInfo
from framefall.studio.files import TYPES
from framefall.studio.home import Home
from framefall.studio.queue import Queue, Refused, Stored
from framefall.studio.security import UPLOAD

ALL = 1 << 32  # bytes of all uploads
FILES = 1000  # uploads that are kept
AT_A_TIME = 64
PATIENCE = 10.0  # seconds in which something must come
LIMITS = Limits(pixels=40_000_000, frames=100_000, seconds=1200.0)
PARTIAL = ".partial"
SUFFIX = {  # by the kind that its first bytes say
    "mov": ".mp4", "matroska": ".mkv", "avi": ".avi", "png": ".png", "jpeg": ".jpg", "gif": ".gif", "webp": ".webp",
    "avif": ".avif", "bmp": ".bmp",
}  # fmt: skip


class Uploads:
    """The uploads of one server."""

    def __init__(self, home: Home, queue: Queue, *, most: int = UPLOAD, total: int = ALL, patience: float = PATIENCE):
        self.most, self.total, self.patience = most, total, patience
        self._home, self._queue, self._coming = home, queue, set[_Parts]()
        self._sizes = {one.id: int(one.about["bytes"]) for one in queue.files(None)}
        known = {Path(one.path).name for one in queue.files(None)}
        for path in home.uploads.iterdir():  # what uploads that were not finished, or forgotten, have left
            if path.name not in known:
                path.unlink(missing_ok=True)

    @property
    def taken(self) -> int:
        """Bytes of all that is here, and of what has come of the next."""
        return sum(self._sizes.values()) + sum(one.size for one in self._coming)

    async def take(self, content_type: str, body: AsyncIterator[bytes]) -> Stored:
        """The file of a request, kept. Raises `Refused` for what is too much, or cannot be shown."""
        if len(self._coming) >= AT_A_TIME:
            raise Refused(429, f"{AT_A_TIME} uploads are coming already; try again in a moment")
        if len(self._sizes) >= FILES:
            raise Refused(413, f"{FILES} uploads are kept already; delete some")
        parts, partial = _Parts(), self._home.uploads / f"{secrets.token_hex(8)}{PARTIAL}"
        self._coming.add(parts)
        try:
            await self._write(content_type, body, parts, partial)
            stored = await asyncio.to_thread(self._look, partial, parts.name or "")
            self._sizes[stored.id] = parts.size
            return stored
        finally:
            self._coming.discard(parts)
            partial.unlink(missing_ok=True)

    async def _write(self, content_type: str, body: AsyncIterator[bytes], parts: "_Parts", partial: Path) -> None:
        """Writes the one part of a body that is a file."""
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise Refused(415, "an upload must be multipart/form-data with one file")
        with partial.open("wb") as file:
            try:
                parser = MultipartParser(options[b"boundary"], parts.callbacks())  # type: ignore[arg-type]
                while chunk := await asyncio.wait_for(anext(body, b""), self.patience):
                    parser.write(chunk)
                    if parts.size > self.most or self.taken > self.total:
                        raise Refused(413, "the file is too large, or there is no room; send less, or delete some")
                    for piece in parts.pieces():
                        file.write(piece)
            except TimeoutError:
                raise Refused(408, f"nothing came for {self.patience:g} s; send the file again") from None
            except ClientDisconnect:
                raise Refused(400, "an upload must come whole; send it again") from None
            except FormParserError:
                raise Refused(400, "the body must be well-formed multipart/form-data") from None
        if not parts.ended or parts.name is None:
            raise Refused(400, "an upload must have one file, got none or a part of one")

    def _look(self, part: Path, name: str) -> Stored:
        """What came, as the decode worker sees it: kept under a name of the server's."""
        try:
            kind = decoder.sniff(part)
            info = decoder.probe(part, LIMITS)
            picture = next(decoder.decode(part, short_side=16, limits=LIMITS), None)
        except DecodeError as error:
            raise Refused(422, f"{name or 'the file'} cannot be shown: {error.reason}") from None
        if picture is None:
            raise Refused(422, f"{name or 'the file'} cannot be shown: it has no picture")
        id, suffix = secrets.token_hex(8), SUFFIX.get(kind, ".bin")
        if kind == "matroska" and name.lower().endswith(".webm"):
            suffix = ".webm"
        stored = Stored(id=id, path=f"uploads/{id}{suffix}", about=_about(part, name, suffix, info))
        os.replace(part, self._home.path / stored.path)
        self._queue.keep(stored)
        return stored

    def delete(self, upload: str) -> None:
        """Removes an upload; whatever job still needs it will say so."""
        found = self._queue.file(upload)
        if found.job is not None:
            raise Refused(404, "there is no upload of this id")
        self._queue.forget(upload)
        self._sizes.pop(upload, None)
        (self._home.path / found.path).unlink(missing_ok=True)


class _Parts:
    """What a multipart body is made of: one file and nothing else."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.ended, self.size, self._count = False, 0, 0
        self._pieces: list[bytes] = []
        self._field, self._value = b"", b""

    def callbacks(self) -> dict[str, Any]:
        """What the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_part_data": self._data,
            "on_header_field": self._in_field,
            "on_header_value": self._in_value,
            "on_header_end": self._header,
            "on_end": self._end,
        }

    def pieces(self) -> list[bytes]:
        """The pieces of the file that have come since."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def _begin(self) -> None:
        self._count += 1
        if self._count > 1:
            raise Refused(400, "an upload must have one file, got more; send each by itself")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self.name is None:
            raise Refused(400, "an upload must be one file, got a field without a filename")
        self.size += end - start
        self._pieces.append(data[start:end])

    def _in_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _in_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header(self) -> None:
        field, value, self._field, self._value = self._field, self._value, b"", b""
        if field.lower() == b"content-disposition":
            _, options = parse_options_header(value)
            name = options.get(b"filename")
            self.name = None if name is None else plain_name(name.decode("utf-8", "replace"))

    def _end(self) -> None:
        self.ended = True


def plain_name(name: str) -> str:
    """What an uploaded file is called, to be shown: its last part, printable, not too long. It names nothing."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(one for one in last if one.isprintable())[:200]


def _about(path: Path, name: str, suffix: str, info: VideoInfo) -> dict[str, object]:
    return {
        "name": name or "upload",
        "kind": "video" if info.frames > 1 else "image",
        "type": TYPES.get(suffix, "application/octet-stream"),
        "bytes": path.stat().st_size,
        "sha256": publish.sha256(path),
        "frames": info.frames,
        "width": info.width,
        "height": info.height,
        "fps": info.fps,
        "notes": list(info.notes),
    }
