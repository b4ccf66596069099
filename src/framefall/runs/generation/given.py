"""What a person gives of a clip, in files or arrays, brought onto the frames that a cascade makes."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from framefall import checks, publish
from framefall.cascade import uses
from framefall.cascade.cascade import Cascade
from framefall.cascade.conditioning import BLURS, blurred, detail, structure_map
from framefall.cascade.known import Known
from framefall.cascade.request import Request
from framefall.cascade.tasks import StructureKind
from framefall.data.media import decode as decoder
from framefall.models.content import content_of
from framefall.progress import Events, Note
from framefall.runs.generation import fields
from framefall.runs.generation.tags import plain
from framefall.video import Video, from_pixels

Pixels = UInt8[np.ndarray, "_frames _height _width _channels"]
Media = str | Path | Pixels  # a file, a folder of frames, or the frames themselves at the model's rate


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """Images at their seconds, a video to go on from, another to end with, a mask of what to make anew.

    What is given alone decides the use: `video` goes on after itself unless `extend`, `end`, `mask`, or the request's
    `strength` or `loop` say otherwise. A `structure` says where things are to be and a `content` what they are to look
    like, beside all that or alone. Raises `ValueError` for what does not go together.
    """

    images: tuple[tuple[Media, float], ...] = ()
    video: Media | None = None
    end: Media | None = None  # a video, or an image, that the clip ends with
    extend: uses.Side | None = None
    mask: Media | None = None  # white: make anew; black: keep
    structure: Media | None = None  # a video whose structure is taken; or, of a `structure_kind`, that structure itself
    structure_kind: StructureKind = ""
    structure_blur: int = 0  # how roughly it is told: a level of 0 to 7
    content: Media | None = None  # an image, or a video

    def __post_init__(self) -> None:
        for name in ("end", "extend", "mask"):
            if getattr(self, name) is not None and self.video is None:
                raise ValueError(f"{name} needs a video that it is about, got none; give one with --video")
        chosen = [name for name in ("end", "extend", "mask") if getattr(self, name) is not None]
        if len(chosen) > 1:
            raise ValueError(f"a video is used in one way at a time, got {' and '.join(chosen)}; leave one out")
        if self.structure is None and (self.structure_kind or self.structure_blur):
            raise ValueError("structure_kind and structure_blur are about a structure, got none; give one")
        checks.whole("structure_blur", self.structure_blur, 0)
        if self.structure_blur > BLURS:
            raise ValueError(f"structure_blur must be at most {BLURS}, got {self.structure_blur}; 0 follows it exactly")
        if self.images and self.video is not None:
            raise ValueError("give images or a video, not both; cut the image into the video, or leave one out")

    def record(self) -> dict[str, Any]:
        """What it is, with the hash of each file: enough to find the same again."""
        found: dict[str, Any] = {"images": [[_named(image), second] for image, second in self.images]}
        found |= {name: _named(media) for name in _FILES if (media := getattr(self, name)) is not None}
        return found | {name: value for name in _PLAIN if (value := getattr(self, name))}

    @classmethod
    def from_record(cls, record: Mapping[str, Any], beside: Path) -> "Given":
        """The same files, here or in a folder `beside`. Raises `ValueError` for one that is gone, or another now."""
        images = tuple((_found(image, beside), float(second)) for image, second in record.get("images", ()))
        files: dict[str, Any] = {name: _found(record[name], beside) for name in _FILES if name in record}
        plain: dict[str, Any] = {name: record[name] for name in _PLAIN if name in record}
        return cls(images=images, **files, **plain)

    @property
    def files(self) -> tuple[Path, ...]:
        """What of it lies on disk."""
        media = (*(image for image, _ in self.images), *(getattr(self, name) for name in _FILES))
        return tuple(Path(one) for one in media if isinstance(one, str | Path))

    @property
    def empty(self) -> bool:
        """Whether nothing is given."""
        return not self.images and self.video is None and self.structure is None and self.content is None


def knowing(request: Request, given: Given, cascade: Cascade) -> Events[Request]:
    """The request with what is given in `known`, and the length that follows; on the way, what was done to fit it."""
    request = yield from _told(request, given, cascade)
    if not given.images and given.video is None:
        return request
    canvas = uses.Canvas.of(cascade, request.until)
    if (said := _untold(cascade)) and request.strength == 1:
        yield Note(said)
    channels = cascade.stages[0].config.shape.channels
    asked = request.length(canvas.fps)

    field = cascade.config.field
    if field is not None and (given.images or given.mask is not None):
        raise ValueError("a model of fields goes on from recordings of them; give --video or --end instead")

    def read(media: Media) -> Events[Video]:
        if field is not None and not isinstance(media, np.ndarray):
            video, said = fields.read(media, field, canvas)
        else:
            video, said = _read(media, canvas, channels)
        yield from map(Note, said)
        return video

    if given.images:
        pictures = []
        for media, second in given.images:
            image = yield from read(media)
            pictures.append((image[:, :, :1], second))
            moved = canvas.whole_steps(second * canvas.fps) / canvas.fps - second
            if abs(moved) > 0.5 / canvas.fps:
                yield Note(f"the image for {second:g} s is put at {second + moved:.2f} s, where the base has a frame")
        use = uses.images(canvas, pictures, asked)
    else:
        assert given.video is not None
        video = yield from read(given.video)
        if given.end is not None:
            end = yield from read(given.end)
            use = uses.connected(canvas, video, end, asked)
        elif given.mask is not None:
            mask = yield from read(given.mask)
            use = uses.painted(canvas, video, (mask.mean(dim=1, keepdim=True) + 1.0) / 2.0)
        elif request.strength < 1:
            use = uses.redrawn(canvas, video)
        else:
            use = uses.extended(canvas, video, given.extend or "after", asked)
    frames = use.frames
    if request.loop:
        frames = max(canvas.step, -(-frames // canvas.step) * canvas.step)
    if asked is not None and frames != asked:
        yield Note(f"the clip has {frames} frames, not the {asked} asked for, so that what is given lies on the base's")
    return replace(request, known=(*request.known, *use.known), frames=frames, seconds=None)


def _told(request: Request, given: Given, cascade: Cascade) -> Events[Request]:
    """The request with the given structure and content; it is as long as the structure if nothing else says."""
    base = cascade.stages[0]
    kind, shape = base.task.structure, base.config.shape
    if given.structure is not None:
        if not kind:
            raise ValueError(
                f"{cascade.config.name} cannot be told structure; take a model that was trained with it"
                " (framefall train --recipe gen1_pico)"
            )
        if given.structure_kind and given.structure_kind != kind:
            raise ValueError(
                f"{cascade.config.name} is told {kind}, and a structure of {given.structure_kind} is given"
            )
        canvas = replace(uses.Canvas.of(cascade, base.name), fps=cascade.fps(request.until))
        video, said = _read(given.structure, canvas, shape.channels)
        yield from map(Note, said)
        video = canvas.fit(video)
        where = video.mean(dim=1, keepdim=True) if given.structure_kind else structure_map(video, kind)
        own, asked = where.shape[2], request.length(canvas.fps)
        if asked is None and given.video is None and not given.images:
            request = replace(request, frames=own)
        elif asked is not None and asked > own:
            yield Note(f"the structure ends after {own / canvas.fps:g} s: what comes later is not told any")
        # the base's last frame may lie beyond the last finished one
        last = where[:, :, -1:].expand(-1, -1, uses.Canvas.of(cascade, request.until).step, -1, -1)
        where = blurred(torch.cat((where, last), dim=2), given.structure_blur)
        details = torch.full((1, 1, where.shape[2], 1, 1), detail(given.structure_blur))
        request = replace(request, structure=(Known(video=where, mask=details, fps=canvas.fps),))
    if given.content is not None:
        video, _ = _read(given.content, uses.Canvas.of(cascade, request.until), shape.channels)
        request = replace(request, content=content_of(video))
    return request


def _untold(cascade: Cascade) -> str:
    """What a base cannot be told, and what is done instead; nothing of one that can be told everything."""
    known, name = cascade.stages[0].task.known, cascade.config.name
    if known == "any":
        return ""
    what = f"told more than its first {known} frames of" if known else "told"
    return f"{name} cannot be {what} what is known: it is kept (replacement), and what is made may not fit to it"


def _read(media: Media, canvas: uses.Canvas, channels: int) -> tuple[Video, list[str]]:
    """A video of one clip at the canvas' rate, and what was done to it."""
    if isinstance(media, np.ndarray):
        pixels, said, name = media, [], "the video"
        if media.dtype != np.uint8 or media.ndim != 4 or media.shape[-1] != channels:
            raise ValueError(
                f"frames must be uint8 [frames, height, width, {channels}], got {media.dtype} {media.shape}"
            )
    else:
        info, name = decoder.probe(media), Path(media).name
        limits = decoder.Limits(seconds=_MOST_SECONDS)
        width, height = info.width, info.height
        down, across = canvas.size_for(height, width)
        short = math.ceil(min(height, width) * min(1.0, max(down / height, across / width)))  # no larger than is used
        frames = decoder.decode(media, fps=canvas.fps, short_side=short, channels=channels, limits=limits)
        pixels = np.stack([frame.pixels for frame in frames])
        moving = len(pixels) > 1
        said = [f"{name} is shown at {canvas.fps:g} frames a second, not its {info.fps:.5g}"] * (
            moving and abs(info.fps - canvas.fps) > 0.01
        )
    video = from_pixels(torch.from_numpy(np.ascontiguousarray(pixels))).permute(3, 0, 1, 2)[None]
    if isinstance(media, np.ndarray):
        height, width = video.shape[-2:]
    size = canvas.size_for(height, width)
    if size != (height, width):
        cut = " and cut to the model's shape" if height * size[1] != width * size[0] else ""
        said.append(f"{name}, {width}x{height}, is made {size[1]}x{size[0]}{cut}")
    return video, said


_MOST_SECONDS = 600.0
_FILES = ("video", "end", "mask", "structure", "content")
_PLAIN = ("extend", "structure_kind", "structure_blur")


def _named(media: Media) -> dict[str, str]:
    if isinstance(media, np.ndarray):
        return {"sha256": hashlib.sha256(np.ascontiguousarray(media).data).hexdigest()}
    return {"file": plain(Path(media)), "sha256": _sha256(Path(media))}


def _found(named: Mapping[str, str], beside: Path) -> Path:
    if "file" not in named:
        raise ValueError("what was given as frames stands in no file; give it again")
    for path in (Path(named["file"]), beside / Path(named["file"]).name):
        if path.exists() and _sha256(path) == named["sha256"]:
            return path
    raise ValueError(f"{named['file']} must be there as it was when it was given; give it again")


def _sha256(path: Path) -> str:
    """Of a file, or of the files of a folder with their names."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        parts = [f"{file.relative_to(path).as_posix()} {publish.sha256(file)}" for file in files]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return publish.sha256(path) if path.exists() else ""
