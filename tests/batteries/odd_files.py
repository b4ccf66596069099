"""Malformed and odd files among good ones: every good one must be ingested and every bad one named.

    python tests/batteries/odd_files.py [COUNT]      prints a JSON report; exit code 1 if a promise is broken

The control is the reader everybody writes first: PyAV on any name it is given, with `except av.error.FFmpegError`. It
must fail on some of the same files: crash, read a file it was not given, or pass damaged pictures on as good.
"""

import json
import os
import random
import struct
import sys
import tempfile
import time
import wave
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np
from PIL import Image
from report import Report

from framefall.data.folder import FolderConfig, open_folder


def run(count: int, folder: Path, seed: int = 0) -> Report:
    """`count` valid files, as many damaged ones and an eighth of invalid ones are ingested together."""
    source = folder / "source"
    source.mkdir(parents=True)
    good = [make_good(source, index) for index in range(count)]
    damaged = [make_bad(source, good[0], index, DAMAGED, seed) for index in range(count)]
    few = max(len(INVALID), -(-count * 60 // 500))
    bad = [*damaged, *(make_bad(source, good[0], count + index, INVALID, seed) for index in range(few))]
    begin = time.monotonic()
    config = FolderConfig(size=32, cache=str(folder / "cache"), max_pixels=4_000_000)
    report = open_folder(source, config).report
    seconds = time.monotonic() - begin
    named = {skipped.path: skipped.reason for skipped in report.skipped}
    wanted = {printable(path.relative_to(source)) for path in bad}
    sound = {printable(path.relative_to(source)) for path in good}
    unclear = {name for name, reason in named.items() if not reason.strip() or "\n" in reason or "Traceback" in reason}
    broken = [f"not named: {name}" for name in sorted(wanted - set(named))]
    broken += [f"refused: {name}: {named[name]}" for name in sorted(set(named) - wanted)]
    broken += [f"not used: {name}" for name in sorted(sound - set(report.ingested) - set(named))]
    broken += [f"not clear: {name}: {named[name]!r}" for name in sorted(unclear & wanted)]
    control = [naive(path) for path in bad]
    return Report(
        name="bad files never stop the good ones",
        promise="every valid file among damaged and invalid ones is used, and every other is named with a reason",
        row=11,
        tried=len(sound) + len(wanted),
        held=len(sound & set(report.ingested)) + len(wanted & (set(named) - unclear)),
        window="a damaged file that a plain reader does not refuse",
        hits=sum(result != "named" for result in control),
        least_hits=max(3, count // 50),
        control="PyAV on any name it is given, with `except av.error.FFmpegError`",
        control_tried=len(bad),
        control_broke=sum(result != "named" for result in control),
        broken=tuple(broken),
        figures={
            "valid": len(good),
            "damaged": count,
            "invalid": few,
            "control": {kind: control.count(kind) for kind in sorted(set(control))},
            "seconds": round(seconds, 2),
        },
    )


def naive(path: Path) -> str:
    """What the first reader that comes to mind makes of a bad file."""
    try:
        with av.open(str(path)) as container:
            count = sum(1 for _ in container.decode(video=0))
        return "took it as good" if count else "named"
    except av.error.FFmpegError:
        return "named"
    except OSError:
        return "named"  # to be fair: not a matter of decoding
    except Exception as error:
        return f"died of {type(error).__name__}"


def make_good(source: Path, index: int) -> Path:
    """One of several kinds of odd but valid files."""
    name, options = GOOD[index % len(GOOD)]
    path = source / f"good{index:03d}{name}"
    frames = moving(12, seed=index)
    if name == "_frames":
        path.mkdir()
        for number, frame in enumerate(frames):
            Image.fromarray(frame).save(path / f"{number}.png")
    elif path.suffix in (".png", ".jpg", ".bmp"):
        Image.fromarray(frames[0]).save(path)
    elif path.suffix == ".webp":
        images = [Image.fromarray(frame) for frame in frames]
        images[0].save(path, save_all=True, append_images=images[1:], duration=50)
    else:
        encode(path, frames, **options)  # type: ignore[arg-type]
    if index % 7 == 3:
        renamed = os.fsencode(source) + b"/good%03d_caf\xe9%s" % (index, path.suffix.encode())
        os.rename(os.fsencode(path), renamed)
        path = Path(os.fsdecode(renamed))
    return path


def make_bad(source: Path, good: Path, index: int, kinds: Sequence[str], seed: int) -> Path:
    """One of the kinds of files that cannot be used, each made from another seed."""
    name = kinds[index % len(kinds)]
    suffix = name.rpartition(".")[2] if "." in name else "mp4"
    path = source / f"bad{index:03d}_{name.partition('.')[0]}.{suffix}"
    BAD[name](path, good, random.Random(f"{seed} {index}"))
    return path


def encode(
    path: Path, frames: list[np.ndarray], fps: int = 24, codec: str = "libx264", pixels: str = "yuv420p", **more: str
) -> None:
    """A small file; fast start puts the index before the pictures, so that a cut leaves an index that promises more."""
    fast = {"movflags": "faststart"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=fast) as out:
        stream = out.add_stream(codec, rate=fps, options=more)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode())


def moving(count: int, seed: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Noise that moves: damage shows in it."""
    field = np.random.default_rng(seed).integers(0, 256, (height, width + count, 3), dtype=np.uint8)
    return [np.ascontiguousarray(field[:, i : i + width]) for i in range(count)]


def printable(path: Path) -> str:
    """A name as the report prints it."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _damage(path: Path, good: Path, rng: random.Random, harm: Callable[[bytearray, int], bytearray]) -> None:
    """A whole mp4 with its media data harmed; `harm` gets the bytes and where the pictures begin."""
    encode(path, moving(30, seed=rng.randrange(1 << 30)))
    data = bytearray(path.read_bytes())
    path.write_bytes(harm(data, data.find(b"mdat") + 4))


def _cut(path: Path, good: Path, rng: random.Random) -> None:
    _damage(path, good, rng, lambda d, begin: d[: begin + int((len(d) - begin) * rng.uniform(0.05, 0.8))])


def _cut_header(path: Path, good: Path, rng: random.Random) -> None:
    _damage(path, good, rng, lambda d, begin: d[: rng.randrange(20, begin - 60)])


def _header_only(path: Path, good: Path, rng: random.Random) -> None:
    _damage(path, good, rng, lambda d, begin: d[:begin])


def _holes(path: Path, good: Path, rng: random.Random) -> None:
    def harm(data: bytearray, begin: int) -> bytearray:
        size = (len(data) - begin) // 3  # over several frames: zeros within one can decode without any sign of damage
        at = rng.randrange(begin + size // 2, begin + size)
        data[at : at + size] = bytes(size)
        return data

    _damage(path, good, rng, harm)


def _flipped(path: Path, good: Path, rng: random.Random) -> None:
    def harm(data: bytearray, begin: int) -> bytearray:
        for _ in range(60):
            data[rng.randrange(begin + 1500, len(data) - 3000)] ^= 1 << rng.randrange(8)
        return data

    _damage(path, good, rng, harm)


def _index_rubbish(path: Path, good: Path, rng: random.Random) -> None:
    def harm(data: bytearray, begin: int) -> bytearray:
        table = data.find(b"stsd")
        data[table + 4 : table + 90] = rng.randbytes(86)
        return data

    _damage(path, good, rng, harm)


def _audio_only(path: Path, good: Path, rng: random.Random) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=16000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 16000
        out.mux(stream.encode(silence))
        out.mux(stream.encode())


def _wav(path: Path, good: Path, rng: random.Random) -> None:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(4000))


def _bomb(path: Path, good: Path, rng: random.Random) -> None:
    """A PNG of 30000 x 30000 pixels in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def _large_video(path: Path, good: Path, rng: random.Random) -> None:
    encode(path, [np.zeros((2048, 2560, 3), np.uint8)] * 2, preset="ultrafast")


def _write(make: Callable[[Path, random.Random], bytes]) -> Callable[[Path, Path, random.Random], None]:
    def written(path: Path, good: Path, rng: random.Random) -> None:
        path.write_bytes(make(good, rng))

    return written


def _cut_image(format_: str) -> Callable[[Path, Path, random.Random], None]:
    def make(path: Path, good: Path, rng: random.Random) -> None:
        Image.fromarray(moving(1, rng.randrange(1 << 30))[0]).save(path, format=format_)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return make


def _unreadable_link(path: Path, good: Path, rng: random.Random) -> None:
    path.symlink_to(path.parent / "nowhere.mp4")


def _self_link(path: Path, good: Path, rng: random.Random) -> None:
    path.symlink_to(path)


def _bad_name(path: Path, good: Path, rng: random.Random) -> None:
    path.write_bytes(rng.randbytes(500))


GOOD: tuple[tuple[str, dict[str, object]], ...] = (
    (".mp4", {}),
    (".webm", {"codec": "libvpx-vp9", "deadline": "realtime"}),
    (".avi", {"codec": "mpeg4"}),
    ("_frames", {}),
    (".mov", {"fps": 30, "pixels": "yuv444p"}),
    (".mkv", {"codec": "ffv1", "pixels": "bgr0"}),
    (".gif", {"codec": "gif", "pixels": "rgb8"}),
    (".jpg", {}),
    (".webp", {}),
    (".png", {}),
    (".m4v", {"pixels": "yuv420p10le"}),
    (".bmp", {}),
)

BAD: dict[str, Callable[[Path, Path, random.Random], None]] = {
    "empty": _write(lambda good, rng: b""),
    "one_byte": _write(lambda good, rng: b"\0"),
    "cut_header": _cut_header,
    "cut_middle": _cut,
    "header_only": _header_only,
    "holes": _holes,
    "flipped_bits": _flipped,
    "index_rubbish": _index_rubbish,
    "random_bytes": _write(lambda good, rng: rng.randbytes(5000)),
    "random_after_ftyp": _write(lambda good, rng: good.read_bytes()[:32] + rng.randbytes(3000)),
    "text": _write(lambda good, rng: b"This is not a video.\n" * 20),
    "html.webm": _write(lambda good, rng: b"<!doctype html><title>404 Not Found</title>" * 10),
    "script.mov": _write(lambda good, rng: b"#!/bin/sh\nexit 1\n"),
    "audio_only": _audio_only,
    "wav_renamed.avi": _wav,
    "playlist_hls": _write(
        lambda good, rng: b"#EXTM3U\n#EXTINF:1,\n" + os.fsencode(good.resolve()) + b"\n#EXT-X-ENDLIST\n"
    ),
    "playlist_concat.mkv": _write(lambda good, rng: b"ffconcat version 1.0\nfile '" + os.fsencode(good.name) + b"'\n"),
    "playlist_dash": _write(lambda good, rng: b"<?xml version='1.0'?><MPD></MPD>"),
    "bomb.png": _bomb,
    "large_video": _large_video,
    "cut.png": _cut_image("PNG"),
    "cut.jpg": _cut_image("JPEG"),
    "cut.webp": _cut_image("WEBP"),
    "cut_gif.gif": _write(lambda good, rng: b"GIF89a\x40\0\x40\0\x80\0\0" + rng.randbytes(4)),
    "folder": lambda path, good, rng: path.mkdir(),
    "link_to_nothing": _unreadable_link,
    "link_to_itself": _self_link,
    "bad_utf8_\udce9": _bad_name,
    "matroska_header.mkv": _write(lambda good, rng: b"\x1aE\xdf\xa3" + rng.randbytes(200)),
    "riff_header.avi": _write(lambda good, rng: b"RIFF\xff\xff\0\0AVI LIST" + rng.randbytes(300)),
}


DAMAGED = tuple(  # begin as a whole file does
    name
    for name in BAD
    if name.startswith(("cut", "header_only", "holes", "flipped", "index", "random_after")) and name != "cut_gif.gif"
)
INVALID = tuple(name for name in BAD if name not in DAMAGED)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        result = run(int(sys.argv[1]) if len(sys.argv) > 1 else 30, Path(place))
    print(json.dumps(result.json(), indent=2))
    sys.exit(0 if result.passed else 1)
