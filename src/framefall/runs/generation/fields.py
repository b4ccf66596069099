"""Fields on their way through a cascade: read onto the frames that it makes, and written with what they are.

What goes in as metres a second comes out so, on the same coordinates; a missing value is never a number in silence.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float

from framefall.cascade.uses import Canvas
from framefall.data.fields import formats
from framefall.data.fields.field import DATES, Axis, Field, clipped
from framefall.data.fields.recording import Recording, interpolated, takes, usual_step
from framefall.data.window import fitted
from framefall.outputs import Output
from framefall.video import Video, to_frames

Absent = Bool[np.ndarray, "channels frames height width"]
Seen = Float[torch.Tensor, "1 channels frames _ _"]


class Collected:
    """Frames that a stage makes, as a network sees them, held until a file is written of them."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []
        self.frames, self.size, self.note = 0, (0, 0), ""

    def __enter__(self) -> "Collected":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def add(self, video: Video) -> None:
        """The next frames of one clip."""
        part = video[0].float().cpu().numpy()
        self._parts.append(part)
        self.frames, self.size = self.frames + part.shape[1], (part.shape[2], part.shape[3])

    @property
    def values(self) -> Float[np.ndarray, "channels frames height width"]:
        """All of them."""
        return np.concatenate(self._parts, axis=1)


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where and when the finished frames lie."""

    rows: Axis
    columns: Axis
    start: float = 0.0  # of the first frame, in units of the field's clock
    dated: bool = False  # whether anything says when that is
    absent: Absent | None = None  # what is missing in them, or in one frame for all

    def times(self, field: Field, frames: int, fps: float) -> np.ndarray:
        """When the frames are, at `fps` frames a second of the networks' time."""
        return self.start + np.arange(frames) / fps * field.rate * field.clock.step


def check_shown(field: Field, path: Path) -> None:
    """Refuses a video of what is no picture: it shows one quantity, in colours."""
    if formats.format_of(path) is None and len(field.channels) != 1:
        raise ValueError(
            f"{path.name} shows one quantity in colours, and this model makes {len(field.channels)},"
            f" {', '.join(field.names)}; write {formats.NAMES}"
        )


def coloured(video: Video) -> np.ndarray:
    """One quantity as a picture, uint8 [frames, height, width, 3]: from -1, dark blue, to 1, yellow (viridis)."""
    return np.stack([cv2.applyColorMap(frame, cv2.COLORMAP_VIRIDIS)[..., ::-1] for frame in to_frames(video)[..., 0]])


def outputs(
    path: str | Path, count: int, *, overwrite: bool = False, sources: Iterable[str | Path] = ()
) -> list[Output]:
    """Where `count` clips go: into one file if its kind holds an ensemble, or into numbered ones."""
    path, form = Path(path), formats.format_of(path)
    assert form is not None
    stem, suffix = formats.stem_of(path)
    alone = count == 1 or form.members
    names = [path] if alone else [path.with_name(f"{stem}-{index:03d}{suffix}") for index in range(count)]
    return [formats.output(name, overwrite=overwrite, sources=list(sources)) for name in names]


def write(
    written: Sequence[Output],
    made: Sequence[Collected],
    field: Field,
    where: Where,
    fps: float,
    tags: Sequence[Mapping[str, str]],
) -> list[str]:
    """Writes clips in physical units; gives what whoever asked for them should know."""
    members = [_with_absent(field.physical(one.values), where.absent) for one in made]
    times = where.times(field, made[0].frames, fps)
    units = "s" if field.clock.units == DATES and not where.dated else field.clock.units
    step = field.rate * field.clock.step / fps
    clock = replace(field.clock, units=units, step=step)
    own = replace(field, rows=where.rows, columns=where.columns, clock=clock)
    said = []
    if where.absent is not None and where.absent.any() and own.dtype != "float32" and own.missing is None:
        own = replace(own, dtype="float32")
        said.append(f"{field.dtype} has no number for a missing value: {written[0].path} is of float32")
    if share := max(clipped(one, own) for one in members):
        said.append(f"{share:.2%} of the values lie beyond {own.dtype}, and are cut to it")
    if len(written) == 1:
        formats.write(written[0], members, own, times, tags[0])
    else:
        for path, member, own_tags in zip(written, members, tags, strict=True):
            formats.write(path, [member], own, times, own_tags)
    return said


