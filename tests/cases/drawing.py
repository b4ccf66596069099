"""Pictures, clips and files to make cases of: the same bytes every time, small even where they claim to be huge."""

import hashlib
import json
import os
import struct
from fractions import Fraction

import av
import numpy as np
from PIL import Image


def picture(place, width=64, height=48, colour=(220, 80, 40), still=1.0):
    """A red square `place` pixels to the right on a fixed pattern; places between pixels are drawn truly."""
    rows, columns = np.mgrid[0:height, 0:width]
    ground = np.stack([60 + 40 * (columns // 8 % 2), 60 + 40 * (rows // 8 % 2), 90 + 0 * rows], -1) * still
    side = max(4, height // 4)
    span = max(1, width - side)
    begin = place % (2 * span)
    begin = begin if begin <= span else 2 * span - begin
    cover = np.clip(np.minimum(columns + 1, begin + side) - np.maximum(columns, begin), 0, 1)
    top = height // 3
    cover = cover * ((rows >= top) & (rows < top + side))
    return np.rint(ground * (1 - cover[..., None]) + np.array(colour) * cover[..., None]).astype(np.uint8)


def pictures(count, width=64, height=48, step=1.0, **options):
    return [picture(step * index, width, height, **options) for index in range(count)]


def clip(path, images, fps=24, codec="libx264", times=None, form=None, pixels="yuv420p", options=None):
    """A video file; `times` are milliseconds of each frame instead of a steady rate."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=form, options={"fflags": "+bitexact"}) as container:
        stream = track(container, images, fps, codec, pixels, options, times)
        fill(container, stream, images, fps, times)
    return path


def track(container, images, fps, codec, pixels="yuv420p", options=None, times=None):
    if codec == "libx264":  # its macroblock tree gives other bytes from run to run
        options = {"crf": "14", "mbtree": "0"} | (options or {})
    stream = container.add_stream(codec, rate=fps, options=options or {})
    stream.height, stream.width = images[0].shape[:2]
    stream.pix_fmt = pixels
    stream.codec_context.thread_count = 1
    stream.codec_context.flags |= 1 << 23  # bit-exact: no versions inside
    if times:
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.time_base = Fraction(1, 1000)
    return stream


def raw(image, pixels):
    """A frame for the encoder; 4:2:0 is made here, the same in every version of libswscale."""
    if not pixels.startswith("yuv"):
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    red, green, blue = np.moveaxis(image.astype(float), -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = [(blue - luma) / 1.772, (red - luma) / 1.402]
    chroma = [plane.reshape(plane.shape[0] // 2, 2, plane.shape[1] // 2, 2).mean((1, 3)) for plane in chroma]
    span = (0, 1.0, 1.0) if pixels == "yuvj420p" else (16, 219 / 255, 224 / 255)
    planes = [span[0] + span[1] * luma, *(128 + span[2] * plane for plane in chroma)]
    flat = np.concatenate([np.clip(np.rint(plane), 0, 255).astype(np.uint8).ravel() for plane in planes])
    return av.VideoFrame.from_ndarray(flat.reshape(-1, image.shape[1]), format=pixels)


def fill(container, stream, images, fps, times=None):
    for number, image in enumerate(images):
        frame = raw(image, stream.pix_fmt)
        frame.pts, frame.time_base = (times[number], Fraction(1, 1000)) if times else (number, 1 / Fraction(fps))
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def frames(folder, images, pattern="{:04d}.png", first=1, numbers=None):
    """A folder of numbered pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in zip(numbers or range(first, first + len(images)), images, strict=True):
        Image.fromarray(image).save(folder / pattern.format(number))
    return folder


def animation(path, images, delay, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *rest = [Image.fromarray(image) for image in images]
    first.save(path, save_all=True, append_images=rest, duration=delay, loop=0, **options)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def sparse(path, size, head=b""):
    """A file that claims `size` bytes and keeps none but its head."""
    write(path, head)
    os.truncate(path, size)


def retimed(path, starts, last=1, base=Fraction(1, 30), form=None):
    """A clip whose packets are stamped by hand: `starts` in ticks of `base`, the last one `last` ticks long."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = {"tune": "zerolatency", "bf": "0"}
    source = clip(path.with_name("source.mp4"), pictures(len(starts), 32, 32), 30, options=plain)
    options = {"fflags": "+bitexact"} | (
        {"video_track_timescale": str(base.denominator)} if path.suffix == ".mp4" else {}
    )
    with av.open(str(source)) as old, av.open(str(path), "w", format=form, options=options) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        stream.time_base = base
        packets = [packet for packet in old.demux(old.streams.video[0]) if packet.size]
        for number, packet in enumerate(packets):
            packet.time_base, packet.stream = base, stream
            packet.pts = packet.dts = starts[number]
            packet.duration = last if number == len(packets) - 1 else 1
            new.mux(packet)
    source.unlink()


def repeated(path, width, height, count, codec="libx264", options=None, fps=24, form=None):
    """One large grey key frame, muxed again and again: few bytes, many pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=form, options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(
            codec, rate=fps, options=options or {"preset": "ultrafast", "crf": "51", "coder": "ac"}
        )
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.thread_count = 1
        frame = av.VideoFrame(width, height, stream.pix_fmt)
        for plane in frame.planes:
            plane.update(bytes([128]) * plane.buffer_size)
        frame.pts, frame.time_base = 0, Fraction(1, fps)
        data = b"".join(bytes(packet) for packet in [*stream.encode(frame), *stream.encode()])
        for number in range(count):
            packet = av.Packet(data)
            packet.pts = packet.dts = number
            packet.time_base, packet.duration, packet.stream, packet.is_keyframe = Fraction(1, fps), 1, stream, True
            container.mux(packet)


def huge_gif(path, width, height, count, delay=10):
    """A large canvas of which each frame paints one pixel."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    one = b"\x21\xf9\x04\x04" + struct.pack("<H", delay) + b"\0\0"
    one += b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    write(path, head + one * count + b"\x3b")


def sound(folder, name="a sound clip.mp4", count=48):
    """A clip that nothing is wrong with."""
    return clip(folder / name, pictures(count))


def like_a_model(folder):
    """A manifest as published folders have it, of whatever lies in the folder."""
    listed = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.name != "manifest.json" and path.stat().st_size < 1 << 28:
            data = path.read_bytes()
            listed[path.relative_to(folder).as_posix()] = {
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
    write(folder / "manifest.json", json.dumps({"format_version": 1, "files": listed}, indent=2) + "\n")
