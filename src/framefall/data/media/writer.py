"""Videos into files, window by window as they are made; the suffix chooses the kind.

A file is whole or not there: it is written under a partial name and published at the end.
"""

import json
import math
import warnings
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType, TracebackType

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation, VideoReformatter
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from framefall import outputs
from framefall.data.cached import npy
from framefall.outputs import FolderKind, Output

# a coroutine that is sent frame after frame; sent None it publishes, closed it leaves nothing
FrameSink = Generator[None, np.ndarray | None, None]
BESIDE = ".json"  # after the name of a .npy file: its tags
INSIDE = "metadata.json"  # in a folder of PNG: its tags
RATE = "fps.txt"  # in a folder of PNG: frames a second
FRAMES = FolderKind("frames", needs=RATE, only=rf"\d{{6,}}\.png|{RATE}|{INSIDE}")
PICTURE = ".png"  # a video of one frame
OpenSink = Callable[[Output, Fraction, Mapping[str, str]], FrameSink]


def write(
    path: str | Path | Output,
    windows: Iterable[np.ndarray],
    fps: float,
    metadata: Mapping[str, str] = MappingProxyType({}),
    *,
    overwrite: bool = False,
) -> int:
    """Writes windows (uint8 [frames, height, width, channels]) as they come; gives the number of frames.

    `metadata` goes into the container's tags; that of `.npy`, which has no place for it, into a file beside it. Raises
    `ValueError` for a suffix or a number of channels that cannot be written, and for a file that is there unless
    Framefall made it and nobody has changed it since; `overwrite` replaces any file, and no folder but such of frames.
    Warns where a file gets another size than its frames (`VideoWriter.note`).
    """
    with VideoWriter(path, fps, metadata, overwrite=overwrite) as writer:
        for window in windows:
            writer.add(window)
    if writer.note:
        warnings.warn(writer.note, stacklevel=2)
    return writer.frames


def video_output(path: str | Path, *, overwrite: bool = False, sources: Iterable[str | Path] = ()) -> Output:
    """Where a video is to be written; refuses a name of no known kind, and what must not be replaced (`outputs.py`).

    `sources` are the files and folders that it is made from.
    """
    path = Path(path)
    if path.name.lower() in (*WRITERS, PICTURE) and path.name:
        raise ValueError(f"the name of a video must have more than its suffix, got {path.name!r}; try clip{path.name}")
    if (suffix := path.suffix.lower()) not in (*WRITERS, PICTURE):
        known = ", ".join(name or "no suffix (a folder of PNG)" for name in WRITERS)
        raise ValueError(
            f"the name of a video must end in one of {known}, or {PICTURE} if it has one frame; got {path.name!r}"
        )
    if not suffix:
        return outputs.folder(path, FRAMES, overwrite=overwrite, sources=sources)
    names = [path, _beside(path)] if suffix == ".npy" else [path]
    return outputs.files(names, overwrite=overwrite, sources=sources)[0]


