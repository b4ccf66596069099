"""Flat shapes as signed distances, their coverage of pixels, and light: the arithmetic of the renderer.

A shape is evaluated on patches of one size, in pixels of the fine grid, relative to its own centre. Each step is a
single addition, multiplication, root or comparison, which every machine rounds alike: a pixel has the same
bits in whatever patch, crop or batch it is asked for.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from framefall.worlds.render.patches import Patches

LEVELS = 32768  # steps of the encoding table for linear light 0..1
_BRIGHTEST = 2.0  # what shading can make of white

SignedDistance = Float[Tensor, "n height width"]  # pixels; negative inside


def decode(srgb: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Linear light 0..1 of sRGB values 0..1 (IEC 61966-2-1)."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((np.maximum(srgb, 0.04045) + 0.055) / 1.055) ** 2.4)


def encode(linear: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The sRGB values 0..1 of linear light 0..1."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)


def encoding_table(device: torch.device) -> Float[Tensor, " levels"]:
    """The sRGB level 0..255 of each step of linear light, in whole 256ths, so that sums of them are exact."""
    if device not in _TABLES:
        linear = (np.arange(int(_BRIGHTEST * LEVELS) + 2) + 0.5) / LEVELS
        levels = np.round(256 * 255 * encode(np.minimum(linear, 1.0))) / 256
        _TABLES[device] = torch.from_numpy(levels.astype(np.float32)).to(device)
    return _TABLES[device]


_TABLES: dict[torch.device, Tensor] = {}


def encode_levels(linear: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The sRGB levels 0..255 (floats) of linear light 0..2; what is above 1 is white."""
    steps = (linear * LEVELS).to(torch.int32)
    return encoding_table(linear.device).index_select(0, steps.view(-1)).view(linear.shape)