def _with_absent(values: np.ndarray, absent: Absent | None) -> np.ndarray:
    if absent is None:
        return values
    scale = [have // want for have, want in zip(values.shape[2:], absent.shape[2:], strict=True)]
    large = absent.repeat(scale[0], axis=2).repeat(scale[1], axis=3)
    return np.where(large, np.float32(np.nan), values)


@dataclass(frozen=True, kw_only=True, eq=False)
class Opened:
    """A recording that is given, at the rate of the frames that are made."""

    recording: Recording
    places: np.ndarray  # the frames that are taken of it
    name: str
    said: tuple[str, ...]

    def fps(self, field: Field) -> float:
        """Frames a second of the networks' time."""
        return field.rate * field.clock.step / (usual_step(self.recording.times) or field.clock.step)

    def chunks(self, field: Field, size: int) -> Iterator[Video]:
        """Its frames as the networks see them, some at a time."""
        for first in range(0, len(self.places), size):
            values = field.scaled(self.recording.at(self.places[first : first + size]))
            yield torch.from_numpy(np.nan_to_num(values, nan=0.0))[None]

    def absent(self) -> Absent:
        """Where its values are missing."""
        return np.isnan(self.recording.at(self.places))


def whole(path: str | Path, field: Field) -> Opened:
    """All frames of a recording, evenly spaced, for super-resolution; what is missing of it is said."""
    given = opened(path, field)
    count = int(given.absent().sum())
    said = f"{count:,} missing values of {given.name} are given to the networks as their channel's mean, and what is"
    return replace(given, said=(*given.said, *([f"{said} made of them is missing"] if count else [])))


def enlarged(given: Opened, field: Field, factors: tuple[int, int]) -> Where:
    """Where frames lie that are made of a recording's, `factors` times as large and as many a second."""
    (space, time), own, times = factors, given.recording.field, given.recording.times
    absent = given.absent()
    frames = np.arange((len(given.places) - 1) * time + 1)
    absent = absent[:, frames // time] | absent[:, -(-frames // time)]  # beside a missing frame nothing is known
    rows, columns = (
        axis.part(0.0, float(len(axis.values)), len(axis.values) * space) for axis in (own.rows, own.columns)
    )
    start = float(np.interp(given.places[0], np.arange(len(times)), times))
    return Where(rows=rows, columns=columns, start=start, dated=True, absent=absent if absent.any() else None)


def opened(path: str | Path, field: Field, fps: float | None = None) -> Opened:
    """A file of a model's channels; with `fps`, its frames at that rate of the networks' time.

    Raises `ValueError` for other channels, several members, or gaps in its times.
    """
    name, found = Path(path).name, formats.recordings(path)
    if len(found) > 1:
        raise ValueError(f"what is given must be one recording, {name} holds {len(found)} members; select one")
    recording = found[0].of(field, name, "the model")
    step = usual_step(recording.times) or field.clock.step
    wanted = step if fps is None else field.rate * field.clock.step / fps
    places = takes(recording.times, wanted)
    if len(places) > 1:
        raise ValueError(
            f"what is given must be without gaps in time, {name} has {len(places)} parts; cut out the last of them"
        )
    said = list(recording.notes)
    if interpolated(places):
        said.append(f"{name} has a frame every {step:g} {field.clock.units}: it is interpolated to every {wanted:g}")
    return Opened(recording=recording, places=places[0], name=name, said=tuple(said))


def read(path: str | Path, field: Field, canvas: Canvas) -> tuple[Video, list[str]]:
    """What is given, as the networks see it, cut and shrunk to a stage's size; and what was done to it."""
    given = opened(path, field, canvas.fps)
    video, valid = _seen(given.recording, given.places, field, canvas)
    said, (height, width) = list(given.said), given.recording.size
    if (size := (video.shape[-2], video.shape[-1])) != (height, width):
        said.append(f"{given.name}, {width}x{height}, is made {size[1]}x{size[0]}")
    if valid is not None:
        count = int((~valid).sum())
        said.append(f"{count:,} missing values of {given.name} are given to the networks as their channel's mean")
        if not valid.any(axis=1).all():
            said.append("what is missing in all that is given is missing in what is made")
    return video, said


def place(path: str | Path | None, field: Field, canvas: Canvas, size: tuple[int, int], start: float) -> Where:
    """Where the finished frames of a size lie: on what is given, which begins at second `start`, or on the training's.

    Missing is what is missing in all frames that are given.
    """
    if path is None:
        rows, columns = _region((len(field.rows.values), len(field.columns.values)), canvas)
        return Where(rows=field.rows.part(*rows, size[0]), columns=field.columns.part(*columns, size[1]))
    given = opened(path, field, canvas.fps)
    own, times = given.recording.field, given.recording.times
    rows, columns = _region(given.recording.size, canvas)
    _, valid = _seen(given.recording, given.places, field, canvas)
    absent: np.ndarray | None = None if valid is None else np.asarray(~valid.any(axis=1, keepdims=True))
    first = float(np.interp(given.places[0], np.arange(len(times)), times))
    return Where(
        rows=own.rows.part(*rows, size[0]),
        columns=own.columns.part(*columns, size[1]),
        start=first - start * field.rate * field.clock.step,
        dated=True,
        absent=absent if absent is not None and absent.any() else None,
    )


def _large(size: tuple[int, int], canvas: Canvas) -> tuple[tuple[int, int], tuple[int, int]]:
    """A picture's size when it is shrunk to cover what a stage makes, and what that is."""
    down, across = canvas.size_for(*size)
    scale = max(down / size[0], across / size[1])
    return (max(down, round(size[0] * scale)), max(across, round(size[1] * scale))), (down, across)


def _region(size: tuple[int, int], canvas: Canvas) -> list[tuple[float, float]]:
    """From where to where a stage's frames reach along rows and columns, in pixels of a picture of a size."""
    large, cut = _large(size, canvas)
    return [
        ((whole - part) // 2 * own / whole, ((whole - part) // 2 + part) * own / whole)
        for own, whole, part in zip(size, large, cut, strict=True)
    ]


def _seen(
    recording: Recording, places: np.ndarray, field: Field, canvas: Canvas
) -> tuple[Seen, Bool[np.ndarray, "channels frames _ _"] | None]:
    """Frames as the networks see them, and where there are values; None: everywhere."""
    large, (down, across) = _large(recording.size, canvas)
    values, valid = fitted(field.scaled(recording.at(places)).transpose(1, 2, 3, 0), large)
    top, left = (large[0] - down) // 2, (large[1] - across) // 2
    inside = (slice(None), slice(top, top + down), slice(left, left + across))
    video = torch.from_numpy(np.ascontiguousarray(values[inside].transpose(3, 0, 1, 2)))[None]
    return video, None if valid is None else valid[inside].transpose(3, 0, 1, 2)
