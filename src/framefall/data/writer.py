"""Videos into files, window by window as they are made; the suffix chooses the kind.

A file is whole or not there: it is written under a partial name and published at the end.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation, VideoReformatter
from PIL import Image

from framefall import publish
from framefall.data import npy

Frames = Iterator[np.ndarray]
Writer = Callable[[Path, Frames, Fraction, Mapping[str, str]], int]


def write(
    path: str | Path,
    windows: Iterable[np.ndarray],
    fps: float,
    metadata: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Writes windows (uint8 [frames, height, width, channels]) as they come; gives the number of frames.

    `metadata` goes into the container's tags; `.npy` has no place for it. Raises `ValueError` for a suffix or a
    number of channels that cannot be written, and for a folder that holds anything but earlier frames.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in WRITERS:
        known = ", ".join(name or "no suffix (a folder of PNG)" for name in WRITERS)
        raise ValueError(f"the name of a video must end in one of {known}; got {path.name!r}")
    if fps <= 0:
        raise ValueError(f"fps must be above 0, got {fps}; try 24")
    if path.is_dir() and any(path.iterdir()) and not (path / "fps.txt").exists():
        raise ValueError(f"{path} is a folder that holds other things than frames; choose another name")
    frames = _frames(windows)
    first = next(frames, None)
    if first is None:
        raise ValueError("a video must have at least one frame, got none")
    channels = first.shape[2]
    if channels not in (1, 3) and suffix != ".npy":
        raise ValueError(f"{suffix or 'PNG'} holds 1 or 3 channels, got {channels}; write .npy, which holds any number")
    return WRITERS[suffix](path, itertools.chain((first,), frames), Fraction(fps).limit_denominator(1001), metadata)


@dataclass(frozen=True)
class Codec:
    """How FFmpeg's libraries are asked for one kind of file; one thread, so that equal frames are equal bytes."""

    container: str
    name: str
    options: Mapping[str, str]
    formats: Mapping[tuple[int, bool], str]  # (channels, both sides even): the pixel format

    def write(self, path: Path, frames: Frames, fps: Fraction, metadata: Mapping[str, str]) -> int:
        """Encodes frames in BT.709 at limited range, or losslessly in RGB."""
        first = next(frames)
        height, width, channels = first.shape
        movflags = {"movflags": "faststart+use_metadata_tags"} if self.container == "mp4" else {}
        count, reformat = 0, VideoReformatter()
        with publish.file(path) as partial:
            options = {"fflags": "+bitexact", **movflags}
            with av.open(str(partial), "w", format=self.container, options=options) as container:
                container.metadata.update(metadata)
                stream = container.add_stream(self.name, rate=fps, options=dict(self.options))
                stream.width, stream.height = width, height
                stream.pix_fmt = self.formats[channels, height % 2 == 0 and width % 2 == 0]
                context = stream.codec_context
                context.thread_count = 1
                context.flags |= _BITEXACT
                colours = stream.pix_fmt.startswith("yuv")
                if colours:
                    context.color_range, context.colorspace = int(ColorRange.MPEG), int(Colorspace.ITU709)
                    context.color_primaries, context.color_trc = int(ColorPrimaries.BT709), int(ColorTrc.BT709)
                for frame in itertools.chain((first,), frames):
                    raw = _raw(frame, grey=stream.pix_fmt == "gray")
                    if colours:
                        raw = reformat.reformat(
                            raw,
                            format=stream.pix_fmt,
                            dst_colorspace=int(Colorspace.ITU709),
                            dst_color_range=int(ColorRange.MPEG),
                            interpolation=_SMOOTH,
                            threads=1,
                        )
                    elif raw.format.name != stream.pix_fmt:
                        raw = reformat.reformat(raw, format=stream.pix_fmt, threads=1)
                    raw.pts, raw.time_base = count, 1 / fps
                    container.mux(stream.encode(raw))
                    count += 1
                container.mux(stream.encode())
        return count


def _frames(windows: Iterable[np.ndarray]) -> Frames:
    """The frames of all windows, checked: one size, uint8."""
    shape = None
    for window in windows:
        if window.dtype != np.uint8 or window.ndim != 4:
            raise ValueError(
                f"a window must be uint8 [frames, height, width, channels], got {window.dtype} {list(window.shape)}"
            )
        shape = shape or window.shape[1:]
        if window.shape[1:] != shape:
            raise ValueError(f"all windows must have one frame size, got {list(window.shape[1:])} after {list(shape)}")
        yield from window