def block_mean(fine: Float[Tensor, "*lead height width"], factor: int) -> Tensor:
    """The mean of each block of `factor` x `factor` pixels, summed in one fixed order."""
    if factor == 1:
        return fine
    *lead, height, width = fine.shape
    rows = fine.reshape(*lead, height // factor, factor, width)
    total = rows[..., 0, :] + rows[..., 1, :]
    for row in range(2, factor):
        total += rows[..., row, :]
    columns = total.view(*lead, height // factor, width // factor, factor)
    mean = columns[..., 0] + columns[..., 1]
    for column in range(2, factor):
        mean += columns[..., column]
    return mean.mul_(1.0 / factor**2)


def coverage(distance: SignedDistance) -> SignedDistance:
    """How much of each pixel a shape covers: a linear ramp of the distance, one pixel wide. In place."""
    return distance.neg_().add_(0.5).clamp_(0.0, 1.0)


def penumbra(distance: SignedDistance, width: float) -> SignedDistance:
    """The share of a soft light that a shape hides: a smoothstep of the distance, `width` pixels wide. In place."""
    share = distance.mul_(-1.0 / width).add_(0.5).clamp_(0.0, 1.0)
    return (share * share).mul_(share.mul_(-2.0).add_(3.0))


def _disc(dx: Tensor, dy: Tensor, numbers: Tensor) -> Tensor:
    """Around the centre; numbers are the radius."""
    return (dx * dx + dy * dy).sqrt_().sub_(numbers[:, 0])


def _polygon(dx: Tensor, dy: Tensor, numbers: Tensor) -> Tensor:
    """Convex, by (normal x, normal y, distance) of each side; beyond a corner the distance is that of a side."""
    farthest: Tensor | None = None
    for side in range(numbers.shape[1] // 3):
        nx, ny, offset = (numbers[:, 3 * side + column] for column in range(3))
        distance = dx * nx + (dy * ny - offset)
        farthest = distance if farthest is None else torch.maximum(farthest, distance, out=farthest)
    assert farthest is not None
    return farthest


def _capsule(dx: Tensor, dy: Tensor, numbers: Tensor) -> Tensor:
    """A line with round ends; numbers are start x, y, direction x, y, length and half the width."""
    x, y, ux, uy, length, thickness = (numbers[:, column] for column in range(6))
    dx, dy = dx - x, dy - y
    along = (dx * ux + dy * uy).clamp_(min=0.0)
    along = torch.minimum(along, length, out=along)
    across, up = dx - along * ux, dy - along * uy
    return across.mul_(across).add_(up.mul_(up)).sqrt_().sub_(thickness)


def _rounded(dx: Tensor, dy: Tensor, numbers: Tensor) -> Tensor:
    """A convex polygon made larger all round: for each side its 3 numbers as a polygon and its 6 as a capsule."""
    sides = numbers.unflatten(1, (-1, 9))
    inside = _polygon(dx, dy, sides[:, :, :3].flatten(1, 2))
    thickness = sides[:, 0, 8]
    rim = _capsule(dx, dy, sides[:, 0, 3:])
    for side in range(1, sides.shape[1]):
        torch.minimum(rim, _capsule(dx, dy, sides[:, side, 3:]), out=rim)
    return torch.where(inside < 0, torch.minimum(inside - thickness, rim), rim)


# the signed distance of each kind of shape, from offsets `[n, 1, width]` and `[n, height, 1]`,
# and numbers `[n, count, 1, 1]`
DISTANCES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "disc": _disc,
    "polygon": _polygon,
    "capsule": _capsule,
    "rounded": _rounded,
}


def signed_distance(
    kind: str, numbers: Float[np.ndarray, "n count"], centre: Float[np.ndarray, "n 2"], patches: Patches
) -> SignedDistance:
    """The distance of each pixel's middle from a shape's rim, exact inside and near the rim's sides."""
    dx, dy = patches.offsets(centre)
    table = torch.from_numpy(numbers.astype(np.float32)).to(dx.device)
    return DISTANCES[kind](dx, dy, table[:, :, None, None])


def polygon_coverage(
    numbers: Float[np.ndarray, "n count"], centre: Float[np.ndarray, "n 2"], patches: Patches
) -> SignedDistance:
    """How much of each pixel a convex polygon covers: the product of its sides' ramps.

    A pixel at a corner is therefore not taken for one at a side, which would make a small box 1% larger.
    """
    dx, dy = patches.offsets(centre)
    table = torch.from_numpy(numbers.astype(np.float32)).to(dx.device)[:, :, None, None]
    nx, ny, offset = table[:, 0::3], table[:, 1::3], table[:, 2::3]
    cover = _side(dx, dy, nx[:, 0], ny[:, 0], offset[:, 0])
    for side in range(1, nx.shape[1]):
        cover.mul_(_side(dx, dy, nx[:, side], ny[:, side], offset[:, side]))
    return cover


def _side(dx: Tensor, dy: Tensor, nx: Tensor, ny: Tensor, offset: Tensor) -> Tensor:
    """What lies on the inner side of a line."""
    return coverage(dx * nx + (dy * ny - offset))


def polygon_numbers(corners: Float[np.ndarray, "*n corners 2"]) -> Float[np.ndarray, "*n count"]:
    """The sides of a convex polygon (corners clockwise on the screen, where y is downwards) for `polygon`."""
    sides = np.roll(corners, -1, axis=-2) - corners
    normals = np.stack((sides[..., 1], -sides[..., 0]), axis=-1) / np.linalg.norm(sides, axis=-1, keepdims=True)
    normals = normals * np.sign(_turn(corners))[..., None, None]
    offsets = (normals * corners).sum(axis=-1, keepdims=True)
    table = np.concatenate((normals, offsets), axis=-1)
    return table.reshape(*table.shape[:-2], -1)


def _turn(corners: np.ndarray) -> np.ndarray:
    """Twice the signed area: above 0 for corners that run clockwise on the screen."""
    after = np.roll(corners, -1, axis=-2)
    return np.asarray((corners[..., 0] * after[..., 1] - corners[..., 1] * after[..., 0]).sum(axis=-1))


def capsule_numbers(
    start: Float[np.ndarray, "n 2"], end: Float[np.ndarray, "n 2"], thickness: float
) -> Float[np.ndarray, "n 6"]:
    """A thick line for `capsule`."""
    length = np.linalg.norm(end - start, axis=1, keepdims=True)
    direction = (end - start) / np.maximum(length, 1e-9)
    return np.concatenate((start, direction, length, np.full_like(length, thickness)), axis=1)


def rounded_numbers(corners: Float[np.ndarray, "corners 2"], thickness: float) -> Float[np.ndarray, "1 count"]:
    """A convex polygon made larger all round for `rounded`."""
    sides = polygon_numbers(corners).reshape(-1, 3)
    lines = capsule_numbers(corners, np.roll(corners, -1, axis=0), thickness)
    return np.concatenate((sides, lines), axis=1).reshape(1, -1)
