"""Media that blow up, hang or have no end: the sound clip beside them is used, and the odd file is named."""

import os
import resource
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from cases.conftest import Case
from cases.drawing import clip, huge_gif, pictures, repeated, sound, sparse
from examples import examples
from framefall.data.folder import FolderConfig, open_folder
from framefall.data.media import isolated
from framefall.data.media.decode import DecodeError, decode, probe

CASES = ["link-to-endless-zeros", "sparse-20-gb", "fifo-among-clips", "gif-6300x6300", "h264-40-megapixels"]
CPU_SECONDS, KILOBYTES = 20.0, 1_500_000


def spent() -> float:
    """CPU seconds of this process and of all decode workers, which have ended then."""
    isolated._end_all()
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


def largest() -> int:
    """The most memory in KiB of this process, and of any child so far: of another test's as well, and a child begins as
    a copy of this process, which counts in what it took.
    """
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _playlist(text: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / "z.mp4").write_bytes(text) and None


def _reference(folder: Path) -> None:
    """A sound MP4 whose samples lie in another file, as its header says."""
    clip(folder / "z.mov", pictures(12), form="mov")
    data = (folder / "z.mov").read_bytes()
    place = data.index(b"url \0\0\0\x01") - 4
    other = b"\0\0\0\x1durl \0\0\0\0/etc/passwd\0"[: struct.unpack(">I", data[place : place + 4])[0]]
    (folder / "z.mov").write_bytes(data[:place] + other + data[place + len(other) :])


def _linked_pipe(folder: Path) -> None:
    os.mkfifo(folder.parent / "pipe")
    (folder / "z.png").symlink_to(folder.parent / "pipe")


def _png_bomb(folder: Path) -> None:
    """A PNG of 60,000 x 60,000 pixels in a few kilobytes."""
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(1 << 20))), (b"IEND", b"")]
    parts = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks]
    (folder / "z.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def _text_bomb(folder: Path) -> None:
    """A PNG with a comment that unpacks to a gigabyte."""
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "z.png")
    data = (folder / "z.png").read_bytes()
    text = b"a\0\0" + zlib.compress(bytes(1 << 28), 9)
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    (folder / "z.png").write_bytes(data[:33] + chunk + data[33:])


def _changing_size(folder: Path) -> None:
    """A stream whose size jumps from 64x48 to 40 megapixels."""
    small = clip(folder / "small.h264", pictures(24), form="h264")
    repeated(folder / "large.h264", 7680, 5120, 40, form="h264")
    (folder / "z.ts").write_bytes(b"")
    with av.open(str(folder / "z.ts"), "w", format="mpegts") as out:
        stream, number = None, 0
        for name in ("small.h264", "large.h264"):
            with av.open(str(folder / name), format="h264") as source:
                stream = stream or out.add_stream_from_template(source.streams.video[0])
                for packet in source.demux(source.streams.video[0]):
                    if packet.size:
                        packet.pts = packet.dts = number * 3600
                        packet.time_base, packet.stream, number = stream.time_base, stream, number + 1
                        out.mux(packet)
    small.unlink()
    (folder / "large.h264").unlink()


