"""What moves at the end of a video, drawn where it would be later if nothing stopped it: a hint, not a forecast.

A small network reads speed badly, and drawing a thing thirty pixels from where it was seen takes it many layers. Dense
motion says both well for a thing that flies freely; what a blow or the ground does to it is for the network to say.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from framefall.layers.motion import bidirectional_flow, warp
from framefall.video import Video

Layer = Float[Tensor, "batch shown steps height width"]
Vectors = Float[Tensor, "batch 2 1 height width"]

PAIRS = 3  # of frames, at most, that velocity and its change are read from
_MOVES = 0.25  # pixels a frame below which a pixel stands still
_REACH = 4  # pixels around one whose motion is averaged: most of a small thing, and little of the next
_BEHIND = 12  # pixels around one whose mean is what lies behind it
_CONTRAST = 0.3  # of values in -1..1: what differs from what lies behind it by less is shown in part


def coasted(video: Video, steps: Sequence[float]) -> Layer:
    """What moved towards the last frame, `steps` frames after it, and the share of each pixel that it covers, 0..1.

    x(s) = x(0) + v s + a s^2 / 2 for each moving pixel, v and a by least squares over the last `PAIRS` steps of motion,
    each the mean of the moving pixels around. Its colour goes with it, times its share, so that nothing is zeros.
    """
    _, back = bidirectional_flow(video[:, :, -PAIRS - 1 :])
    place = torch.zeros_like(back[:, :, :1])
    passed: list[Vectors] = []
    for pair in reversed(range(back.shape[2])):
        place = place + warp(back[:, :, [pair]], place)
        passed.append(place)
    last = video[:, :, -1:]
    moving = (passed[0].square().sum(1, keepdim=True) > _MOVES**2).to(video.dtype)
    behind = _around(last, 1.0 - moving, _BEHIND)
    moving = moving * ((last - behind).abs().amax(1, keepdim=True) / _CONTRAST).clamp(max=1.0)
    velocity, change = _fitted([_around(one, moving, _REACH) for one in passed])
    image = torch.cat((last, torch.ones_like(moving)), dim=1) * moving
    return torch.cat([_splat(image, velocity * step + change * (step**2 / 2)) for step in steps], dim=2)


def _around(field: Layer, weights: Layer, reach: int) -> Layer:
    """The weighted mean of a field over the pixels near each."""
    both = torch.cat((field * weights, weights), dim=1)[:, :, 0]
    mean = F.avg_pool2d(both, 2 * reach + 1, 1, reach)
    return (mean[:, :-1] / mean[:, -1:].clamp_min(1e-6))[:, :, None]


def _fitted(passed: Sequence[Vectors]) -> tuple[Vectors, Vectors]:
    """V and a of x(-j) = -v j + a j^2 / 2, which is where a thing was j frames ago."""
    if len(passed) == 1:
        return -passed[0], torch.zeros_like(passed[0])
    ago = torch.arange(1, len(passed) + 1, dtype=torch.float64)
    solved = torch.linalg.pinv(torch.stack((-ago, ago.square() / 2), dim=1)).to(passed[0])
    velocity, change = (sum(share * one for share, one in zip(row, passed, strict=True)) for row in solved)
    assert isinstance(velocity, Tensor) and isinstance(change, Tensor)
    return velocity, change


def _splat(image: Layer, move: Vectors) -> Layer:
    """Each pixel of an image put where `move` takes it, shared out between the four that it falls on."""
    batch, channels, _, height, width = image.shape
    right = torch.arange(width, device=image.device) + move[:, 0, 0]
    down = torch.arange(height, device=image.device)[:, None] + move[:, 1, 0]
    left, top = right.floor(), down.floor()
    made = image.new_zeros(batch, channels, height * width)
    for x, across in ((left, 1 - (right - left)), (left + 1, right - left)):
        for y, along in ((top, 1 - (down - top)), (top + 1, down - top)):
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            share = torch.where(inside, across * along, 0.0)[:, None]
            to = (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).long().flatten(1)
            made.scatter_add_(2, to[:, None].expand(-1, channels, -1), (image[:, :, 0] * share).flatten(2))
    covered = made[:, -1:].clamp_min(1.0)  # where two fall on one pixel it is covered once
    return (made / covered).unflatten(2, (height, width))[:, :, None]
