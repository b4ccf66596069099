"""Pictures out of one open file, in this process: what the decode worker does with the files that it is given."""

from collections.abc import Iterator

from framefall.data.media import pictures, streams
from framefall.data.media.frame import DecodeError, Frame, Limits, Source, VideoInfo
from framefall.data.media.kinds import IMAGES


def probe(source: Source, kind: str, limits: Limits) -> VideoInfo:
    """Size, rate and length of a file, from its header, its time stamps and its first frame."""
    try:
        return pictures.probe(source, limits) if kind in IMAGES else streams.probe(source, kind, limits)
    except DecodeError:
        raise
    except Exception as error:  # libav's mistakes come as IndexError, UnicodeDecodeError, ... as well
        raise DecodeError(source.path, plain(error)) from None


def read(
    source: Source, kind: str, short_side: int | None, channels: int, limits: Limits
) -> tuple[float, Iterator[Frame]]:
    """The resolution of a file's clock in seconds, and its frames as it has them."""
    try:
        tick = 0.0 if kind in IMAGES else streams.tick(source, kind, limits)
    except DecodeError:
        raise
    except Exception as error:
        raise DecodeError(source.path, plain(error)) from None
    return tick, _frames(source, kind, short_side, channels, limits)


def tags(source: Source, kind: str) -> dict[str, str]:
    """What a container says of itself in words."""
    try:
        return {str(key): str(value) for key, value in streams.metadata(source, kind, Limits()).items()}
    except DecodeError:
        raise
    except Exception as error:
        raise DecodeError(source.path, plain(error)) from None


def size(source: Source, limits: Limits) -> tuple[int, int] | None:
    """Width and height of an upright picture; None if it is damaged."""
    return pictures.header_size(source, limits)


def plain(error: Exception) -> str:
    """What an error says of a file."""
    if isinstance(error, MemoryError):
        return "its frames do not fit into the memory that a file is given"
    if isinstance(error, FileNotFoundError | PermissionError):
        return "it points to another file, and none is opened but itself"
    if type(error).__name__.startswith("DecompressionBomb"):
        return "it has too many pixels"
    reason = getattr(error, "strerror", None) or str(error).partition(" '")[0].partition(' "')[0]
    return f"its data is damaged ({' '.join(reason.split())[:120] or type(error).__name__})"


def _frames(source: Source, kind: str, short_side: int | None, channels: int, limits: Limits) -> Iterator[Frame]:
    count = 0
    try:
        found = (
            pictures.read(source, short_side, channels, limits)
            if kind in IMAGES
            else streams.read(source, kind, short_side, channels, limits)
        )
        for frame in found:
            yield frame
            count += 1
    except DecodeError:
        raise
    except Exception as error:
        raise DecodeError(source.path, plain(error)) from None
    if not count:
        raise DecodeError(source.path, "it holds no frame that can be decoded")
