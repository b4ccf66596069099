"""Pictures out of a file or a folder of frames; nothing else in Framefall decodes video.

A file is known by its first bytes, never by its name, and only the listed kinds are opened: a playlist cannot make the
decoder read other files or the network. Files are decoded by a process that could not do so either (`isolated.py`).
"""

import os
from collections.abc import Iterator
from pathlib import Path

from framefall.data.media import frame_folders, isolated
from framefall.data.media.frame import FORMATS, DecodeError, Frame, Limits, Source, VideoInfo, open_source
from framefall.data.media.kinds import HEAD, NOT_READ, kind_of
from framefall.data.media.numbering import is_pattern
from framefall.data.media.timeline import at_rate

__all__ = ["DecodeError", "Frame", "Limits", "VideoInfo", "decode", "probe"]


def probe(path: str | Path, limits: Limits | None = None) -> VideoInfo:
    """Size, rate and length of a file, from its header, its time stamps and its first frame."""
    path, limits = Path(path), limits or Limits()
    if path.is_dir() or is_pattern(path):
        return frame_folders.probe(path, limits)
    with open_source(path) as source:
        return isolated.probe(source, kind_in(source), limits)


def decode(
    path: str | Path,
    *,
    fps: float | None = None,
    short_side: int | None = None,
    channels: int = 3,
    limits: Limits | None = None,
    blend: bool = False,
) -> Iterator[Frame]:
    """The frames of a video, image or folder of frames, upright, with square pixels, the first at time 0.

    With `fps` they come at exactly that rate, each the latest one or, to `blend`, mixed with the next; otherwise as the
    file has them. `short_side` shrinks by area
    averaging and never enlarges. Channels: 1 is grey, 3 is RGB, 4 is RGBA. Raises `DecodeError`.
    """
    if channels not in FORMATS:
        raise ValueError(f"channels must be one of {', '.join(map(str, FORMATS))} to decode, got {channels}")
    if (fps is not None and fps <= 0) or (short_side is not None and short_side <= 0):
        raise ValueError(f"fps and short_side must be above 0, got {fps} and {short_side}")
    return _decode(Path(path), fps, short_side, channels, limits or Limits(), blend)


def sniff(path: Path) -> str:
    """The container by its first bytes; a `DecodeError` says what it is instead."""
    with open_source(path) as source:
        return kind_in(source)


def kind_in(source: Source) -> str:
    """The same of an open file."""
    path = source.path
    os.lseek(source.file, 0, os.SEEK_SET)
    head = os.read(source.file, HEAD)
    if not head:
        raise DecodeError(path, "it is empty (0 bytes)")
    kind = kind_of(head, path.suffix.lower())
    if kind in NOT_READ:
        raise DecodeError(path, NOT_READ[kind])
    if kind is not None:
        return kind
    if head.lstrip().startswith(
        (b"#EXTM3U", b"ffconcat", b"<?xml", b"<MPD", b"v=0", b"[playlist]", b"[InternetShortcut]")
    ):
        raise DecodeError(path, "it is a playlist, which could point to any file; give the videos themselves")
    raise DecodeError(
        path,
        "it does not begin like any of the kinds read here: mp4, mov, mkv, webm, avi, mpg, ts, flv, wmv, ogv, mxf, gif,"
        " png, jpg, webp, avif, bmp, tif, ...",
    )


def _decode(
    path: Path, fps: float | None, short_side: int | None, channels: int, limits: Limits, blend: bool
) -> Iterator[Frame]:
    if path.is_dir() or is_pattern(path):
        tick, frames = 0.0, frame_folders.read(path, short_side, channels, limits)
    else:
        with open_source(path) as source:
            tick, frames = isolated.read(source, kind_in(source), short_side, channels, limits)
    yield from frames if fps is None else at_rate(frames, fps, tick, limits.seconds, blend)
