"""Odd and valid videos: each comes out upright, in its colours, with its frames at their times, and with its note.

    python tests/batteries/odd_videos.py [COUNT]      prints a JSON report; exit code 1 if a promise is broken

Every video shows four fields of colour and a grey bar that grows from frame to frame, so that a wrong turn, a wrong
matrix, a lost frame and a wrong time all show. The control is the reader that everybody writes first: frames of the
first stream as RGB, the i-th at i / average rate.
"""

import json
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image
from report import Report

from framefall.data.media.decode import decode, probe

FIELDS = np.array(
    [[(200, 60, 40), (50, 180, 70)], [(40, 70, 200), (190, 180, 60)]], np.uint8
)  # left to right, top first
COUNT = 8  # frames of most videos
WRONG = 4  # of 255, more than 8 bits and the codecs lose


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What must come out of a file."""

    size: tuple[int, int] = (48, 64)  # height, width
    times: Sequence[float] = tuple(number / 24 for number in range(COUNT))
    tick: float = 1e-3  # of the file's clock
    note: str = ""
    wrong: int = WRONG  # of 255
    grey: bool = False
    fewest: int | None = None  # frames, where a codec may drop the last


Make = Callable[[Path], Expected]
VIDEOS: dict[str, Make] = {}


def video(name: str) -> Callable[[Make], Make]:
    """Adds a builder; its name has the suffix."""

    def add(make: Make) -> Make:
        VIDEOS[name] = make
        return make

    return add


def picture(number: int, height: int = 48, width: int = 64, count: int = COUNT) -> np.ndarray:
    """Four fields of colour, and in the middle a grey bar whose height tells the number."""
    image = np.repeat(np.repeat(FIELDS, -(-height // 2), axis=0), -(-width // 2), axis=1)[:height, :width].copy()
    bar = slice(width // 2 - max(1, width // 16), width // 2 + max(1, width // 16))
    image[: round((number + 1) / (count + 1) * height), bar] = 128
    return image


def planes(image: np.ndarray, matrix: str = "601", full: bool = False, bits: int = 8) -> list[np.ndarray]:
    """The picture as luma and chroma at full resolution, by the formulas of the standards."""
    kr, kb = {"601": (0.299, 0.114), "709": (0.2126, 0.0722)}[matrix]
    red, green, blue = np.moveaxis(image.astype(float) / 255, -1, 0)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    blueness, redness = (blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)
    scale = 1 << bits - 8
    low, span, chroma = (0, 255, 255) if full else (16, 219, 224)
    made = [low + span * luma, 128 + chroma * blueness, 128 + chroma * redness]
    return [
        np.clip(np.rint(plane * scale), 0, 256 * scale - 1).astype(np.uint16 if bits > 8 else np.uint8)
        for plane in made
    ]


def encode(
    path: Path,
    images: Sequence[np.ndarray],
    *,
    rate: Any = 24,
    codec: str = "libx264",
    pixels: str = "yuv444p",
    form: str | None = None,
    times: Sequence[int] | None = None,
    base: Fraction | None = None,
    matrix: str = "601",
    tagged: int | None = None,
    full: bool = False,
    transfer: int | None = None,
    aspect: Fraction | None = None,
    rotation: int | None = None,
    mirror: bool = False,
    interlaced: bool = False,
    container: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
    sound: bool = False,
) -> None:
    """A video of these pictures; YUV is made here and not by the library that reads it."""
    bits = 12 if "12" in pixels else 10 if "10" in pixels else 8
    with av.open(str(path), "w", format=form, options=container or {}) as out:
        stream = out.add_stream(codec, rate=rate, options=options or ({"crf": "1"} if codec == "libx264" else {}))
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixels
        stream.codec_context.thread_count = 1
        if codec not in ("libx264", "ffv1", "libvpx-vp9", "prores_ks"):
            stream.bit_rate = 4_000_000
            stream.codec_context.qmin, stream.codec_context.qmax = 1, 3
        if base is not None:
            stream.codec_context.time_base = stream.time_base = base
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if tagged is not None:
            stream.codec_context.colorspace = tagged
        if full:
            stream.codec_context.color_range = 2
        if transfer is not None:
            stream.codec_context.color_trc, stream.codec_context.color_primaries = transfer, 9
        if interlaced:
            stream.codec_context.flags |= 1 << 18
        if rotation or mirror:
            stream.set_display_rotation(rotation or 0, hflip=mirror)
        audio = out.add_stream("aac", rate=16000) if sound else None
        for number, image in enumerate(images):
            frame = raw(image, pixels, matrix, full, bits)
            frame.pts = number if times is None else times[number]
            frame.time_base = base or 1 / Fraction(rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        if audio is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
            silence.sample_rate = 16000
            out.mux(audio.encode(silence))
            out.mux(audio.encode())


def raw(image: np.ndarray, pixels: str, matrix: str, full: bool, bits: int) -> av.VideoFrame:
    """One frame in the format that the encoder takes."""
    if pixels in ("bgr0", "rgb24", "rgba", "gray", "gbrp") or pixels.startswith("gray"):
        form = "gray" if image.ndim == 2 else "rgba" if image.shape[-1] == 4 else "rgb24"
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=form)
        return frame if form == pixels else frame.reformat(format=pixels)
    made = planes(image[..., :3], matrix, full, bits)
    if "420" in pixels or "422" in pixels:
        made[1:] = [_halved(plane, both="420" in pixels) for plane in made[1:]]
    if "yuva" in pixels:
        made.append(np.full(made[0].shape, (1 << bits) - 1, made[0].dtype))
    frame = av.VideoFrame(image.shape[1], image.shape[0], pixels)
    for plane, values in zip(frame.planes, made, strict=True):
        rows = np.zeros((plane.height, plane.line_size // values.itemsize), values.dtype)
        rows[: values.shape[0], : values.shape[1]] = values
        plane.update(rows)
    return frame


def _halved(plane: np.ndarray, both: bool) -> np.ndarray:
    even = np.pad(plane, ((0, plane.shape[0] % 2), (0, plane.shape[1] % 2)), "edge").astype(float)
    even = (even[:, ::2] + even[:, 1::2]) / 2
    even = (even[::2] + even[1::2]) / 2 if both else even
    return np.rint(even).astype(plane.dtype)


def pictures(count: int = COUNT, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """The pictures of one video."""
    return [picture(number, height, width, count) for number in range(count)]


def _simple(name: str, expected: Expected | None = None, size: tuple[int, int] = (48, 64), **options: Any) -> None:
    def make(path: Path) -> Expected:
        encode(path, pictures(COUNT, *size), **options)
        return expected or Expected(size=size)

    VIDEOS[name] = make


def _turned(degrees: int, mirror: bool = False) -> Make:
    def make(path: Path) -> Expected:
        stored = [np.rot90(image, -degrees // 90) for image in pictures()]
        stored = [image[:, ::-1] if mirror else image for image in stored]
        encode(path, [np.ascontiguousarray(image) for image in stored], rotation=degrees, mirror=mirror)
        return Expected()

    return make


def _animation(path: Path) -> Expected:
    first, *rest = [Image.fromarray(image) for image in pictures()]
    exact = {"lossless": True} if path.suffix == ".webp" else {"quality": 100} if path.suffix == ".avif" else {}
    durations = [40, 40, 120, 40, 40, 40, 40, 40]
    first.save(path, save_all=True, append_images=rest, duration=durations, loop=0, **exact)
    return Expected(times=np.cumsum([0, *durations[:-1]]) / 1000, wrong=12 if path.suffix == ".avif" else WRONG)


for _degrees in (0, 90, 180, 270):
    VIDEOS[f"rotation_{_degrees}.mp4"] = _turned(_degrees)
VIDEOS["mirrored.mp4"] = _turned(0, mirror=True)
_stamps = [0, 3, 4, 10, 11, 20, 21, 22]
_vfr = Expected(times=tuple(stamp / 100 for stamp in _stamps))
_simple("variable_rate.mkv", _vfr, times=_stamps, base=Fraction(1, 100))
_simple("variable_rate.mp4", _vfr, times=_stamps, base=Fraction(1, 100))
for _rate in (Fraction(30000, 1001), Fraction(24000, 1001)):
    _exact = Expected(times=tuple(number / float(_rate) for number in range(COUNT)))
    _simple(f"ntsc_{_rate.numerator}.mp4", _exact, rate=_rate)
    _simple(f"ntsc_{_rate.numerator}.mkv", _exact, rate=_rate)
_simple("edit_list.mp4", options={"bf": "3", "crf": "1"})
_simple("late_start.mkv", times=[500 + 42 * n for n in range(COUNT)], base=Fraction(1, 1000),
        expected=Expected(times=tuple(0.042 * n for n in range(COUNT))))  # fmt: skip
_simple("early_start.nut", codec="ffv1", pixels="bgr0", times=list(range(-4, COUNT - 4)))
for _height, _width in ((33, 47), (35, 64), (17, 16), (1, 5)):
    _simple(f"size_{_width}x{_height}.mkv", size=(_height, _width), codec="ffv1", pixels="bgr0")
_simple("size_47x33.mp4", size=(33, 47))
_simple("wide_pixels.mp4", Expected(size=(48, 128)), aspect=Fraction(2, 1))
_simple("narrow_pixels.mp4", Expected(size=(48, 32)), aspect=Fraction(1, 2))
_simple(
    "interlaced.mp4",
    Expected(note="interlaced", wrong=16),
    interlaced=True,
    options={"crf": "1", "x264-params": "tff=1"},
)
_simple("ten_bits.mp4", pixels="yuv444p10le")
_simple("ten_bits_420.mkv", Expected(wrong=6), pixels="yuv420p10le")
_simple("twelve_bits.mkv", codec="ffv1", pixels="yuv444p12le")
_simple("full_range.mp4", pixels="yuvj444p", full=True)
_simple("full_range_tagged.mkv", full=True, tagged=1, matrix="709")
_simple("bt709_small.mp4", tagged=1, matrix="709")
_simple("bt601_tagged.mp4", tagged=6)
_simple(
    "bt709_untagged_large.mp4",
    Expected(size=(720, 960)),
    size=(720, 960),
    matrix="709",
    options={"crf": "1", "preset": "ultrafast"},
)
_simple("pq.mp4", Expected(note="high dynamic range (PQ)", wrong=255), pixels="yuv420p10le", transfer=16, tagged=9)
_simple("hlg.mkv", Expected(note="high dynamic range (HLG)", wrong=255), pixels="yuv420p10le", transfer=18, tagged=9)
_simple("vp9_alpha.webm", Expected(note="transparency", wrong=8), codec="libvpx-vp9", pixels="yuva420p",
        options={"lossless": "1"})  # fmt: skip
_simple("prores_alpha.mov", Expected(note="transparent", wrong=8), codec="prores_ks", pixels="yuva444p10le",
        options={"profile": "4444"})  # fmt: skip
_simple("sound.mp4", sound=True)
_simple(
    "mpeg_program.mpg",
    Expected(times=tuple(n / 25 for n in range(COUNT)), wrong=12),
    rate=25,
    codec="mpeg1video",
    pixels="yuv420p",
    form="mpeg",
)
_simple(
    "dvd.vob",
    Expected(times=tuple(n / 25 for n in range(COUNT)), wrong=12),
    rate=25,
    codec="mpeg2video",
    pixels="yuv420p",
    form="vob",
)
_simple("transport.ts", pixels="yuv420p", form="mpegts", expected=Expected(wrong=6))
_simple("flash.flv", pixels="yuv420p", form="flv", expected=Expected(wrong=6))
_simple("windows.wmv", codec="wmv2", pixels="yuv420p", form="asf", expected=Expected(wrong=12))
_simple("broadcast.mxf", codec="mpeg2video", pixels="yuv422p", form="mxf", rate=25,
        expected=Expected(times=tuple(n / 25 for n in range(COUNT)), wrong=12))  # fmt: skip
for _suffix in (".gif", ".webp", ".png", ".avif"):
    VIDEOS[f"animation{_suffix}"] = _animation


@video("grey.mkv")
def _grey(path: Path) -> Expected:
    luma = [(image.astype(float) @ (0.299, 0.587, 0.114)).round().astype(np.uint8) for image in pictures()]
    encode(path, luma, codec="ffv1", pixels="gray")
    return Expected(grey=True)


@video("one_frame.mp4")
def _one_frame(path: Path) -> Expected:
    encode(path, pictures(1))
    return Expected(times=(0.0,))


@video("captured.ts")
def _captured(path: Path) -> Expected:
    """A broadcast that somebody began to record between two key frames."""
    whole = path.with_suffix(".whole")
    encode(
        whole,
        pictures(48),
        pixels="yuv420p",
        form="mpegts",
        options={"g": "24", "keyint_min": "24", "bf": "0", "crf": "1"},
    )
    data = whole.read_bytes()
    whole.unlink()
    path.write_bytes(data[len(data) // 4 // 188 * 188 :])
    return Expected(times=tuple(number / 24 for number in range(24)), wrong=6)


@video("preview_first.mkv")
def _preview_first(path: Path) -> Expected:
    with av.open(str(path), "w") as out:
        small, large = out.add_stream("mjpeg", rate=2), out.add_stream("libx264", rate=24, options={"crf": "1"})
        small.width, small.height, small.pix_fmt = 16, 12, "yuvj420p"
        large.width, large.height, large.pix_fmt = 64, 48, "yuv444p"
        small.disposition, large.disposition = 0, av.stream.Disposition.default
        out.mux(small.encode(raw(picture(0, 12, 16), "yuvj420p", "601", True, 8)))
        for number, image in enumerate(pictures()):
            frame = raw(image, "yuv444p", "601", False, 8)
            frame.pts, frame.time_base = number, Fraction(1, 24)
            out.mux(large.encode(frame))
        out.mux([*small.encode(), *large.encode()])
    return Expected(note="of its 2 video tracks")


@video("frames_with_strangers")
def _frames(path: Path) -> Expected:
    path.mkdir()
    for number, image in enumerate(pictures()):
        Image.fromarray(image).save(path / f"{number:04d}.png")
        Image.fromarray(image[..., 0] // 200 * 255).save(path / f"{number:04d}_mask.png")
    (path / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (path / "fps.txt").write_text("24\n")
    return Expected()


def run(count: int, folder: Path, seed: int = 0) -> Report:
    """`count` of the videos, in an order that the seed decides."""
    names = random.Random(seed).sample(sorted(VIDEOS), min(count, len(VIDEOS)))
    broken, naive = [], 0
    for name in names:
        path = folder / name
        expected = VIDEOS[name](path)
        if fault := _fault(path, expected):
            broken.append(f"{name}: {fault}")
        naive += bool(_naive_fault(path, expected))
    return Report(
        name="odd videos come out right",
        promise="size, turn, colours, frames and times of an odd and valid video are right, and what is lost is said",
        row=12,
        tried=len(names),
        held=len(names) - len(broken),
        control="frames of the first stream as RGB, the i-th at i / average rate",
        control_tried=len(names),
        control_broke=naive,
        broken=tuple(broken),
    )


def _fault(path: Path, expected: Expected) -> str:
    """What is wrong with what Framefall makes of a file; nothing if it is right."""
    try:
        info, frames = probe(path), list(decode(path))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if expected.note and not any(expected.note in note for note in info.notes):
        return f"it does not say {expected.note!r}: {info.notes}"
    if (info.height, info.width) != expected.size or abs(info.frames - len(frames)) > 0:
        return f"it says {info.height}x{info.width} and {info.frames} frames, and has {len(frames)}"
    return _differs([frame.pixels for frame in frames], [frame.time for frame in frames], expected)


def _naive_fault(path: Path, expected: Expected) -> str:
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            rate = float(stream.average_rate or 25)
            pixels = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    said = "it does not say so" if expected.note else ""
    return said or _differs(pixels, [number / rate for number in range(len(pixels))], expected)


def _differs(pixels: Sequence[np.ndarray], times: Sequence[float], expected: Expected) -> str:
    if len(pixels) != len(expected.times):
        return f"{len(pixels)} frames instead of {len(expected.times)}"
    late = max(abs(time - wanted) for time, wanted in zip(times, expected.times, strict=True))
    if late > expected.tick / 2 + 1e-6 and late > 0.51 * expected.tick:
        return f"a frame is {late:.4f} s off"
    if pixels[0].shape[:2] != expected.size:
        return f"pictures of {pixels[0].shape[:2]}"
    if (
        len(pixels) > 2
        and expected.size[0] > 12
        and not all(_bar(one) <= _bar(other) for one, other in pairwise(pixels))
    ):
        return "frames are not in order"
    off = max(_off(image, expected.grey) for image in (pixels[0], pixels[-1]))
    return f"colours are {off} of 255 off" if off > expected.wrong else ""


def _bar(image: np.ndarray) -> int:
    """Rows of the grey bar in the middle."""
    column = image[:, image.shape[1] // 2].astype(int)
    return int((np.abs(column - 128).max(axis=1) < 24).sum())


def _off(image: np.ndarray, grey: bool) -> int:
    """How far the middles of the four fields are from their colours."""
    height, width = image.shape[:2]
    found = image[[height // 4, -1 - height // 4]][:, [width // 4, -1 - width // 4]].astype(int)
    if height < 4 or width < 8:
        return 0
    wanted = (
        (FIELDS.astype(float) @ (0.299, 0.587, 0.114)).round().astype(int)[..., None] if grey else FIELDS.astype(int)
    )
    return int(np.abs(found - wanted).max())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        result = run(int(sys.argv[1]) if len(sys.argv) > 1 else len(VIDEOS), Path(place))
    print(json.dumps(result.json(), indent=2))
    sys.exit(0 if result.passed else 1)
