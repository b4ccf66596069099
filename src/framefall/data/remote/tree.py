"""The files of a source wherever they are: below a folder, in an archive, in a bucket, or those that braces name.

Exceptions: `SourceError` (a `ValueError`): what of the source cannot be reached, in one sentence.
"""

import contextlib
import hashlib
import os
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

BRACES_AT_MOST = 1_000_000  # names that braces may stand for


class SourceError(ValueError):
    """A source that cannot be reached or read at all."""


@dataclass(frozen=True)
class File:
    """One file of a source."""

    url: str  # what opens it: a path of this machine, or whatever fsspec takes
    size: int
    identity: str  # another one whenever its bytes may have changed


@dataclass(frozen=True)
class Tree:
    """The files of a source by their names below it."""

    name: str
    files: Mapping[str, File]

    def ending(self, *suffixes: str) -> list[str]:
        """The names that end so, in order."""
        return [name for name in self.files if PurePosixPath(name).suffix.lower() in suffixes]


def is_url(source: str | Path) -> bool:
    """Whether it is for fsspec to open: `s3://bucket/folder`, `zip://::FILE`."""
    return bool(re.match(r"[A-Za-z][\w+.\-]*(://|::)", str(source))) and not Path(source).exists()


def braces(text: str) -> list[str]:
    """What a shell makes of a text with braces: `{000..009}` counts and `{a,b}` lists, from the left."""
    match = re.search(r"\{(?:(\d+)\.\.(\d+)|([^{},]*(?:,[^{},]*)+))\}", text)
    if match is None:
        return [text]
    if match[3] is not None:
        parts = match[3].split(",")
    else:
        first, last = int(match[1]), int(match[2])
        if abs(last - first) >= BRACES_AT_MOST:
            raise SourceError(f"braces must stand for at most {BRACES_AT_MOST:,} files, got {match[0]}")
        width = len(match[1]) if match[1].startswith("0") or match[2].startswith("0") else 0
        counted = range(first, last + 1) if first <= last else range(first, last - 1, -1)
        parts = [f"{number:0{width}d}" for number in counted]
    rest = braces(text[match.end() :])
    if len(parts) * len(rest) > BRACES_AT_MOST:
        raise SourceError(f"braces must stand for at most {BRACES_AT_MOST:,} files, got {text}")
    return [text[: match.start()] + part + one for part in parts for one in rest]


def tree(source: str | Path) -> Tree:
    """All files of a source, sorted by name; hidden ones are passed over."""
    text = str(source) if is_url(source) else os.path.abspath(source)
    if "{" in text and not Path(text).exists() and len(names := braces(text)) > 1:
        files = {PurePosixPath(one.partition("::")[0]).name: _file(one) for one in names}
        if len(files) < len(names):
            raise SourceError(f"the files that {text} stands for must have names of their own, some are equal")
        return Tree(text, files)
    with reading(text):
        filesystem, root = opened(text)
        filesystem.invalidate_cache()  # what a listing of long ago said
        if filesystem.isfile(root):
            return Tree(text, {PurePosixPath(root).name: _file(text)})
        found = filesystem.find(root, detail=True)
    if not found:
        raise SourceError(f"the source must be there and hold files, {text} has none; check its name and your rights")
    start = root.rstrip("/")
    files = {}
    for path, info in found.items():
        name = path[len(start) :].lstrip("/") if path.startswith(start) else path.lstrip("/")
        if not any(part.startswith(".") for part in name.split("/")):
            files[name] = File(_url(text, filesystem, path), int(info.get("size") or 0), _identity(info))
    return Tree(text, dict(sorted(files.items())))


def _file(url: str) -> File:
    with reading(url):
        filesystem, path = opened(url)
        info = filesystem.info(path)
    return File(url, int(info.get("size") or 0), _identity(info))


def opened(url: str) -> tuple[Any, str]:
    """The file system that a URL stands on, and the path there."""
    import fsspec

    if not is_url(url):
        return fsspec.filesystem("file"), url
    first, _, rest = url.partition("::")
    with _LOCK:  # what lies in an archive is found by one reader of that archive
        if rest:
            filesystem = _archive(first.partition("://")[0] + "://::" + rest)
            return filesystem, str(filesystem._strip_protocol(first)).strip("/")
        filesystem, path = fsspec.core.url_to_fs(url)
        return filesystem, str(path)


@contextlib.contextmanager
def reading(url: str) -> Iterator[None]:
    """Whatever a file system raises becomes a sentence: there is one kind of exception for each of them."""
    try:
        yield
    except SourceError:
        raise
    except ImportError as error:
        raise SourceError(_missing(url, error)) from None
    except FileNotFoundError:
        raise SourceError(f"the source must be there, {url} is not; check its name") from None
    except PermissionError:
        raise SourceError(f"this user must be allowed to read {url}, and is not; check your rights") from None
    except Exception as error:
        said = " ".join(str(error).split())[:160] or type(error).__name__
        if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
            said = "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or FSSPEC_S3_ANON=true"
        raise SourceError(f"{url} must be readable, and is not: {said}") from None


def _missing(url: str, error: ImportError) -> str:
    protocol = url.partition("://")[0]
    if protocol in ("s3", "s3a"):
        return f"{url} is read by s3fs, which is not installed: pip install 'framefall[s3]'"
    said = " ".join(str(error).split())[:120]
    return f"{url} needs a library that is not installed ({said})"


@lru_cache(maxsize=4)
def _archive(url: str) -> Any:
    import fsspec

    return fsspec.core.url_to_fs(url)[0]


def _url(source: str, filesystem: Any, path: str) -> str:
    """The URL of a file that was found below a source."""
    rest = source.partition("::")[2]
    if rest:
        return source.partition("://")[0] + f"://{path.lstrip('/')}::{rest}"
    return str(filesystem.unstrip_protocol(path)) if is_url(source) else path


def _identity(info: Mapping[str, Any]) -> str:
    """A hash of what a file system says of a file: its ETag, when it was changed, its size."""
    return hashed(sorted((str(key), str(value)) for key, value in info.items() if key not in ("name", "StorageClass")))


def hashed(*values: object) -> str:
    """A hash of values of one line."""
    return hashlib.sha256(repr(values).encode("utf-8", "backslashreplace")).hexdigest()


_LOCK = threading.Lock()