def _raw(frame: np.ndarray, grey: bool = False) -> av.VideoFrame:
    if grey:
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[..., 0]), format="gray")
    # one channel goes the way of RGB: FFmpeg takes "gray" for full range, and its players do not agree on it
    return av.VideoFrame.from_ndarray(
        np.ascontiguousarray(np.broadcast_to(frame, (*frame.shape[:2], 3))), format="rgb24"
    )


def _gif(path: Path, frames: Frames, fps: Fraction, metadata: Mapping[str, str]) -> int:
    """Each frame with the 256 colours that suit it best."""
    count = 0
    with publish.file(path) as partial:
        with av.open(str(partial), "w", format="gif") as container:
            stream = None
            for frame in frames:
                if stream is None:
                    stream = container.add_stream("gif", rate=fps, options={"gifflags": "0"})
                    stream.height, stream.width, stream.pix_fmt = *frame.shape[:2], "pal8"
                    stream.codec_context.thread_count = 1
                raw = av.VideoFrame.from_ndarray(_paletted(frame), format="pal8")
                raw.pts, raw.time_base = count, 1 / fps
                container.mux(stream.encode(raw))
                count += 1
            assert stream is not None
            container.mux(stream.encode())
        if metadata:
            _add_comment(partial, json.dumps(dict(metadata)))
    return count


def _paletted(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices [height, width] and the palette as alpha, red, green, blue [256, 4]."""
    image = Image.fromarray(np.ascontiguousarray(np.broadcast_to(frame, (*frame.shape[:2], 3))))
    small = image.quantize(256, method=Image.Quantize.MEDIANCUT)
    colours = np.array(small.getpalette(), np.uint8).reshape(-1, 3)
    palette = np.full((256, 4), 255, np.uint8)
    palette[: len(colours), 1:] = colours
    return np.asarray(small, np.uint8), palette


def _add_comment(path: Path, text: str) -> None:
    """A GIF comment block before the trailer: FFmpeg writes none."""
    data = text.encode()
    blocks = b"".join(bytes([len(part)]) + part for part in (data[i : i + 255] for i in range(0, len(data), 255)))
    with open(path, "r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"\x21\xfe" + blocks + b"\0\x3b")


def _npy(path: Path, frames: Frames, fps: Fraction, metadata: Mapping[str, str]) -> int:
    with publish.file(path) as partial, npy.frame_file(partial) as array:
        for frame in frames:
            array.append(frame)
    return array.frames


def _png_folder(path: Path, frames: Frames, fps: Fraction, metadata: Mapping[str, str]) -> int:
    """Numbered frames, `fps.txt`, and `metadata.json` if there is any."""
    count = 0
    with publish.folder(path) as partial:
        for frame in frames:
            count += 1
            Image.fromarray(frame[..., 0] if frame.shape[2] == 1 else frame).save(partial / f"{count:06d}.png")
        (partial / "fps.txt").write_text(f"{float(fps):.10g}\n")
        if metadata:
            (partial / "metadata.json").write_text(json.dumps(dict(metadata), indent=2) + "\n")
    return count


_BITEXACT = 1 << 23  # AV_CODEC_FLAG_BITEXACT: no library versions in the file
_SMOOTH = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP

_EVEN_420 = {(c, even): "yuv420p" if even else "yuv444p" for c in (1, 3) for even in (True, False)}
MP4 = Codec("mp4", "libx264", {"crf": "14", "preset": "veryfast"}, _EVEN_420)
WEBM = Codec(
    "webm",
    "libvpx-vp9",
    {"crf": "18", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "0"},
    {key: "yuv420p" for key in _EVEN_420},
)
MKV = Codec(
    "matroska",
    "ffv1",
    {"level": "3", "slicecrc": "1"},
    {(c, even): "gray" if c == 1 else "bgr0" for c, even in _EVEN_420},
)

WRITERS: dict[str, Writer] = {
    ".mp4": MP4.write,
    ".webm": WEBM.write,
    ".mkv": MKV.write,
    ".gif": _gif,
    ".npy": _npy,
    ".png": _png_folder,
    "": _png_folder,
}
