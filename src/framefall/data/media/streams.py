"""Videos in containers, decoded by PyAV (FFmpeg's libraries)."""

import contextlib
import itertools
import os
import statistics
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from framefall.data.media.frame import (
    FORMATS,
    DecodeError,
    Frame,
    Limits,
    Source,
    VideoInfo,
    check_frames,
    check_size,
    most_frames,
    target_size,
)
from framefall.data.media.kinds import DEMUXERS, STATE_LENGTH
from framefall.data.media.timeline import pace


def read(source: Source, kind: str, short_side: int | None, channels: int, limits: Limits) -> Iterator[Frame]:
    """Every frame of the video stream, in the order of presentation.

    A file that fails on the way is an error, unless more than nine tenths of its stated length came out well.
    """
    with _open(source, kind, limits) as (container, stream):
        stated, picture, reached, trouble = _stated_seconds(container, stream), None, 0.0, ""
        times = _Clock(stream)
        packets = container.demux(stream)
        number = 0
        while True:
            try:
                packet = next(packets, None)
                decoded = [] if packet is None else packet.decode()
            except Exception as error:
                trouble = f"its data is damaged after {reached:.2f} s ({type(error).__name__})"
                break
            if packet is None:
                break
            for raw in decoded:
                if raw.is_corrupt:  # decoders paint over what they cannot read and go on
                    trouble = f"its picture is damaged after {reached:.2f} s"
                    break
                if number >= most_frames(source, raw.width, raw.height):
                    check_frames(source, number + 1, raw.width, raw.height)
                picture = picture or _Picture(source.path, stream, raw, short_side, channels, limits)
                time, duration = times.of(raw)
                if number >= limits.frames or time >= limits.seconds:
                    raise DecodeError(
                        source.path, f"it is longer than the limit of {limits.frames} frames, {limits.seconds:g} s"
                    )
                yield Frame(time, picture.pixels(raw), duration, number)
                number, reached = number + 1, time + duration
            if trouble:
                break
    # the last frame's length, and what an edit list leaves away, are seldom stated alike
    if stated and stated - reached > max(0.1 * stated, 2 * times.gap):
        raise DecodeError(
            source.path, trouble or f"it ends after {reached:.2f} s of the {stated:.2f} s it states: it is cut short"
        )
    if trouble and not stated:
        raise DecodeError(source.path, trouble)


def probe(source: Source, kind: str, limits: Limits) -> VideoInfo:
    """Rate and length from the time stamps of all packets; size, rotation and colours from the first frame."""
    with _open(source, kind, limits) as (container, stream):
        starts, last = _starts(container, stream, limits)
        average, clock = stream.average_rate, float(stream.time_base or 0)
        check_frames(source, len(starts), stream.width, stream.height)
    with _open(source, kind, limits) as (container, stream):
        raw = next(container.decode(stream), None)
        if raw is None:
            raise DecodeError(source.path, "it holds no frame that can be decoded")
        picture = _Picture(source.path, stream, raw, None, 3, limits)
        notes = _notes(container, stream, raw)
    fps = _usual_rate(starts, average)
    duration = (starts[-1] - starts[0] if starts else 0.0) + (last or 1 / fps)
    steady, sustained = pace(starts, fps, clock)
    return VideoInfo(
        width=picture.width,
        height=picture.height,
        fps=fps,
        duration=duration,
        frames=len(starts),
        steady=steady,
        sustained_fps=sustained,
        rotation=round(raw.rotation) % 360,
        notes=notes,
    )


def tick(source: Source, kind: str, limits: Limits) -> float:
    """The resolution of the file's clock in seconds."""
    with _open(source, kind, limits) as (_, stream):
        return float(stream.time_base or 0)


