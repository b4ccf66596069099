"""The wall behind everything, in linear light: a vertical gradient with a smooth texture, both of world position.

The texture is a sum of a few sine waves. Each is split by the addition theorem, so that a picture of it is a matrix
product of values by row and values by column; these are whole 2,048ths, which makes the product exact.
"""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from framefall.noise import Key
from framefall.worlds.render.raster import decode
from framefall.worlds.scene import Backdrop

WAVES = 4
CYCLES = (0.8, 3.2)  # per picture height, from the longest wave to the shortest
_STEPS = 2048.0
_PEAK = (2 * WAVES) ** 0.5  # of waves whose sum has the standard deviation 1


def paint_backdrop(
    backdrop: Backdrop, across: Float[np.ndarray, "frames width"], up: Float[np.ndarray, "frames height"]
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Its picture is `base + swing * texture`: `[frames, 3, height, 1]` twice, and `[frames, 1, height, width]`.

    `across` and `up` are the world positions of columns and rows in heights; a plain wall has no texture (None).
    """
    share = np.clip(up, 0.0, 1.0)[:, None, :]
    bottom, top = (np.asarray(colour)[None, :, None] for colour in (backdrop.bottom, backdrop.top))
    encoded = bottom + (top - bottom) * share
    linear, slope = decode(encoded), _slope(encoded)
    # less of it where it would leave the range of colours
    room = np.minimum(linear, 1.0 - linear) / (_PEAK * slope)
    swing = np.clip(np.minimum(backdrop.texture, room), 0.0, None) * slope
    base, swing = (torch.from_numpy(rows.astype(np.float32)[..., None]) for rows in (linear, 2 * swing))
    return base, swing, _texture(backdrop.seed, across, up) if backdrop.texture > 0 else None


def _texture(seed: int, across: np.ndarray, up: np.ndarray) -> Tensor:
    """Half the texture of standard deviation 1, `[frames, 1, height, width]`."""
    turns, phases = _waves(seed)
    x = across[..., None] * turns[:, 0]
    y = up[..., None] * turns[:, 1] + phases
    rows = np.concatenate((np.sin(y), np.cos(y)), axis=-1) * (2 / WAVES) ** 0.5 / 2
    columns = np.concatenate((np.cos(x), np.sin(x)), axis=-1)
    left, right = (torch.from_numpy((np.round(part * _STEPS) / _STEPS).astype(np.float32)) for part in (rows, columns))
    return (left @ right.transpose(1, 2))[:, None]


@lru_cache(maxsize=1024)
def _waves(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Wave vectors in radians a height, and phases."""
    key = Key(seed, "backdrop")
    index = range(WAVES)
    length = (
        2 * np.pi * np.array([CYCLES[0] * (CYCLES[1] / CYCLES[0]) ** ((i + key.uniform(i, 0)) / WAVES) for i in index])
    )
    angle = np.array([np.pi * (i * 0.618 + 0.3 * key.uniform(i, 1)) for i in index])
    phases = np.array([2 * np.pi * key.uniform(i, 2) for i in index])
    return length[:, None] * np.stack((np.cos(angle), np.sin(angle)), axis=1), phases


def _slope(srgb: np.ndarray) -> np.ndarray:
    """The derivative of linear light by the sRGB value."""
    return np.where(srgb <= 0.04045, 1 / 12.92, 2.4 / 1.055 * ((np.maximum(srgb, 0.04045) + 0.055) / 1.055) ** 1.4)