class VideoWriter:
    """A video that is written window by window. It is published when its `with` block ends well, and not otherwise.

    Refuses at once what cannot be written; a video must have a frame, and a picture (`.png`) has no more.
    """

    def __init__(
        self,
        path: str | Path | Output,
        fps: float,
        metadata: Mapping[str, str] = MappingProxyType({}),
        *,
        overwrite: bool = False,
    ) -> None:
        self._output = path if isinstance(path, Output) else video_output(path, overwrite=overwrite)
        self.path, self.fps, self.metadata, self.frames = self._output.path, fps, metadata, 0
        self._suffix = self.path.suffix.lower()
        self._size: tuple[int, ...] | None = None
        self._encoder: FrameSink | None = None
        if not 0 < fps < math.inf:
            raise ValueError(f"fps must be above 0 and finite, got {fps}; try 24")
        slowest, fastest = RATES.get(self._suffix, (0.0, math.inf))
        if not slowest <= fps <= fastest:
            raise ValueError(
                f"{self._suffix or 'a folder of frames'} shows {slowest:g} to {fastest:g} frames a second, got {fps:g};"
                " take another rate, or another kind of file (.mp4)"
            )

    def __enter__(self) -> "VideoWriter":
        return self

    def add(self, window: np.ndarray) -> None:
        """The next frames, uint8 `[frames, height, width, channels]`, all windows of one size."""
        if window.dtype != np.uint8 or window.ndim != 4:
            raise ValueError(
                f"a window must be uint8 [frames, height, width, channels], got {window.dtype} {list(window.shape)}"
            )
        self._size = self._size or window.shape[1:]
        if window.shape[1:] != self._size:
            raise ValueError(
                f"all windows must have one frame size, got {list(window.shape[1:])} after {list(self._size)}"
            )
        if self._encoder is None:
            self._encoder = self._open(window.shape[3])
        for frame in window:
            self._encoder.send(frame)
            self.frames += 1

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in the file, once it has a frame: those of its frames, unless there is a `note`."""
        assert self._size is not None
        height, width = self._size[:2]
        return (height + height % 2, width + width % 2) if self._suffix in EVEN else (height, width)

    @property
    def note(self) -> str:
        """What whoever asked for the file should know of it, in a sentence; empty for nothing."""
        if self._size is None or self.size == self._size[:2]:
            return ""
        (height, width), (asked_height, asked_width) = self.size, self._size[:2]
        return (
            f"{self.path} is {width}x{height} instead of {asked_width}x{asked_height}: players need even sides in"
            f" {self._suffix}, so its edge is repeated once; .webm and .mkv keep the size"
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            if self._encoder is not None:
                self._encoder.close()
            return
        if self._encoder is None:
            raise ValueError("a video must have at least one frame, got none")
        try:
            self._encoder.send(None)
        except StopIteration:
            return
        raise AssertionError("an encoder ends when it is sent None")

    def _open(self, channels: int) -> FrameSink:
        if channels not in (1, 3) and self._suffix != ".npy":
            kind = self._suffix or "PNG"
            raise ValueError(f"{kind} holds 1 or 3 channels, got {channels}; write .npy, which holds any number")
        opened = _picture if self._suffix == PICTURE else WRITERS[self._suffix]
        encoder = opened(self._output, Fraction(self.fps).limit_denominator(1001), self.metadata)
        next(encoder)
        return encoder


@dataclass(frozen=True)
class VideoCodec:
    """How FFmpeg's libraries are asked for one kind of file; one thread, so that equal frames are equal bytes."""

    container: str
    name: str
    options: Mapping[str, str]
    formats: Mapping[int, str]  # by number of channels: the pixel format
    even: bool = False  # whether an odd side gets a row or column more
    narrow: Mapping[str, str] | None = None  # the options for pictures one pixel wide, where others are needed

    def open(self, output: Output, fps: Fraction, metadata: Mapping[str, str]) -> FrameSink:
        """Encodes frames in BT.709 at limited range, or losslessly in RGB."""
        frame = yield
        assert frame is not None
        height, width, channels = frame.shape
        more = ((0, height % 2), (0, width % 2), (0, 0)) if self.even else ((0, 0),) * 3
        movflags = {"movflags": "faststart+use_metadata_tags"} if self.container == "mp4" else {}
        count, reformat = 0, VideoReformatter()
        with output.writing() as partial:
            options = {"fflags": "+bitexact", **movflags}
            with av.open(str(partial), "w", format=self.container, options=options) as container:
                container.metadata.update(metadata)
                asked = self.narrow if width == 1 and self.narrow is not None else self.options
                stream = container.add_stream(self.name, rate=fps, options=dict(asked))
                stream.width, stream.height = width + more[1][1], height + more[0][1]
                stream.pix_fmt = self.formats[channels]
                context = stream.codec_context
                context.thread_count = 1
                context.flags |= _BITEXACT
                colours = stream.pix_fmt.startswith("yuv")
                if colours:
                    context.color_range, context.colorspace = int(ColorRange.MPEG), int(Colorspace.ITU709)
                    context.color_primaries, context.color_trc = int(ColorPrimaries.BT709), int(ColorTrc.BT709)
                while frame is not None:
                    raw = _raw(np.pad(frame, more, mode="edge"), grey=stream.pix_fmt == "gray")
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
                    frame = yield
                container.mux(stream.encode())