@contextlib.contextmanager
def _open(source: Source, kind: str, limits: Limits) -> Iterator[tuple[Any, Any]]:
    """The container, opened as nothing but `kind` and with no way to other files, and its video stream."""
    options = {"protocol_whitelist": "fd", "format_whitelist": DEMUXERS[kind], "fd": str(source.file)}
    os.lseek(source.file, 0, os.SEEK_SET)
    with av.open("fd:", format=kind, options=options, metadata_errors="replace") as container:
        videos = [stream for stream in container.streams.video if not stream.disposition & _ATTACHED]
        if not videos:
            raise DecodeError(source.path, "it holds no video stream")
        stream = max(videos, key=_worth)  # the first of the best
        check_size(source.path, stream.width, stream.height, limits.video_pixels)
        # given to av.open this is silently ignored; the codec refuses larger frames in mid-stream too
        stream.codec_context.options = {"max_pixels": str(limits.video_pixels)}
        stream.codec_context.thread_count = 1  # files are read in parallel instead
        yield container, stream


def _worth(stream: Any) -> tuple[bool, bool, int]:
    """Which of several video streams is the clip: one that moves, that the file says is the default, the largest."""
    default = bool(stream.disposition & av.stream.Disposition.default)
    return stream.frames != 1, default, (stream.width or 0) * (stream.height or 0)


