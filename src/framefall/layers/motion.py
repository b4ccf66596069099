"""Frames moved along dense motion: a network that starts from it has only to mend what it gets wrong."""

from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from framefall.flow import dense_flow, one_thread
from framefall.video import Video

Flow = Float[Tensor, "batch 2 frames height width"]  # right and down, in pixels
PairFlow = Float[Tensor, "batch 2 frames-1 height width"]  # the same, from frame to frame
Image = Float[Tensor, "batch channels 1 height width"]
Fraction = Float[Tensor, "batch 1 frames height width"]  # how far a frame is on the way, 0..1

_SMALL = 1 << 14  # pixels of a frame whose flow is kept for a while: 128 KB
_SHORT_SIDE = 128  # smaller pictures are enlarged to about this before their flow is found: patches are 8 pixels


def warp(video: Video, flow: Flow) -> Video:
    """Each pixel fetched from where `flow` points; beyond the border the border counts. A motion of NaN gives NaN."""
    batch, _, frames, height, width = video.shape
    images = video.transpose(1, 2).flatten(0, 1)
    offsets = flow.permute(0, 2, 3, 4, 1).flatten(0, 1)  # (b f) h w 2
    right = torch.arange(width, device=video.device) + offsets[..., 0]
    down = torch.arange(height, device=video.device)[:, None] + offsets[..., 1]
    places = torch.stack(((2 * right + 1) / width - 1, (2 * down + 1) / height - 1), dim=-1)
    nowhere = places.isnan()  # as an index it lies outside of the memory, which the backward pass writes to
    places = places.masked_fill(nowhere, 0.0)
    fetched = F.grid_sample(images, places, mode="bilinear", padding_mode="border", align_corners=False)
    fetched = fetched.masked_fill(nowhere.any(-1)[:, None], torch.nan)
    return fetched.unflatten(0, (batch, frames)).transpose(1, 2)


def bidirectional_flow(keyframes: Video) -> tuple[PairFlow, PairFlow]:
    """Motion from each frame to the next, and from each next frame back: `n - 1` of both for `n` frames."""
    grey = keyframes.detach().float().mean(1).add(1).mul(127.5).round().clamp(0, 255).byte().cpu().numpy()
    with one_thread():
        ahead = [[_flow(a, b) for a, b in pairwise(clip)] for clip in grey]
        back = [[_flow(b, a) for a, b in pairwise(clip)] for clip in grey]
    forward, backward = (
        torch.from_numpy(np.array(flow, np.float32)).permute(0, 4, 1, 2, 3).to(keyframes.device)
        for flow in (ahead, back)
    )
    return forward, backward


def warp_between(before: Video, after: Video, forward: Flow, backward: Flow, fraction: Fraction) -> tuple[Video, Video]:
    """Both frames moved to a moment `fraction` of the way between them (Jiang et al. 2018, Super SloMo, equation 4).

    Where the two, once moved, agree no better than they did before, the motion was wrong and they stay.
    """
    to_before = fraction * (fraction * backward - (1 - fraction) * forward)
    to_after = (1 - fraction) * ((1 - fraction) * forward - fraction * backward)
    moved_before, moved_after = warp(before, to_before), warp(after, to_after)
    agreed = (moved_before - moved_after).abs().mean(1) < (before - after).abs().mean(1)
    trust = F.avg_pool2d(agreed.to(before.dtype), 5, 1, 2)[:, None]  # without hard edges
    return torch.lerp(before, moved_before, trust), torch.lerp(after, moved_after, trust)


def carried_on(video: Video, steps: float) -> Image:
    """The frame `steps` frames after the last one, if all goes on with the velocity that it has, and its change.

    Where v is the motion over the last step and a by how much it is more than that over the step before, at the same
    thing: x(steps) = x(0) + (v + a / 2) steps + a steps^2 / 2. Of two frames a is 0. Where nothing moved the last frame
    stays, also where something is to come: fetched from where the flow of the last frame points.
    """
    _, back = bidirectional_flow(video[:, :, -3:])
    move = back[:, :, -1:]
    change = move - warp(back[:, :, :1], move) if back.shape[2] > 1 else torch.zeros_like(move)
    return warp(video[:, :, -1:], (move + change / 2) * steps + change * (steps**2 / 2))


def _flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """`[height, width, 2]`, pixels right and down; of small frames it may be known, and must not be changed."""
    if first.size <= _SMALL:
        return _known_flow(first.tobytes(), second.tobytes(), first.shape)
    return _found_flow(first, second)


@lru_cache(maxsize=256)  # held-out clips are asked about three times in a measurement, and in each
def _known_flow(first: bytes, second: bytes, shape: tuple[int, int]) -> np.ndarray:
    one, other = (np.frombuffer(frame, np.uint8).reshape(shape) for frame in (first, second))
    return _found_flow(one, other)


def _found_flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    height, width = first.shape
    scale = max(1, round(_SHORT_SIDE / min(height, width)))
    if scale > 1:
        size = (width * scale, height * scale)
        first, second = (cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC) for frame in (first, second))
    return dense_flow(first, second, (height, width))
