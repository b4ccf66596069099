"""Pictures out of a file or a folder of frames; nothing else in Framefall decodes video.

A file is known by its first bytes, never by its name, and only the listed kinds are opened: a playlist
cannot make the decoder read other files or the network.
"""

from collections.abc import Iterator
from pathlib import Path

from framefall.data.media import pictures, streams
from framefall.data.media.frame import FORMATS, DecodeError, Frame, Limits, VideoInfo
from framefall.data.media.frames import is_pattern
from framefall.data.media.kinds import HEAD, IMAGES, NOT_READ, kind_of
from framefall.data.media.timeline import at_rate

__all__ = ["DecodeError", "Frame", "Limits", "VideoInfo", "decode", "probe"]


def probe(path: str | Path, limits: Limits | None = None) -> VideoInfo:
    """Size, rate and length of a file, from its header, its time stamps and its first frame."""
    path, limits = Path(path), limits or Limits()
    try:
        if path.is_dir() or is_pattern(path):
            return pictures.probe_folder(path, limits)
        kind = sniff(path)
        return pictures.probe(path, limits) if kind in IMAGES else streams.probe(path, kind, limits)
    except DecodeError:
        raise
    except Exception as error:  # libav's mistakes come as IndexError, UnicodeDecodeError, ... as well
        raise DecodeError(path, _plain(error)) from None


def decode(
    path: str | Path,
    *,
    fps: float | None = None,
    short_side: int | None = None,
    channels: int = 3,
    limits: Limits | None = None,
) -> Iterator[Frame]:
    """The frames of a video, image or folder of frames, upright, with square pixels, the first at time 0.

    With `fps` they come at exactly that rate, otherwise as the file has them. `short_side` shrinks by area
    averaging and never enlarges. Channels: 1 is grey, 3 is RGB, 4 is RGBA. Raises `DecodeError`.
    """
    if channels not in FORMATS:
        raise ValueError(f"channels must be one of {', '.join(map(str, FORMATS))} to decode, got {channels}")
    if (fps is not None and fps <= 0) or (short_side is not None and short_side <= 0):
        raise ValueError(f"fps and short_side must be above 0, got {fps} and {short_side}")
    return _decode(Path(path), fps, short_side, channels, limits or Limits())


def sniff(path: Path) -> str:
    """The container by its first bytes; a `DecodeError` says what it is instead."""
    with open(path, "rb") as stream:
        head = stream.read(HEAD)
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


def _decode(path: Path, fps: float | None, short_side: int | None, channels: int, limits: Limits) -> Iterator[Frame]:
    count = 0
    try:
        for frame in _frames(path, fps, short_side, channels, limits):
            yield frame
            count += 1
    except DecodeError:
        raise
    except Exception as error:
        raise DecodeError(path, _plain(error)) from None
    if not count:
        raise DecodeError(path, "it holds no frame that can be decoded")


def _frames(path: Path, fps: float | None, short_side: int | None, channels: int, limits: Limits) -> Iterator[Frame]:
    tick = 0.0
    if path.is_dir() or is_pattern(path):
        frames = pictures.read_folder(path, short_side, channels, limits)
    elif (kind := sniff(path)) in IMAGES:
        frames = pictures.read(path, short_side, channels, limits)
    else:
        tick = streams.tick(path, kind, limits)
        frames = streams.read(path, kind, short_side, channels, limits)
    return frames if fps is None else at_rate(frames, fps, tick)


def _plain(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "its frames do not fit into this machine's memory"
    if isinstance(error, FileNotFoundError):
        return "it is not there, or is a link to nothing"
    if isinstance(error, PermissionError):
        return "this user may not read it"
    if type(error).__name__.startswith("DecompressionBomb"):
        return "it has too many pixels"
    reason = getattr(error, "strerror", None) or str(error).partition(" '")[0].partition(' "')[0]
    return f"its data is damaged ({' '.join(reason.split())[:120] or type(error).__name__})"
