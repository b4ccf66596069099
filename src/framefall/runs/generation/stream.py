"""A clip as it is made: frames for whoever shows or stores them, for as long as they are read."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from framefall.cascade.cascade import Cascade, finished
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.progress import finish
from framefall.runs.generation.given import Given, knowing
from framefall.video import to_frames
from framefall.weights import DEFAULT

Frames = UInt8[np.ndarray, "frames height width channels"]


def stream(
    request: Request,
    model: str | Path | Cascade = DEFAULT,
    *,
    given: Given | None = None,
    device: str | torch.device = "cpu",
) -> Iterator[Frames]:
    """The frames of one clip, some at a time as the last stage finishes them, at the model's rate.

    A request that says no length never ends: memory stays what it was, whatever has been read, and closing the
    iterator stops the work. What has come is not changed by what comes later; a clip of a stated length may end
    otherwise than an endless one at the same place, since its last window looks back further.
    """
    cascade = model if isinstance(model, Cascade) else load_cascade(model, device)
    if request.size is not None:
        cascade, request = cascade.sized(*request.size), replace(request, size=None)
    if len(request.captions) != 1:
        raise ValueError(f"one clip is streamed at a time, got {len(request.captions)}; ask for each by itself")
    endless = request.frames is None and request.seconds is None and not request.loop
    if given is not None and not given.empty:
        request = finish(knowing(request, given, cascade))
    if endless:
        request = replace(request, frames=None, seconds=math.inf)
    last = request.until or cascade.stages[-1].name
    return (to_frames(video) for video in finished(cascade.stream(request), last))
