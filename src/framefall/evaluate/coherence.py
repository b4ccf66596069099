"""Does a video hold together over time? Flicker that motion does not explain, and flicker of the light.

No reference is needed, any number of channels will do, and the unit is the 0..1 range. A clip that is too
short gives NaN: not measurable. A frozen clip scores a perfect 0: read these numbers beside a motion metric.
"""

import itertools
import math
from collections.abc import Iterator

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from framefall.video import Scores, Video

FLOW_SIDE = 64  # pixels; smaller frames are enlarged to this, DIS needs room for its 8-pixel patches
STILL = 0.3  # pixels a frame; below this a pixel counts as static
STATIC_SHARE = 0.01  # of the frame must be static, or the light of a pair of frames is not measurable

_LUMA = (0.2126, 0.7152, 0.0722)  # Rec. 709


def flicker(video: Video) -> Scores:
    """Mean amount by which a frame leaves the envelope of its two neighbours, warped onto it by optical flow.

    The envelope is [min, max] of the neighbours, a pixel and a channel at a time, so steady motion, fades
    and uncovered background stay inside. Where the flow forth and back disagrees (Sundaram et al. 2010)
    the neighbours count as they are, so that a clip too broken to track does not escape;
    what comes from outside the frame does not count. NaN below 3 frames.
    """
    return torch.tensor([_clip_flicker(clip) for clip in _unit(video)])


def luminance_flicker(video: Video) -> Scores:
    """Mean absolute frame-to-frame difference of the mean luma over static pixels (flow below 0.3 pixels).

    NaN below 2 frames, and where nothing stands still (less than 1 % of every pair of frames).
    """
    return torch.tensor([_clip_luminance_flicker(clip) for clip in _unit(video)])


def _clip_flicker(clip: Tensor) -> float:
    outside, counted = 0.0, 0
    neighbours = _flows(clip)
    past = next(neighbours, None)
    for index, future in enumerate(neighbours, start=1):
        assert past is not None
        before, middle, after = clip[:, index - 1], clip[:, index], clip[:, index + 1]
        (old_forth, old_back), (forth, back) = past, future
        left, left_inside, left_sure = _seen_along(before, old_back, old_forth)
        right, right_inside, right_sure = _seen_along(after, forth, back)
        sure = left_sure & right_sure
        left, right = torch.where(sure, left, before), torch.where(sure, right, after)
        excess = (middle - torch.maximum(left, right)).relu() + (torch.minimum(left, right) - middle).relu()
        inside = left_inside & right_inside
        outside += float(excess.mean(0)[inside].double().sum())
        counted += int(inside.sum())
        past = future
    return outside / counted if counted else math.nan


def _clip_luminance_flicker(clip: Tensor) -> float:
    luma = _luma(clip)
    steps = []
    for index, (forth, back) in enumerate(_flows(clip)):
        static = (forth.norm(dim=-1) < STILL) & (back.norm(dim=-1) < STILL)
        if static.float().mean() >= STATIC_SHARE:
            now, then = luma[index][static].double().mean(), luma[index + 1][static].double().mean()
            steps.append(abs(float(then - now)))
    return float(np.mean(steps)) if steps else math.nan


def _seen_along(image: Tensor, there: Tensor, back: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`image` fetched along the flow `there`; which pixels it holds; and where `back` leads home again."""
    inside, places = _places(there)
    # bicubic: a linear fetch blurs, and every crisp detail would then stick out of its envelope
    fetched = F.grid_sample(image[None], places, "bicubic", padding_mode="border", align_corners=True)[0]
    returned = F.grid_sample(back.permute(2, 0, 1)[None], places, padding_mode="border", align_corners=True)[0]
    returned = returned.permute(1, 2, 0)
    # fetching rounds, so what stays is taken as it is: a frozen clip then scores exactly 0
    fetched = torch.where((there == 0).all(-1), image, fetched)
    gap = (there + returned).square().sum(-1)
    return fetched, inside, gap <= 0.01 * (there.square().sum(-1) + returned.square().sum(-1)) + 0.5


def _places(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Where the flow leads: whether inside the frame, and in `grid_sample`'s coordinates of -1..1."""
    height, width, _ = flow.shape
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    places = torch.stack((x * 2 / max(width - 1, 1) - 1, y * 2 / max(height - 1, 1) - 1), dim=-1)
    return inside, places[None]


def _flows(clip: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Optical flow `[height, width, 2]` of each pair of frames, forth and back: DIS (Kroeger et al. 2016)."""
    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    images = [_image(luma) for luma in _luma(clip)]
    for one, other in itertools.pairwise(images):
        yield _flow(engine, one, other, clip.shape[-2:]), _flow(engine, other, one, clip.shape[-2:])


def _flow(engine: "cv2.DISOpticalFlow", one: np.ndarray, other: np.ndarray, size: torch.Size) -> Tensor:
    flow = engine.calc(one, other, None)
    height, width = size
    scale = torch.tensor([width / flow.shape[1], height / flow.shape[0]])
    if flow.shape[:2] != (height, width):
        flow = cv2.resize(flow, (width, height), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(flow) * scale


def _image(luma: Tensor) -> np.ndarray:
    """A luma frame as bytes, at least 64 pixels a side."""
    height, width = luma.shape
    image: np.ndarray = luma.mul(255).round().clamp(0, 255).byte().numpy()
    if min(height, width) < FLOW_SIDE:
        size = (max(width, FLOW_SIDE), max(height, FLOW_SIDE))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC))
    return image


def _luma(clip: Tensor) -> Tensor:
    """`[frames, height, width]`: Rec. 709 for three channels, otherwise their mean."""
    channels = clip.shape[0]
    weights = clip.new_tensor(_LUMA if channels == 3 else [1 / channels] * channels)
    return (clip * weights[:, None, None, None]).sum(0)


def _unit(video: Tensor) -> Tensor:
    """-1..1 to 0..1, where OpenCV can reach it."""
    return video.detach().float().cpu().add(1.0).mul(0.5)
