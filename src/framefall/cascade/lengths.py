"""How many frames each stage of a cascade makes, for as many as are asked for."""

import math
from collections.abc import Sequence

from framefall.cascade.request import Request
from framefall.cascade.stage import Stage


def frame_counts(stages: Sequence[Stage], request: Request) -> list[int | None]:
    """How many frames each stage must make, found from the last one backwards; None: without end."""
    if request.endless:
        return [None for _ in stages]
    usual = [stage.config.shape.frames for stage in stages if not stage.task.crops]
    need = request.length(stages[-1].config.shape.fps) or usual[-1]
    counts: list[int | None] = []
    for stage in reversed(stages):
        counts.append(need)
        factor = stage.task.time_factor
        if factor > 1:
            usual.pop()
            if request.loop and need % factor:
                fitting = max(1, need // factor) * factor
                raise ValueError(f"a loop must have a multiple of {factor} frames, got {need}; try {fitting}")
            # n given frames carry up to n * factor frames (the last few go on from the last given one)
            few = need <= usual[-1] * factor and not request.loop
            need = need // factor if request.loop else usual[-1] if few else -(-(need - 1) // factor) + 1
    return counts[::-1]


def check_beginning(stages: Sequence[Stage], request: Request) -> None:
    """Refuses a strength without a video that lasts as long as the finished clip."""
    if not request.known:
        raise ValueError(f"a strength of {request.strength} needs a video to begin from, got none; give one as known")
    fps, total = stages[-1].config.shape.fps, frame_counts(stages, request)[-1]
    most = max(1, math.ceil(max(piece.end for piece in request.known) * fps - 1e-6))
    if total is None or most < total:
        raise ValueError(
            f"a clip begun from a video with strength {request.strength} must not be longer than it,"
            f" got {total} frames of a video that has {most} at {fps:g} a second; ask for fewer seconds"
        )
