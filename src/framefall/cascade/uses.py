"""What a base that knows some of its frames is good for: one function a use, from videos to what is `Known`.

Images at any time, going on after a video or before it, joining two, painting a part anew, drawing a video again. Each
puts what is given where it belongs on the clip's frames, and says how many frames the clip then has.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from framefall.cascade.cascade import Cascade
from framefall.cascade.known import Known
from framefall.video import Video, resize

Fitted = Float[Tensor, "batch channels frames fitted_height fitted_width"]  # of a size that a stage makes
Ending = Float[Tensor, "batch channels ending_frames ending_height ending_width"]  # a video to end with
Marks = Float[Tensor, "mask_clips 1 marked mask_height mask_width"]  # 1: make anew; marked is 1 or all frames
Side = Literal["after", "before", "both"]


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """The frames that a cascade makes: what is given must lie on them."""

    fps: float  # of the finished clip
    step: int  # finished frames to a frame of the base: what is given begins at a multiple of it
    frames: int  # of a finished clip by default
    window: int  # finished frames that the base sees at a time
    sizes: tuple[tuple[int, int], ...]  # height and width of what each stage makes, the smallest first

    @classmethod
    def of(cls, cascade: Cascade, until: str | None = None) -> "Canvas":
        """That of a cascade, or of its stages up to one."""
        shape = cascade.stages[0].config.shape
        sizes, step, frames = [(shape.height, shape.width)], 1, shape.frames
        for stage in cascade.up_to(until)[1:]:
            height, width = sizes[-1]
            sizes.append((height * stage.task.space_factor, width * stage.task.space_factor))
            step *= stage.task.time_factor
            frames = frames if stage.task.crops else stage.config.shape.frames
        own = tuple(dict.fromkeys(sizes))
        return cls(fps=cascade.fps(until), step=step, frames=frames, window=shape.frames * step, sizes=own)

    def size_for(self, height: int, width: int) -> tuple[int, int]:
        """The largest size of a stage that a picture fills without being made larger; else the smallest there is."""
        fitting = [size for size in self.sizes if size[0] <= height and size[1] <= width]
        return fitting[-1] if fitting else self.sizes[0]

    def fit(self, video: Video) -> Fitted:
        """The video cut in the middle to the cascade's shape and shrunk; a video of a stage's size as it is."""
        *_, height, width = video.shape
        down, across = self.size_for(height, width)
        scale = max(down / height, across / width)
        large = max(down, round(height * scale)), max(across, round(width * scale))
        shrinks = scale < 1 and height % large[0] == 0 and width % large[1] == 0  # by a whole number: exact block means
        video = resize(video, *large, "area" if shrinks else "bicubic")
        top, left = (large[0] - down) // 2, (large[1] - across) // 2
        return video[..., top : top + down, left : left + across]

    def whole_steps(self, frames: float) -> int:
        """The nearest number of frames that is a multiple of `step`."""
        return round(frames / self.step) * self.step


@dataclass(frozen=True, kw_only=True, eq=False)
class Use:
    """What is known of a clip, and its length."""

    known: tuple[Known, ...]
    frames: int


def images(canvas: Canvas, pictures: Sequence[tuple[Video, float]], frames: int | None = None) -> Use:
    """Images (videos of one frame) at their seconds, each at the nearest frame of the base."""
    for _, second in pictures:
        if not (math.isfinite(second) and second >= 0):
            raise ValueError(f"an image must come at a finite time of at least 0 seconds, got {second}; try 0")
    at = [canvas.whole_steps(second * canvas.fps) for _, second in pictures]
    known = [_piece(canvas, image, frame) for (image, _), frame in zip(pictures, at, strict=True)]
    total = frames or max(canvas.frames, *(frame + 1 for frame in at))
    if max(at) >= total:
        late = max(at) / canvas.fps
        raise ValueError(f"an image must lie within the clip, got {late:g} s of {total / canvas.fps:g} s; ask for more")
    return Use(known=tuple(known), frames=total)


def extended(canvas: Canvas, video: Video, side: Side = "after", frames: int | None = None) -> Use:
    """A clip of `frames` that goes on after the video, comes before it, or both; by default by a usual clip a side."""
    own = video.shape[2]
    total = frames or own + canvas.frames * (2 if side == "both" else 1)
    if total <= own:
        raise ValueError(
            f"the whole clip must be longer than what is given, got {total} frames, {own} of them given"
            f" ({own / canvas.fps:g} s); ask for more"
        )
    start = {"after": 0, "before": total - own, "both": (total - own) // 2}[side]
    start = start // canvas.step * canvas.step
    total = start + own if side == "before" else total
    return Use(known=(_piece(canvas, video, start),), frames=total)


def connected(canvas: Canvas, video: Video, end: Ending, frames: int | None = None) -> Use:
    """A clip of `frames` that begins as one video and ends as another; by default half a window lies between."""
    own, last = video.shape[2], end.shape[2]
    total = frames or own + last + canvas.window // 2
    start = -(-(total - last) // canvas.step) * canvas.step
    if start <= own:
        raise ValueError(
            f"something must lie between two videos, got {total} frames for {own} and {last};"
            f" ask for {own + last + canvas.window // 2} or so"
        )
    return Use(known=(_piece(canvas, video, 0), _piece(canvas, end, start)), frames=start + last)


def painted(canvas: Canvas, video: Video, anew: Marks) -> Use:
    """The video with what `anew` marks (1) made anew, and the rest (0) kept: inpainting, outpainting."""
    if anew.shape[-2:] != video.shape[-2:] or anew.shape[2] not in (1, video.shape[2]):
        given = f"{anew.shape[2]} frames of {anew.shape[-1]}x{anew.shape[-2]}"
        raise ValueError(
            f"a mask must have the video's size and one frame or all, got {given}"
            f" for {video.shape[2]} of {video.shape[-1]}x{video.shape[-2]}; make it as large"
        )
    mask = 1.0 - canvas.fit(anew.expand(-1, -1, video.shape[2], -1, -1)).clamp(0.0, 1.0)
    return Use(known=(Known(video=canvas.fit(video), mask=mask, fps=canvas.fps),), frames=video.shape[2])


def redrawn(canvas: Canvas, video: Video) -> Use:
    """The video as what a clip begins from, none of it kept: for a request with a `strength` below 1 (SDEdit)."""
    nothing = video.new_zeros(1, 1, video.shape[2], 1, 1)
    return Use(known=(Known(video=canvas.fit(video), mask=nothing, fps=canvas.fps),), frames=video.shape[2])


def _piece(canvas: Canvas, video: Video, frame: int) -> Known:
    return Known(video=canvas.fit(video), start=frame / canvas.fps, fps=canvas.fps)