def _raw(frame: np.ndarray, grey: bool = False) -> av.VideoFrame:
    if grey:
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[..., 0]), format="gray")
    # one channel goes the way of RGB: FFmpeg takes "gray" for full range, and its players do not agree on it
    return av.VideoFrame.from_ndarray(
        np.ascontiguousarray(np.broadcast_to(frame, (*frame.shape[:2], 3))), format="rgb24"
    )


def _gif(output: Output, fps: Fraction, metadata: Mapping[str, str]) -> FrameSink:
    """Each frame with the 256 colours that suit it best."""
    count = 0
    with output.writing() as partial:
        with av.open(str(partial), "w", format="gif") as container:
            stream = None
            while (frame := (yield)) is not None:
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


def _npy(output: Output, fps: Fraction, metadata: Mapping[str, str]) -> FrameSink:
    beside = outputs.file(_beside(output.path), overwrite=bool(output.overwrite)) if metadata else None
    with output.writing() as partial, npy.frame_file(partial) as array:
        while (frame := (yield)) is not None:
            array.append(frame)
    if beside is not None:
        with beside.writing() as partial:
            partial.write_text(json.dumps(dict(metadata), indent=2) + "\n")


def _beside(path: Path) -> Path:
    return path.with_name(path.name + BESIDE)


def _png_folder(output: Output, fps: Fraction, metadata: Mapping[str, str]) -> FrameSink:
    """Numbered frames, `fps.txt`, and the tags if there are any."""
    count = 0
    with output.writing() as partial:
        while (frame := (yield)) is not None:
            count += 1
            _image(frame).save(partial / f"{count:06d}.png")
        (partial / RATE).write_text(f"{float(fps):.10g}\n")
        if metadata:
            (partial / INSIDE).write_text(json.dumps(dict(metadata), indent=2) + "\n")


def _picture(output: Output, fps: Fraction, metadata: Mapping[str, str]) -> FrameSink:
    """One frame, with the tags as texts."""
    texts = PngInfo()
    for name, text in metadata.items():
        texts.add_itxt(name, text)
    frame = yield
    assert frame is not None
    with output.writing() as partial:
        _image(frame).save(partial, format="PNG", pnginfo=texts)
        if (yield) is not None:
            raise ValueError(one_frame_only(output.path))


def one_frame_only(path: Path) -> str:
    """The sentence for a video that is to be a picture."""
    folder = path.with_suffix("").name
    return (
        f"{path} is one picture, and the video has more frames; name it {folder}.mp4, or {folder} for a folder of PNG"
    )


def _image(frame: np.ndarray) -> Image.Image:
    return Image.fromarray(frame[..., 0] if frame.shape[2] == 1 else frame)


_BITEXACT = 1 << 23  # AV_CODEC_FLAG_BITEXACT: no library versions in the file
_SMOOTH = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP

_420 = {1: "yuv420p", 3: "yuv420p"}
# a colour sample is the mean of its four pixels, and lies between them; unsaid, H.264 has it beside the left two
_SITED = {"chroma_sample_location": "center"}
# Without the macroblock tree: what that decides depends on where memory lies, so that the same frames would be other
# bytes. It saves a tenth of the bits at equal error, which a step of crf gives back (decision 34).
MP4 = VideoCodec("mp4", "libx264", {"crf": "15", "preset": "veryfast", "mbtree": "0", **_SITED}, _420, even=True)
WEBM = VideoCodec(
    "webm",
    "libvpx-vp9",
    {"crf": "18", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "0", **_SITED},
    _420,
)
MKV = VideoCodec("matroska", "ffv1", {"level": "3", "slicecrc": "1"}, {1: "gray", 3: "bgr0"}, narrow={"level": "1"})

CODECS = {".mp4": MP4, ".webm": WEBM, ".mkv": MKV}
EVEN = frozenset(suffix for suffix, codec in CODECS.items() if codec.even)
# frames a second that a file can tell: a GIF counts hundredths, and browsers take one of them for ten
RATES = {**dict.fromkeys(CODECS, (0.01, 1000.0)), ".gif": (0.01, 50.0), "": (0.01, 9999.0)}

WRITERS: dict[str, OpenSink] = {
    **{suffix: codec.open for suffix, codec in CODECS.items()},
    ".gif": _gif,
    ".npy": _npy,
    "": _png_folder,
}
