"""The renderer: pictures of a state log at any moments, size and crop.

Everything is drawn on a fine grid of at least 256 pixels a picture height, in linear light with analytic anti-aliasing.
A smaller picture is the area mean of the encoded (sRGB) fine one, so that shrinking a large picture with
`framefall.video.resize(..., "area")` gives the small one but for rounding. While the camera stands still, only patches
around what moves are drawn.
"""

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from framefall.worlds.render import backdrop, raster, sprites
from framefall.worlds.render.painting import Stills, blend, finish, layers, paint, paint_wall, to_bytes
from framefall.worlds.render.patches import Patches, put, take
from framefall.worlds.render.sprites import Grid, Sprite, View, fixtures
from framefall.worlds.scene import COLOURS
from framefall.worlds.shapes import OUTLINES
from framefall.worlds.state import FrameTimes, StateLog

__all__ = ["RENDERER", "View", "render"]

VERSION = 1


def renderer_name() -> str:
    """The hash of all that a picture depends on besides its log: other constants, another name."""
    constants = {
        "version": VERSION,
        "sprites": [
            sprites.FINE,
            sprites.QUANTUM,
            sprites.SHADOW_OFFSET,
            sprites.PENUMBRA,
            sprites.STRIPE,
            sprites.STRIPE_DARK,
        ],
        "backdrop": [backdrop.WAVES, backdrop.CYCLES],
        "raster": [raster.LEVELS],
        "colours": COLOURS,
        "outlines": {name: np.round(corners, 9).tolist() for name, corners in OUTLINES.items()},
    }
    return hashlib.sha256(json.dumps(constants, sort_keys=True).encode()).hexdigest()[:16]


RENDERER = renderer_name()

# frames drawn at once with a still and with a moving camera: few enough for a core's cache, or many for a GPU
_AT_ONCE = {("cpu", False): 16, ("cpu", True): 4}

RenderedClips = UInt8[Tensor, "clips 3 frames height width"]