class _Picture:
    """From a decoder's frame to pixels: colours, square pixels, size, rotation."""

    def __init__(
        self, path: Path, stream: Any, first: Any, short_side: int | None, channels: int, limits: Limits
    ) -> None:
        self._path, self._format = path, FORMATS[channels]
        self._size = first.width, first.height
        self._reformat = VideoReformatter()
        aspect = float(stream.sample_aspect_ratio or 1)
        stretched = round(first.width * aspect) if 0.1 < aspect < 10 else first.width
        check_size(path, max(1, stretched), first.height, limits.video_pixels)
        self._resized = target_size(max(1, stretched), first.height, short_side)
        self._turn = _display_matrix(first)
        upright = self._resized if self._turn[0, 0] else self._resized[::-1]
        self.width, self.height = upright
        self._alpha = any(component.is_alpha for component in first.format.components)

    def pixels(self, raw: Any) -> np.ndarray:
        """uint8 [height, width, channels]."""
        if (raw.width, raw.height) != self._size:
            raise DecodeError(self._path, f"its picture size changes from {self._size} to {(raw.width, raw.height)}")
        image = self._convert(raw, "rgba") if self._alpha else self._convert(raw, self._format)
        if self._alpha and self._format != "rgba":
            image = over_black(image)
            image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if self._format == "gray" else image
        if (image.shape[1], image.shape[0]) != self._resized:
            shrinks = self._resized[0] * self._resized[1] < image.shape[0] * image.shape[1]
            image = cv2.resize(image, self._resized, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        image = image.reshape(self._resized[1], self._resized[0], -1)
        return np.ascontiguousarray(_turned(image, self._turn))

    def _convert(self, raw: Any, name: str) -> np.ndarray:
        # an untagged file means BT.709 when it is large and BT.601 when it is small: the players' rule
        untagged = raw.colorspace == _UNSPECIFIED and not raw.format.is_rgb
        space = int(Colorspace.ITU709 if self._size[1] >= 720 else Colorspace.ITU601) if untagged else None
        frame = self._reformat.reformat(raw, format=name, src_colorspace=space, interpolation=_SMOOTH, threads=1)
        return np.asarray(frame.to_ndarray())


def over_black(image: np.ndarray) -> np.ndarray:
    """RGBA pixels to RGB: what is transparent turns black."""
    mixed = image[..., :3].astype(np.uint16) * image[..., 3:] + 127
    return np.asarray(mixed // 255, np.uint8)


class _Clock:
    """Seconds since the first frame; a missing or repeated stamp means one usual gap after the last."""

    def __init__(self, stream: Any) -> None:
        self.gap = float(1 / (stream.average_rate or stream.guessed_rate or Fraction(25)))
        self._first: float | None = None
        self._last = -self.gap

    def of(self, raw: Any) -> tuple[float, float]:
        """Start and duration of a decoded frame."""
        duration = float(raw.duration * raw.time_base) if raw.duration and raw.time_base else self.gap
        stamp = None if raw.pts is None or raw.time_base is None else float(raw.pts * raw.time_base)
        if self._first is None:
            self._first = stamp if stamp is not None else 0.0
        time = self._last + self.gap if stamp is None else stamp - self._first
        if time <= self._last:
            time = self._last + self.gap
        self._last = time
        return time, duration


def _starts(container: Any, stream: Any, limits: Limits) -> tuple[list[float], float]:
    """When each frame is shown, sorted, and how long the last one is; as far as the file can be followed."""
    base, starts, durations = float(stream.time_base or 0), list[float](), dict[float, float]()
    any_key, early = False, 0
    with contextlib.suppress(av.error.FFmpegError):
        for packet in container.demux(stream):
            stamp = packet.dts if packet.pts is None else packet.pts
            if packet.size and stamp is not None and not packet.is_discard:
                if packet.is_keyframe and not any_key:
                    any_key, early = True, len(starts)
                starts.append(stamp * base)
                durations[starts[-1]] = (packet.duration or 0) * base
            if len(starts) > limits.frames:
                break
    if early:  # what was recorded before the first key frame, or is to be shown before it, cannot be decoded
        starts = [start for start in starts[early:] if start >= starts[early]]
    starts.sort()
    return starts, durations[starts[-1]] if starts else 0.0


def metadata(source: Source, kind: str, limits: Limits) -> dict[str, str]:
    """The container's tags."""
    with _open(source, kind, limits) as (container, _):
        return dict(container.metadata)


def _usual_rate(starts: list[float], average: Fraction | None) -> float:
    gaps = [after - before for before, after in itertools.pairwise(starts) if after > before]
    if not gaps:
        return float(average or 25)
    mean, median = sum(gaps) / len(gaps), statistics.median(gaps)
    rate = 1 / mean if abs(mean - median) < 0.05 * median else 1 / median
    return float(average) if average and abs(float(average) / rate - 1) < 0.005 else rate


def _stated_seconds(container: Any, stream: Any) -> float | None:
    """How long the container says the video is, where it says so of the video itself."""
    if not STATE_LENGTH & set(container.format.name.split(",")):
        return None
    if stream.duration:
        return float(stream.duration * stream.time_base)
    begin = float((stream.start_time or 0) * stream.time_base)  # Matroska states when the video ends
    stated = stream.metadata.get("DURATION", "").split(":")
    if len(stated) == 3:
        with contextlib.suppress(ValueError):
            return int(stated[0]) * 3600 + int(stated[1]) * 60 + float(stated[2]) - begin
    if container.duration and len(container.streams) == 1:
        return float(container.duration / av.time_base) - begin
    return None


def _display_matrix(raw: Any) -> np.ndarray:
    """The 2x2 part of the matrix that turns stored pixels upright, each entry -1, 0 or 1."""
    for side in raw.side_data:
        if side.type == Type.DISPLAYMATRIX:
            (a, b), (c, d) = np.frombuffer(bytes(side), np.int32).reshape(3, 3)[:2, :2].astype(np.int64)
            straight = abs(a) >= abs(b)
            values = ((a, 0), (0, d)) if straight else ((0, b), (c, 0))
            signs = np.sign(np.array(values))
            if abs(int(np.linalg.det(signs).round())) == 1:
                return np.asarray(signs)
    return np.eye(2, dtype=np.int64)


def _turned(image: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Pixel (x, y) goes to (a x + c y, b x + d y), as ISO 14496-12 has it."""
    (a, b), (c, d) = turn
    if not a:
        image, a, d = image.transpose(1, 0, 2), c, b
    return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def _notes(container: Any, stream: Any, raw: Any) -> tuple[str, ...]:
    notes = []
    videos = [one for one in container.streams.video if not one.disposition & _ATTACHED]
    if len(videos) > 1:
        sizes = ", ".join(f"{one.width}x{one.height}" for one in videos)
        notes.append(f"of its {len(videos)} video tracks ({sizes}) number {videos.index(stream) + 1} is taken")
    if raw.color_trc in _HDR:
        notes.append(f"high dynamic range ({_HDR[raw.color_trc]}) is taken without tone mapping")
    if raw.interlaced_frame:
        notes.append("interlaced fields are kept as they are")
    if stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE")) == "1":
        notes.append("its transparency is in a side stream and is dropped")
    elif any(component.is_alpha for component in raw.format.components):
        notes.append("transparent parts are shown on black")
    return tuple(notes)


_HDR = {16: "PQ", 18: "HLG"}
_UNSPECIFIED = 2
_SMOOTH = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_ATTACHED = av.stream.Disposition.attached_pic