VARIANTS: dict[str, Callable[[Path], object]] = {
    "mpeg4 of 40 megapixels": lambda folder: repeated(folder / "z.avi", 7680, 5120, 60, "mpeg4", {}),
    "h264 of 8 megapixels": lambda folder: repeated(folder / "z.mkv", 3840, 2160, 3000),
    "gif of 2000x2000": lambda folder: huge_gif(folder / "z.gif", 2000, 2000, 5000),
    "gif of 60000x60000": lambda folder: huge_gif(folder / "z.gif", 60_000, 60_000, 2),
    "gif of very many frames": lambda folder: huge_gif(folder / "z.gif", 64, 64, 100_000, delay=100),
    "png of 60000x60000": _png_bomb,
    "png with a comment of 1 GB": _text_bomb,
    "sparse gif": lambda folder: sparse(folder / "z.gif", 20 << 30, b"GIF89a"),
    "sparse mkv": lambda folder: sparse(folder / "z.mkv", 20 << 30, b"\x1aE\xdf\xa3"),
    "link to a device": lambda folder: (folder / "z.png").symlink_to("/dev/urandom"),
    "link to a pipe": _linked_pipe,
    "hls": _playlist(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"),
    "concat": _playlist(b"ffconcat version 1.0\nfile /etc/passwd\n"),
    "dash": _playlist(b'<?xml version="1.0"?><MPD><BaseURL>http://127.0.0.1:1/</BaseURL></MPD>'),
    "subfile": _playlist(b"subfile,,start,0,end,0,,:/etc/passwd"),
    "data in another file": _reference,
    "size that changes": _changing_size,
}
USED_OR_NOT = {"data in another file", "png with a comment of 1 GB"}
# dear ones of whose kinds there is another, among these or the cases
ALIKE = {"mpeg4 of 40 megapixels", "h264 of 8 megapixels", "gif of 2000x2000", "gif of very many frames", "sparse gif"}
# each in a folder of its own by FRAMEFALL_FULL, half of them in one otherwise: a decode worker takes longer to start
# than most of them to refuse
FEW = [name for name in VARIANTS if name not in ALIKE]
FOLDERS = [[name] for name in VARIANTS] if examples(0, 1) else [FEW[::2]]


def _sound_is_used(folder: Path, cache: Path, *odd: str) -> None:
    before, peak = spent(), largest()
    found = open_folder(folder, FolderConfig(size=64, cache=str(cache)))
    assert spent() - before < CPU_SECONDS
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss <= max(KILOBYTES, peak)
    assert "a sound clip.mp4" in found.report.ingested and [name for name in odd if name not in str(found.report)] == []
    assert [shot.frames for shot in found.shots if shot.source == "a sound clip.mp4"] == [48]


@pytest.mark.parametrize("name", CASES)
def test_the_sound_clip_is_used_and_the_odd_file_is_named(name: str, case: Case, tmp_path: Path) -> None:
    _sound_is_used(case(name) / "clips", tmp_path / "cache", "z.")


@pytest.mark.parametrize("names", FOLDERS, ids=", ".join)
def test_so_it_is_beside_others_of_their_kinds(names: list[str], tmp_path: Path) -> None:
    sound(tmp_path / "clips")
    odd = []
    for number, name in enumerate(names):
        VARIANTS[name](tmp_path / "clips")
        (made,) = (tmp_path / "clips").glob("z.*")
        made.rename(made.with_name(f"z{number}{made.suffix}"))
        odd += [] if name in USED_OR_NOT else [f"z{number}."]
    _sound_is_used(tmp_path / "clips", tmp_path / "cache", *odd)


ODD, COMMANDS = ("fifo-among-clips", "gif-6300x6300"), ("upscale", "evaluate", "image", "video")
# each command with one of them; with both by FRAMEFALL_FULL
REFUSED = [(ODD[(at + turn) % 2], command) for turn in range(2) for at, command in enumerate(COMMANDS)]


@pytest.mark.parametrize(("name", "command"), REFUSED[: examples(len(COMMANDS), len(REFUSED))])
def test_every_other_entry_refuses_it(command: str, name: str, case: Case, trained: Path, framefall, tmp_path) -> None:
    odd = next((case(name) / "clips").glob("z.*"))
    out = tmp_path / "o.mp4"
    words = {
        "upscale": ("upscale", odd, "-o", out, "--space", 2, "--time", 1, "--model", trained),
        "evaluate": ("evaluate", odd),
        "image": ("generate", "x", "-o", out, "--model", trained, "--image", odd),
        "video": ("generate", "x", "-o", out, "--model", trained, "--video", odd),
    }
    before = spent()
    said = framefall(*words[command])
    assert said.code == 1 and odd.name in said.err and "Traceback" not in said.err and not out.exists()
    assert spent() - before < CPU_SECONDS


def test_without_the_limit_the_same_file_is_decoded_for_long(case: Case, monkeypatch) -> None:
    """The control: of the file that is refused the first frames do decode, and each is large."""
    from framefall.data.media import frame

    path = case("h264-40-megapixels") / "clips" / "z.mp4"
    with pytest.raises(DecodeError, match="limit of 35389440 pixels"):
        probe(path)
    monkeypatch.setattr(isolated, "AVAILABLE", False)
    monkeypatch.setattr(frame, "_EIGHT_K", 10**8)
    monkeypatch.setattr(frame, "_FREE", 10**12)
    before = spent()
    frames = decode(path, short_side=64)
    assert [next(frames).source for _ in range(2)] == [0, 1]
    frames.close()
    assert (spent() - before) * 300 / 2 > CPU_SECONDS
