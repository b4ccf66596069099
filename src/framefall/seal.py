"""A seal at the end of a file: the SHA-256 of all before it, so that the file itself tells whether anybody changed it.

Each kind of file has a place that its readers pass over: a free box in MP4, a void element in Matroska, a text chunk in
PNG, and so on. A seal finds changes, not forgery: whoever wants to can compute it anew.
"""

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LABEL = b"framefall-sha256"
DIGITS = 64  # of a SHA-256 in hexadecimal


@dataclass(frozen=True)
class Form:
    """How a kind of file is sealed: `body + before + digits + checksum(digits) + after`."""

    before: bytes
    after: bytes = b""
    end: bytes = b""  # how such a file ends without a seal, which takes the place of that
    checksum: Callable[[bytes], bytes] = lambda digits: b""  # the kind's own, which its readers look at

    def tail(self, digest: str) -> bytes:
        """What follows a body of that hash."""
        digits = digest.encode()
        return self.before + digits + self.checksum(digits) + self.after


def seal(path: Path) -> None:
    """Seals a finished file in place; a kind that has no form stays as it is."""
    for form in FORMS.get(path.suffix.lower(), ()):
        with open(path, "r+b") as stream:
            size = stream.seek(0, 2) - len(form.end)
            stream.seek(max(0, size))
            if size < 0 or stream.read() != form.end:
                continue
            digest = _digest(path, size)
            stream.seek(size)
            stream.write(form.tail(digest))
            return


def sealed(path: Path) -> bool:
    """Whether a file has a seal, and is to the byte what it was when it was sealed."""
    for form in FORMS.get(path.suffix.lower(), ()):
        length = len(form.tail("0" * DIGITS))
        with open(path, "rb") as stream:
            size = stream.seek(0, 2) - length
            if size < 0:
                continue
            stream.seek(size)
            tail = stream.read()
        if tail.startswith(form.before) and tail == form.tail(_digest(path, size)):
            return True
    return False


def _digest(path: Path, size: int) -> str:
    """The SHA-256 of the first `size` bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while size > 0 and (part := stream.read(min(size, 1 << 20))):
            digest.update(part)
            size -= len(part)
    return digest.hexdigest()


_LONG = len(LABEL) + DIGITS
_CHUNK = b"tEXt" + LABEL + b"\0"
_PNG_END = bytes(4) + b"IEND" + zlib.crc32(b"IEND").to_bytes(4, "big")
_MATROSKA = Form(b"\xec" + bytes([0x80 | _LONG]) + LABEL)

# by suffix; of several forms the first whose end fits
FORMS: dict[str, tuple[Form, ...]] = {
    ".mp4": (Form((8 + _LONG).to_bytes(4, "big") + b"free" + LABEL),),
    ".mkv": (_MATROSKA,),
    ".webm": (_MATROSKA,),
    ".gif": (Form(b"\x21\xff\x0bframefall10" + bytes([_LONG]) + LABEL, after=b"\0\x3b", end=b"\x3b"),),
    ".png": (
        Form(
            (len(_CHUNK) - 4 + DIGITS).to_bytes(4, "big") + _CHUNK,
            after=_PNG_END,
            end=_PNG_END,
            checksum=lambda digits: zlib.crc32(_CHUNK + digits).to_bytes(4, "big"),
        ),
    ),
    # what comes after the end that these state nobody reads
    **dict.fromkeys((".npy", ".nc", ".nc4", ".tif", ".tiff"), (Form(LABEL),)),
    ".npz": (Form(_LONG.to_bytes(2, "little") + LABEL, end=bytes(2)),),  # a comment of the archive
    ".json": (
        Form(b',\n  "' + LABEL + b'": "', after=b'"\n}\n', end=b"\n}\n"),
        Form(b', "' + LABEL + b'": "', after=b'"}\n', end=b"}\n"),
    ),
    ".jsonl": (Form(b', "' + LABEL + b'": "', after=b'"}\n', end=b"}\n"),),  # a name more in the last line
    ".html": (Form(b"<!-- " + LABEL + b" ", after=b" -->\n"),),
}
