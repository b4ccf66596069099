import io
import os

import av
import numpy as np
import pytest
from encodes import clock, encode, number_of
from PIL import Image

from framefall.data.media.decode import DecodeError, decode, probe, sniff
from framefall.data.media.kinds import DEMUXERS, HEAD, IMAGES, NOT_READ, PICTURES, VIDEOS, kind_of

CONTAINERS = [  # suffix, format, codec, kind
    (".mpg", "mpeg", "mpeg1video", "mpeg"),
    (".vob", "vob", "mpeg2video", "mpeg"),
    (".m2v", "mpeg2video", "mpeg2video", "mpegvideo"),
    (".ts", "mpegts", "libx264", "mpegts"),
    (".m2ts", "mpegts", "libx264", "mpegts"),
    (".flv", "flv", "flv", "flv"),
    (".wmv", "asf", "wmv2", "asf"),
    (".ogv", "ogg", "libtheora", "ogg"),
    (".mxf", "mxf", "mpeg2video", "mxf"),
    (".y4m", "yuv4mpegpipe", "wrapped_avframe", "yuv4mpegpipe"),
    (".ivf", "ivf", "libvpx", "ivf"),
    (".nut", "nut", "mpeg4", "nut"),
    (".3gp", "3gp", "libx264", "mov"),
    (".3g2", "3g2", "libx264", "mov"),
    (".qt", "mov", "mjpeg", "mov"),
    (".rm", "rm", "rv20", "rm"),
]


@pytest.mark.parametrize(("suffix", "form", "codec", "kind"), CONTAINERS, ids=[one[0] for one in CONTAINERS])
def test_every_kind_of_container_is_read_by_its_bytes(tmp_path, suffix, form, codec, kind):
    if codec not in av.codecs_available:
        pytest.skip(f"no encoder {codec} here")
    path, images = tmp_path / f"a{suffix}", clock(30, 96, 128)
    options = {"mpegts_m2ts_mode": "1"} if suffix == ".m2ts" else {}
    with av.open(str(path), "w", format=form, options=options) as out:
        stream = out.add_stream(codec, rate=25)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.bit_rate = 2_000_000
        for image in images:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=stream.pix_fmt)))
        out.mux(stream.encode())
    assert sniff(path) == kind and suffix in VIDEOS
    numbers = [number_of(frame.pixels) for frame in decode(path)]
    assert len(numbers) >= 28 and numbers == sorted(numbers) and abs(numbers[-1] - 29) <= 1
    info = probe(path)
    assert (info.width, info.height) == (128, 96) and info.fps == pytest.approx(25, rel=0.02)
    assert info.duration == pytest.approx(1.2, abs=0.1)


@pytest.mark.parametrize("kind", IMAGES)
def test_every_kind_of_image_is_read_by_its_bytes(tmp_path, kind):
    suffix = {"jp2": ".jp2", "jpeg": ".jfif", "tiff": ".tif"}.get(kind, f".{kind}")
    picture = np.zeros((32, 48, 3), np.uint8) + np.array((200, 60, 30), np.uint8)
    Image.fromarray(picture).save(tmp_path / f"a{suffix}", format=IMAGES[kind])
    assert sniff(tmp_path / f"a{suffix}") == kind and suffix in PICTURES | VIDEOS
    (frame,) = decode(tmp_path / f"a{suffix}")
    assert np.abs(frame.pixels.astype(int) - picture).max() < 12


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
        ("a.HEIF", b"\0\0\0\x18ftypmif1"),
        ("a.jxl", b"\xff\x0a"),
        ("a.exr", b"\x76\x2f\x31\x01"),
        ("a.hdr", b"#?RADIANCE\n"),
        ("a.psd", b"8BPS"),
        ("a.dpx", b"SDPX"),
        ("a.dng", b"II*\0"),
        ("a.cr3", b"\0\0\0\x18ftypcrx "),
        ("a.r3d", b"RED2"),
        ("a.swf", b"CWS"),
        ("a.264", b"\0\0\0\x01\x67"),
    ],
)
def test_what_is_known_and_not_read_is_named_with_what_to_do(tmp_path, name, head):
    (tmp_path / name).write_bytes(head + bytes(100))
    assert kind_of(head, os.path.splitext(name)[1].lower()) in NOT_READ and NOT_READ.keys().isdisjoint(DEMUXERS)
    for read in (probe, lambda path: list(decode(path))):
        with pytest.raises(DecodeError, match=r"convert|export|develop|record|ffmpeg"):
            read(tmp_path / name)


def test_other_bytes_are_nothing(tmp_path):
    noise = io.BytesIO(np.random.default_rng(0).bytes(4 * HEAD))
    assert kind_of(noise.read(HEAD), ".mp4") is None and kind_of(b"plain text", ".txt") is None
    assert kind_of(b"", "") is None and kind_of(b"GGGG", ".ts") is None
    encode(tmp_path / "a.mp4", clock(2))
    assert sniff(tmp_path / "a.mp4") == "mov"