def render(
    logs: Sequence[StateLog],
    times: Sequence[FrameTimes],
    view: View,
    device: torch.device | str | None = None,
    shutter: float = 0.0,
    samples: int = 8,
) -> RenderedClips:
    """Each log at its own `times` in seconds, as sRGB bytes.

    With a `shutter` above 0 each frame is the mean of `samples` pictures spread evenly over that share of the
    time between two frames, around the frame's moment. The mean is taken of sRGB values, as area means are.
    """
    if len(logs) != len(times) or not logs or len({len(moments) for moments in times}) > 1 or not len(times[0]):
        raise ValueError(
            f"render needs as many arrays of times as logs, all equally long and not empty; got {len(logs)} logs "
            f"and times of {[len(moments) for moments in times]}"
        )
    times = [np.asarray(moments, dtype=np.float64) for moments in times]
    if not all(np.isfinite(moments).all() for moments in times):
        raise ValueError("times must be finite numbers of seconds; leave out the others")
    device = torch.device(device or "cpu")
    if shutter == 0.0:
        return _render(logs, times, view, device)
    if not (0 < shutter <= 1 and samples >= 1 and len(times[0]) > 1):
        raise ValueError(
            "motion blur needs a shutter of 0..1, at least 1 sample and 2 frames; "
            f"got {shutter}, {samples} and {len(times[0])}"
        )
    total = torch.zeros(len(logs), 3, len(times[0]), view.height, view.width, dtype=torch.int32, device=device)
    for share in (np.arange(samples) + 0.5) / samples - 0.5:
        moments = [clip + share * shutter * np.gradient(clip) for clip in times]
        total += _render(logs, moments, view, device)
    return total.add_(samples // 2).div_(samples, rounding_mode="floor").to(torch.uint8)


def _render(logs: Sequence[StateLog], times: Sequence[FrameTimes], view: View, device: torch.device) -> RenderedClips:
    clips, frames = len(logs), len(times[0])
    out = torch.empty(clips, 3, frames, view.height, view.width, dtype=torch.uint8, device=device)
    flat: list[int] = []
    for clip, log in enumerate(logs):
        if log.scene.engine == "mujoco":
            from framefall.worlds.render import solids

            out[clip] = torch.from_numpy(solids.render(log, times[clip], view))
        else:
            flat.append(clip)
    for moving in (False, True):
        at_once = _AT_ONCE.get((device.type, moving), 1024)
        kin = [clip for clip in flat if any(logs[clip].scene.camera.velocity) == moving]
        together = max(1, at_once // frames) if device.type != "cpu" else 1
        for first in range(0, len(kin), together):
            group = kin[first : first + together]
            stills = None if moving else Stills.of([logs[clip].scene for clip in group], view, device)
            for start in range(0, frames, at_once):
                span = slice(start, start + at_once)
                part = [times[clip][span] for clip in group]
                chosen = [logs[clip] for clip in group]
                if len(group) == 1:
                    draw_frames(chosen, part, view, stills, out[group[0], :, span].transpose(0, 1))
                else:
                    picture = out.new_empty(len(group), len(part[0]), 3, view.height, view.width)
                    draw_frames(chosen, part, view, stills, picture.flatten(0, 1))
                    out[group, :, span] = picture.transpose(1, 2)
    return out


def draw_frames(
    logs: Sequence[StateLog], times: Sequence[FrameTimes], view: View, stills: "Stills | None", picture: Tensor
) -> None:
    """Draws into `picture` of `[clips * frames, 3, height, width]` bytes."""
    grids = [Grid(log.scene, moments, view) for log, moments in zip(logs, times, strict=True)]
    frames, rows, columns = len(times[0]), grids[0].rows, grids[0].columns
    moving = layers([sprites.sprites(*each) for each in zip(logs, times, grids, strict=True)], frames, rows, columns)
    if stills is None:
        _draw_whole(logs, grids, moving, picture)
        return
    for clip, whole in enumerate(stills.picture):
        picture[clip * frames : (clip + 1) * frames] = whole
    alone, mixed = _dirty(moving, len(picture), rows, columns, view.factor, picture.device)
    for patches, own in alone:
        values = take(stills.behind, patches, frames)
        for sprite in own:
            blend(values, sprite, patches)
        finish(picture, values, patches, stills, frames)
    if not mixed:
        return
    canvas = torch.empty(len(picture), 3, rows, columns, device=picture.device)
    for patches, _ in mixed:
        put(canvas, patches, take(stills.behind, patches, frames))
    near = {id(sprite) for _, own in mixed for sprite in own}
    for sprite in moving:
        if id(sprite) in near:
            paint(canvas, sprite)
    for patches, _ in mixed:
        finish(picture, take(canvas, patches), patches, stills, frames)


def _draw_whole(logs: Sequence[StateLog], grids: list[Grid], moving: list[Sprite], picture: Tensor) -> None:
    """Every pixel, for a camera that moves."""
    frames, rows, columns = len(picture) // len(grids), grids[0].rows, grids[0].columns
    canvas = torch.empty(len(picture), 3, rows, columns, device=picture.device)
    for clip, (log, grid) in enumerate(zip(logs, grids, strict=True)):
        paint_wall(log.scene, grid, canvas[clip * frames : (clip + 1) * frames])
    behind, front = (
        layers(
            [fixtures(log.scene, frames, grid, side) for log, grid in zip(logs, grids, strict=True)],
            frames,
            rows,
            columns,
        )
        for side in (False, True)
    )
    for sprite in (*behind, *moving, *front):
        paint(canvas, sprite)
    picture.copy_(to_bytes(canvas, grids[0].factor))


_Dirty = list[tuple[Patches, list[Sprite]]]


def _dirty(
    moving: list[Sprite], frames: int, rows: int, columns: int, factor: int, device: torch.device
) -> tuple[_Dirty, _Dirty]:
    """For each thing the patches around it and its shadow, on the grid of the small picture, and its sprites.

    First the things whose patches meet those of no other, then the rest.
    """
    boxes: dict[int, np.ndarray] = {}
    own: dict[int, list[Sprite]] = {}
    for sprite in moving:
        box = boxes.setdefault(sprite.thing, np.tile([np.inf, np.inf, -np.inf, -np.inf], (frames, 1)))
        box[sprite.frame, :2] = np.minimum(box[sprite.frame, :2], sprite.box[:, :2])
        box[sprite.frame, 2:] = np.maximum(box[sprite.frame, 2:], sprite.box[:, 2:])
        own.setdefault(sprite.thing, []).append(sprite)
    found: dict[int, Patches] = {}
    covered = np.tile([np.inf, np.inf, -np.inf, -np.inf], (len(boxes), frames, 1))
    for index, (thing, box) in enumerate(boxes.items()):
        frame = np.flatnonzero(np.isfinite(box[:, 0]))
        found[thing] = Patches(frame, box[frame], rows, columns, factor, device)
        covered[index, frame, :2] = found[thing].corner
        covered[index, frame, 2:] = found[thing].corner + np.array([found[thing].width, found[thing].height])
    low, high = np.maximum(covered[:, None, :, :2], covered[None, :, :, :2]), covered[:, None, :, 2:]
    meet = (low < np.minimum(high, covered[None, :, :, 2:])).all(axis=-1).any(axis=-1).sum(axis=1) > 1
    alone: _Dirty = []
    mixed: _Dirty = []
    for (thing, patches), near in zip(found.items(), meet, strict=True):
        whole = all(len(sprite.frame) == len(patches.places) for sprite in own[thing])
        (alone if whole and not near else mixed).append((patches, own[thing]))
    return alone, mixed
