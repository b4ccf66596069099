"""Text files as people have them: in any of the usual encodings, and never with half a character in what is read."""

import codecs
from pathlib import Path

from framefall import bounded

LARGEST = 1 << 26  # bytes of one file that are read
_MARKS = (  # the longer first: UTF-32 begins as UTF-16 does
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(file: Path) -> tuple[str, str]:
    """What a file says, and a remark on how it had to be read (none: plain UTF-8). Raises `ValueError` and `OSError`.

    A mark at its beginning decides; without one it is UTF-8, or UTF-16 if half of its bytes are zeros, or else Latin-1
    as Windows has it.
    """
    try:
        content = bounded.read(file, LARGEST)
    except bounded.Unreadable as error:
        raise ValueError(f"it {error.reason}") from None
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _decoded(content, encoding), ""
    zeros = [content[begin::2].count(0) for begin in (0, 1)]
    if len(content) >= 4 and len(content) % 2 == 0 and max(zeros) > 0.8 * len(content) / 2:
        return _decoded(content, "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"), "it is read as UTF-16"
    if 0 in content:
        raise ValueError("it is no text")
    try:
        return content.decode(), ""
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace"), "it is not UTF-8, and is read as Latin-1"


def whole(text: str) -> str:
    """The text with every half of a character joined to its other half, or replaced by U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _decoded(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        raise ValueError(f"it begins as {encoding.upper()} text, and is not") from None
