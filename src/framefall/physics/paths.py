"""The ways of the objects of one clip, frame by frame, each with the body of the scene that it stands for.

What the tracker could not hold together (an object that comes out from behind something with another colour is a new
one to it) is joined here by place and time, so that a changed object is changed, and not gone.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import linear_sum_assignment

from framefall.physics.truth import TrueBody, Truth
from framefall.tracking.trajectory import Tracks, Trajectory

GATE = 3.0  # diameters: what appears farther off is something else
ALIKE = 40.0  # a difference of colour that weighs as much as one diameter


@dataclass(frozen=True, eq=False)
class Path:
    """One object in all frames; NaN where it was not seen. Places as in `Truth`: the camera is taken out."""

    body: str  # which body of the scene it is; the empty word if none
    size: float  # diameter in pixels of the disc of its full area; NaN if it was never seen
    seen: Bool[np.ndarray, " frames"]
    whole: Bool[np.ndarray, " frames"]
    position: Float[np.ndarray, "frames 2"]
    area: Float[np.ndarray, " frames"]
    colour: Float[np.ndarray, "frames 3"]
    shape: Float[np.ndarray, "frames moments"]
    tracks: tuple[int, ...]  # of which trajectories it was joined


def find_paths(tracks: Tracks, truth: Truth | None) -> tuple[Path, ...]:
    """With a scene one path a body, in its order, and then what belongs to none; else one path a trajectory."""
    camera = camera_of(tracks, truth)
    if truth is None:
        return tuple(_path("", tracks, (index,), camera) for index in range(len(tracks.objects)))
    owned = _owners(tracks, truth, camera)
    bodies = [_path(body.name, tracks, tuple(owned[body.name]), camera) for body in truth.bodies]
    taken = {index for parts in owned.values() for index in parts}
    return (*bodies, *(_path("", tracks, (i,), camera) for i in range(len(tracks.objects)) if i not in taken))


def camera_of(tracks: Tracks, truth: Truth | None) -> Float[np.ndarray, "frames 2"]:
    """The view's way: as measured, else as the scene says, else none."""
    if len(tracks.camera) == tracks.frames:
        return tracks.camera
    if truth is not None and truth.frames >= tracks.frames:
        return truth.camera[: tracks.frames]
    return np.zeros((tracks.frames, 2))


def radius_of(path: Path, truth: Truth | None) -> tuple[float, float]:
    """The largest disc inside an object and the smallest one around it, in pixels."""
    body = next((body for body in truth.bodies if body.name == path.body), None) if truth is not None else None
    return (body.inside, body.reach) if body is not None else (0.39 * path.size, 0.63 * path.size)


def _owners(tracks: Tracks, truth: Truth, camera: np.ndarray) -> dict[str, list[int]]:
    """Which trajectories are which body's. A body's next part begins after its last one ended."""
    owned: dict[str, list[int]] = {body.name: [] for body in truth.bodies}
    order = sorted((i for i, one in enumerate(tracks.objects) if len(one.frames)), key=lambda i: _first(tracks, i))
    while order:
        start = _first(tracks, order[0])
        group = [index for index in order if _first(tracks, index) == start]
        order = order[len(group) :]
        free = [body for body in truth.bodies if all(tracks.objects[i].frames[-1] < start for i in owned[body.name])]
        if not free:
            continue
        costs = np.array([[_cost(tracks, index, body, owned[body.name], camera) for body in free] for index in group])
        for row, column in zip(*linear_sum_assignment(np.minimum(costs, 1e6)), strict=True):
            if costs[row, column] < GATE + 2.0:  # colour alone never keeps an object from its place
                owned[free[column].name].append(group[row])
    return owned


def _first(tracks: Tracks, index: int) -> int:
    return int(tracks.objects[index].frames[0])


def _cost(tracks: Tracks, index: int, body: TrueBody, parts: list[int], camera: np.ndarray) -> float:
    """How far, in diameters, a trajectory begins from where the body should or could be; infinite if too far."""
    one = tracks.objects[index]
    start = int(one.frames[0])
    here = one.position[0] + camera[start]
    away = [float(np.linalg.norm(here - body.position[min(start, len(body.position) - 1)]))]
    if parts:
        last = tracks.objects[parts[-1]]
        end, tail = int(last.frames[-1]), min(4, len(last.frames) - 1)
        place = last.position[-1] + camera[end]
        before = last.position[-1 - tail] + camera[last.frames[-1 - tail]]
        speed = (place - before) / max(1, end - int(last.frames[-1 - tail]))
        away += [float(np.linalg.norm(here - place)), float(np.linalg.norm(here - place - speed * (start - end)))]
    far = min(away) / (2 * body.radius)
    if far > GATE:
        return float("inf")
    return far + min(2.0, float(np.linalg.norm(np.median(one.colour[:3], axis=0) - body.colour)) / ALIKE)


def _path(body: str, tracks: Tracks, parts: tuple[int, ...], camera: np.ndarray) -> Path:
    frames = tracks.frames
    objects = [tracks.objects[index] for index in parts]
    moments = tracks.objects[0].shape.shape[1] if tracks.objects else 0
    seen, whole = np.zeros(frames, bool), np.zeros(frames, bool)
    place, area = np.full((frames, 2), np.nan), np.full(frames, np.nan)
    colour, shape = np.full((frames, 3), np.nan), np.full((frames, moments), np.nan)
    for one in objects:
        at = one.frames
        seen[at], whole[at] = True, one.whole
        place[at] = one.position + camera[at]
        area[at], colour[at], shape[at] = one.area, one.colour, one.shape
    return Path(body, _size(objects), seen, whole, place, area, colour, shape, parts)


def _size(objects: list[Trajectory]) -> float:
    """The diameter, of the first part that was seen whole."""
    return next((one.size for one in objects if one.whole.any()), objects[0].size if objects else float("nan"))
