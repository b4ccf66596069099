"""Each use of what is known of a clip, on one clip whose every frame is there to compare with.

A source lasts one and a half windows of the base. Each use gives some of its frames, or parts of them, at their own
places, so that the whole source is also the answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from framefall.bench.uses.continuity import Frames, Marks, alternating, join_ratio, kept_share, seam_ratio
from framefall.bench.uses.sources import Source, third
from framefall.cascade.cascade import Cascade
from framefall.cascade.keyframes import plan
from framefall.cascade.lengths import frame_counts
from framefall.cascade.request import Request
from framefall.cascade.uses import Canvas
from framefall.physics.laws import laws
from framefall.progress import finish
from framefall.runs.generation.given import Given, knowing
from framefall.tracking.tracker import track
from framefall.video import Video, from_pixels, resize, to_frames
from framefall.worlds.captions.sentences import describe
from framefall.worlds.scene import Scene
from framefall.worlds.splits import version_of

Small = Float[Tensor, "1 channels small_frames small_height small_width"]  # a video of the first stage


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """A use of a source: what is given of it, and where its pixels must be found again."""

    kept: Marks
    given: Given = field(default_factory=Given)
    changes: Mapping[str, Any] = field(default_factory=dict)  # of the request


@dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """A clip as it came out."""

    frames: Frames
    base: Small  # what the first stage made
    starts: tuple[int, ...]  # frames at which a window of the base ends and another begins


Use = Callable[[Source, Canvas], Asked]


def _images(*places: int, loop: bool = False) -> Use:
    """Frames at so many thirds; 3 is the last frame that the base makes."""

    def use(source: Source, canvas: Canvas) -> Asked:
        at = [min(place * third(canvas), len(source.frames) - canvas.step) for place in places]
        images = tuple((source.frames[frame : frame + 1], frame / canvas.fps) for frame in at)
        return Asked(given=Given(images=images), kept=_whole(source, *at), changes={"loop": True} if loop else {})

    return use


def _part(first: int, last: int, **how: Any) -> Use:
    """The thirds from `first` to before `last` as a video."""

    def use(source: Source, canvas: Canvas) -> Asked:
        span = range(first * third(canvas), last * third(canvas))
        return Asked(given=Given(video=source.frames[span.start : span.stop], **how), kept=_whole(source, *span))

    return use


def _joined(source: Source, canvas: Canvas) -> Asked:
    part = third(canvas)
    given = Given(video=source.frames[:part], end=source.frames[2 * part :])
    return Asked(given=given, kept=_whole(source, *range(part), *range(2 * part, 3 * part)))


def _painted(inside: bool) -> Use:
    """The middle third of the picture made anew, or all but the middle two thirds."""

    def use(source: Source, canvas: Canvas) -> Asked:
        _, height, width, channels = source.frames.shape
        cut = 3 if inside else 6
        middle = np.zeros((height, width), bool)
        middle[height // cut : height - height // cut, width // cut : width - width // cut] = True
        anew = middle if inside else ~middle
        mask = np.repeat(anew[None, ..., None], channels, axis=3).astype(np.uint8) * 255
        kept = np.broadcast_to(~anew, source.frames.shape[:3])
        return Asked(given=Given(video=source.frames, mask=mask), kept=kept)

    return use


def _redrawn(strength: float) -> Use:
    return lambda source, _: Asked(
        given=Given(video=source.frames), kept=_whole(source), changes={"strength": strength}
    )


def _prompted(source: Source, canvas: Canvas) -> Asked:
    return Asked(kept=_whole(source), changes={"prompts_at": ((third(canvas) / canvas.fps, describe(source.later)),)})


USES: dict[str, Use] = {
    "image": _images(0),
    "images": _images(0, 3),
    "after": _part(0, 1),
    "before": _part(2, 3, extend="before"),
    "both": _part(1, 2, extend="both"),
    "join": _joined,
    "loop": _images(0, loop=True),
    "inpaint": _painted(inside=True),
    "outpaint": _painted(inside=False),
    "redraw_30": _redrawn(0.3),
    "redraw_60": _redrawn(0.6),
    "prompt_at": _prompted,
}


def make(cascade: Cascade, request: Request, given: Given | None = None) -> Made:
    """The clip of a request, as a person gets it."""
    if given is not None and not given.empty:
        request = finish(knowing(request, given, cascade))
    base, last = cascade.stages[0], cascade.stages[-1]
    small, large = list[Video](), list[Frames]()
    for event in cascade.stream(request):
        if event.video is not None and event.stage is base:
            small.append(event.video)
        if event.video is not None and event.stage is last:
            large.append(to_frames(event.video))
    frames = np.concatenate(large)[: request.frames]
    return Made(frames=frames, base=torch.cat(small, dim=2), starts=window_edges(cascade, request))


def window_edges(cascade: Cascade, request: Request) -> tuple[int, ...]:
    """The frames of a finished clip at which a window of the base ends and another begins."""
    step, total = Canvas.of(cascade).step, frame_counts(cascade.stages, request)[0]
    windows = plan(cascade.stages[0], request, total)
    edges = {step * edge for window in windows for edge in (window.keep.start, window.keep.stop)}
    return tuple(sorted(edge for edge in edges if 0 < edge < (request.length(cascade.fps()) or 0)))


def measured(
    cascade: Cascade, source: Source, asked: Asked, told: Made, untold: Made, later: Made | None = None
) -> dict[str, dict[str, float]]:
    """By measure: `value` of the clip that was told, `control` of one that was not, `source` of the true one.

    The control holds the given pixels as well, pasted in; at windows it is a clip that was told nothing there either,
    which is `later`, of the later prompt alone, where there is one.
    """
    whole = asked.kept.all(axis=(1, 2))
    given = tuple(int(frame) for frame in np.flatnonzero(np.diff(whole)) + 1)
    windows = tuple(frame for frame in told.starts if frame not in given)
    around = (0,) if asked.changes.get("loop") else ()
    pasted = np.where(asked.kept[..., None], source.frames, untold.frames)
    apart = alternating(told.frames, (later or untold).frames, windows)
    found = {
        "kept_base": {
            "value": _kept_base(cascade, source, asked, told),
            "control": _kept_base(cascade, source, asked, untold),
        },
        "kept_output": {
            "value": kept_share(told.frames, source.frames, asked.kept),
            "control": kept_share(untold.frames, source.frames, asked.kept),
        },
    }
    for name, joins, control in (
        ("given_join", given, pasted),
        ("window_join", windows, apart),
        ("loop_join", around, pasted),
    ):
        others = (*given, *windows)
        clips = {"value": told.frames, "control": control, "source": source.frames}
        if name == "loop_join":
            del clips["source"]
        found[name] = {side: join_ratio(frames, joins, others) for side, frames in clips.items()}
    if asked.kept.any() and not whole.any():
        sides = {"value": told.frames, "control": pasted, "source": source.frames}
        found["seam"] = {side: seam_ratio(frames, ~asked.kept[0]) for side, frames in sides.items()}
    if "strength" in asked.changes:
        found["distance"] = {"value": _distance(told, source), "control": _distance(untold, source)}
    if later is not None:
        cut, fps = third(Canvas.of(cascade)), cascade.fps()
        found["obeys"] = {
            side: _obeys(made.frames[cut:], fps, source.later) for side, made in (("value", told), ("control", untold))
        }
    return found


def _obeys(frames: Frames, fps: float, scene: Scene) -> float:
    """The share of what a scene's caption says that can be seen."""
    tracks = track(from_pixels(frames).permute(3, 0, 1, 2)[None], fps)
    return laws(tracks, None, scene.attributes, ("adherence",), version_of(scene.key))["adherence"].value


def _kept_base(cascade: Cascade, source: Source, asked: Asked, made: Made) -> float:
    """As `kept_share`, at the size and rate of the first stage, of whose pixels whole ones are given: before bytes."""
    step, (height, width) = Canvas.of(cascade).step, made.base.shape[-2:]
    small = resize(from_pixels(source.frames[::step]).permute(3, 0, 1, 2)[None], height, width, "area")
    marks = resize(torch.from_numpy(asked.kept[::step].astype(np.float32))[None, None], height, width, "area")
    got = made.base[0, :, : small.shape[2]].permute(1, 2, 3, 0).cpu().numpy()
    return kept_share(got, small[0].permute(1, 2, 3, 0).numpy(), marks[0, 0].numpy() >= 1)


def _distance(made: Made, source: Source) -> float:
    """Mean absolute difference, of the 0..1 range."""
    return float(np.abs(made.frames.astype(np.int16) - source.frames).mean() / 255)


def _whole(source: Source, *frames: int) -> Marks:
    marks = np.zeros(source.frames.shape[:3], bool)
    marks[list(frames)] = True
    return marks
