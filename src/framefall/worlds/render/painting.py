"""Drawing: sprites over one another in linear light, and the finished patches of a picture."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from framefall.worlds.render.backdrop import paint_backdrop
from framefall.worlds.render.patches import Patches, put, take
from framefall.worlds.render.raster import (
    block_mean,
    coverage,
    encode_levels,
    penumbra,
    polygon_coverage,
    signed_distance,
)
from framefall.worlds.render.sprites import STRIPE_DARK, Grid, Sprite, View, fixtures
from framefall.worlds.scene import Scene


@dataclass(frozen=True)
class Stills:
    """What does not change in some clips with a still camera."""

    behind: Float[Tensor, "clips 3 rows columns"]  # linear light
    front: Float[Tensor, "clips 4 rows columns"] | None  # what front fixtures add, and the share they let through
    picture: UInt8[Tensor, "clips 3 height width"]

    @classmethod
    def of(cls, scenes: Sequence[Scene], view: View, device: torch.device) -> "Stills":
        """Of the scenes' backdrops and fixtures."""
        grids = [Grid(scene, np.zeros(1), view) for scene in scenes]
        rows, columns = grids[0].rows, grids[0].columns
        behind = torch.empty(len(scenes), 3, rows, columns, device=device)
        for clip, (scene, grid) in enumerate(zip(scenes, grids, strict=True)):
            paint_wall(scene, grid, behind[clip : clip + 1])
        back, front = (
            layers(
                [fixtures(scene, 1, grid, side) for scene, grid in zip(scenes, grids, strict=True)], 1, rows, columns
            )
            for side in (False, True)
        )
        for sprite in back:
            paint(behind, sprite)
        if not front:
            return cls(behind, None, to_bytes(behind, view.factor))
        pasted = torch.zeros(len(scenes), 4, rows, columns, device=device)
        pasted[:, 3] = 1.0
        for sprite in front:
            paint(pasted, sprite)
        return cls(behind, pasted, to_bytes(behind * pasted[:, 3:] + pasted[:, :3], view.factor))


def paint_wall(scene: Scene, grid: Grid, canvas: Float[Tensor, "frames 3 rows columns"]) -> None:
    """The backdrop, all over a canvas."""
    base, swing, texture = paint_backdrop(scene.backdrop, grid.across, grid.up)
    if texture is None:
        canvas.copy_(base.to(canvas.device).expand_as(canvas))
    else:
        torch.mul(swing.to(canvas.device), texture.to(canvas.device), out=canvas)
        canvas.add_(base.to(canvas.device))


def paint(canvas: Float[Tensor, "frames channels rows columns"], sprite: Sprite) -> None:
    """One sprite over what is there, in linear light; a fourth channel is the share that shows through."""
    patches = Patches(sprite.frame, sprite.box, canvas.shape[2], canvas.shape[3], 1, canvas.device)
    if len(canvas) == 1:
        (_, left, top), height, width = patches.places[0], patches.height, patches.width
        blend(canvas[:, :, top : top + height, left : left + width], sprite, patches)
    else:
        below = take(canvas, patches)
        blend(below, sprite, patches)
        put(canvas, patches, below)


def blend(below: Tensor, sprite: Sprite, patches: Patches) -> None:
    """The same on the sprite's patches `[n, channels, height, width]`, in place."""
    cover = sprite_coverage(sprite, patches)[:, None]
    colour = torch.from_numpy(sprite.colour.astype(np.float32)).to(below.device)[:, :, None, None]
    if sprite.role == "shadow":
        below.mul_(cover.mul_(-colour[:, :1]).add_(1.0))
        return
    below.mul_(1.0 - cover)
    if sprite.role == "body":
        cover.mul_(_brightness(sprite, patches)[:, None])
    below[:, :3].add_(cover * colour)


def sprite_coverage(sprite: Sprite, patches: Patches) -> Float[Tensor, "n height width"]:
    """How much of each pixel of its patches a sprite covers."""
    if sprite.kind == "polygon" and sprite.role != "shadow":
        return polygon_coverage(sprite.numbers, sprite.centre, patches)
    distance = signed_distance(sprite.kind, sprite.numbers, sprite.centre, patches)
    return penumbra(distance, sprite.blur) if sprite.role == "shadow" else coverage(distance)


def _brightness(sprite: Sprite, patches: Patches) -> Tensor:
    """The light that falls on a body, 1 in the middle, less on its stripe."""
    dx, dy = patches.offsets(sprite.centre)
    numbers = np.concatenate((sprite.slope, sprite.stripe), axis=1).astype(np.float32)
    sx, sy, nx, ny, half = torch.from_numpy(numbers).to(dx.device)[:, :, None, None].unbind(1)
    bright = (dx * sx + 1.0) + dy * sy
    if sprite.kind == "disc":
        stripe = coverage((dx * nx + dy * ny).abs_().sub_(half))
        bright.mul_(stripe.mul_(-STRIPE_DARK).add_(1.0))
    return bright.clamp_(0.0, 2.0)


def to_bytes(linear: Tensor, factor: int) -> UInt8[Tensor, "..."]:
    """The picture of fine linear light."""
    return block_mean(encode_levels(linear), factor).add_(0.5).to(torch.uint8)


def finish(picture: Tensor, values: Tensor, patches: Patches, stills: "Stills", frames: int) -> None:
    """Puts patches of the fine grid into the picture, under what stands in front."""
    if stills.front is not None:
        front = take(stills.front, patches, frames)
        values.mul_(front[:, 3:]).add_(front[:, :3])
    factor = stills.behind.shape[-1] // picture.shape[-1]
    put(picture, patches.shrunk(factor), to_bytes(values, factor))


def layers(clips: Sequence[Iterator[Sprite]], frames: int, rows: int, columns: int) -> list[Sprite]:
    """The sprites of several clips from behind; those at one depth and of one kind are joined."""
    joined: list[Sprite] = []
    for level in zip_longest(*clips):
        kinds: dict[tuple[str, str, int], list[Sprite]] = {}
        for clip, sprite in enumerate(level):
            seen = sprite and sprite.within(rows, columns)
            if seen:
                moved = replace(seen, frame=seen.frame + clip * frames) if clip else seen
                kinds.setdefault((seen.role, seen.kind, seen.numbers.shape[1]), []).append(moved)
        joined.extend(Sprite.joined(alike) for alike in kinds.values())
    return joined
