"""Every path cut into arcs, with the changepoints between them, and the frames in which nothing touches it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

from framefall.physics.arcs import Arc, fit, noise_of, segment
from framefall.physics.changepoints import STILL, SURE, Changepoint, classified
from framefall.physics.paths import Path
from framefall.physics.truth import Truth

NEAR = 0.06  # diameters, and half a pixel more: closer than this to a solid is touching it
RECENT = 10  # frames on either side of a contact that tell its velocities


@dataclass(frozen=True, eq=False)
class SegmentedPath:
    """A path with its arcs and changepoints."""

    path: Path
    noise: float
    arcs: tuple[Arc, ...]
    changepoints: tuple[Changepoint, ...]
    free: Bool[np.ndarray, " frames"]  # seen whole, and touching no solid

    def spans(self, least: int) -> list[Int[np.ndarray, " _"]]:
        """Runs of frames, seen whole and free, between explained changepoints; gaps in a run do not end it."""
        frames = np.flatnonzero(self.free)
        touched = np.flatnonzero(self.path.whole & ~self.free)
        ends = {changepoint.frames[0] for changepoint in self.changepoints if changepoint.explained}
        runs: list[list[int]] = [[]]
        for frame in frames.tolist():
            last = runs[-1][-1] if runs[-1] else frame
            if any(last <= end < frame for end in ends) or ((touched > last) & (touched < frame)).any():
                runs.append([])
            runs[-1].append(frame)
        return [np.array(run) for run in runs if len(run) >= least]

    def is_doubtful(self, span: Int[np.ndarray, " n"]) -> bool:
        """Whether a span bends where too few frames tell how: it may be a contact that nobody saw."""
        inside = [
            changepoint
            for changepoint in self.changepoints
            if span[0] <= changepoint.frames[0] and changepoint.frames[1] <= span[-1]
        ]
        short = any(len(arc.frames) < 3 for arc in self.arcs if np.isin(arc.frames, span).all())
        return short or any(not changepoint.explained and not all(changepoint.sure) for changepoint in inside)


def segment_paths(paths: Sequence[Path], fps: float, truth: Truth | None) -> tuple[SegmentedPath, ...]:
    """Every path's arcs and changepoints, in the order of the paths."""
    noises = [noise_of(path.position, path.whole, path.size) for path in paths]
    pairs = list(zip(paths, noises, strict=True))
    pull = np.array([0.0, truth.gravity]) if truth is not None else None
    if pull is None:  # what most of a clip does by itself
        pull = _usual([tuple(segment(path.position, path.whole, fps, noise)) for path, noise in pairs])
    arcs = [tuple(segment(path.position, path.whole, fps, noise, pull)) for path, noise in pairs]
    motions = []
    for index, path in enumerate(paths):
        changepoints = _joints(index, paths, arcs, pull, fps, truth)
        free = path.whole & ~_touching(path, truth)
        motions.append(SegmentedPath(path, noises[index], arcs[index], tuple(changepoints), free))
    return tuple(motions)


def _usual(arcs: Sequence[Sequence[Arc]]) -> Float[np.ndarray, "2"] | None:
    """The acceleration of most of a clip's longer arcs."""
    found = [arc.acceleration for own in arcs for arc in own if len(arc.frames) >= 6]
    return np.median(found, axis=0) if found else None


def _touching(path: Path, truth: Truth | None) -> Bool[np.ndarray, " frames"]:
    """The frames in which an object touches a solid."""
    touching = np.zeros(len(path.seen), bool)
    if truth is None or not path.seen.any():
        return touching
    body = next((body for body in truth.bodies if body.name == path.body), None)
    for solid in truth.solids:
        gap, out = solid.signed_distance(path.position[path.seen])
        extent = path.size / 2 if body is None else body.extent(-out)
        touching[path.seen] |= gap < extent + NEAR * path.size + 0.5
    return touching


def _joints(
    index: int,
    paths: Sequence[Path],
    arcs: Sequence[tuple[Arc, ...]],
    pull: np.ndarray | None,
    fps: float,
    truth: Truth | None,
) -> list[Changepoint]:
    path = paths[index]
    least = 3 if truth is not None else 4  # one more where the acceleration is a guess
    kept = [arc for arc in arcs[index] if len(arc.frames) >= (2 if pull is not None else 3)]
    changepoints = []
    for one, two in pairwise(kept):
        left, right = _side(path, one, pull, fps, last=True), _side(path, two, pull, fps, last=False)
        ends = one.frames[-1] / fps, two.frames[0] / fps
        time = _meeting(left, right, ends, 0.5 / fps)
        before, after = left.velocity(time), right.velocity(time)
        spread = sum(np.sqrt(12 / len(side.frames) ** 3) for side in (left, right)) * max(one.noise, 0.02) * fps
        bare = Changepoint(
            index,
            time,
            (left.at(time) + right.at(time)) / 2,
            before,
            after,
            (int(one.frames[-1]), int(two.frames[0])),
            "",
            noise=float(spread),
            sure=(_sure(path, left, fps, least), _sure(path, right, fps, least)),
        )
        gap = float(np.linalg.norm(left.at(time) - right.at(time)))
        changepoints.append(classified(bare, gap, one, paths, arcs, fps, truth))
    return changepoints


def _side(path: Path, arc: Arc, pull: np.ndarray | None, fps: float, last: bool) -> Arc:
    """The part of an arc near its end, less the frame at the contact if there are enough others."""
    frames = arc.frames
    if len(frames) >= 5:
        frames = frames[-RECENT - 1 : -1] if last else frames[1 : RECENT + 1]
    given = pull
    if len(arc.frames) >= 5 and pull is not None:
        # another acceleration than the usual one, for sure: a slope, or a broken law
        doubt = SURE * arc.noise * np.sqrt(720 / len(arc.frames) ** 5) * fps**2
        given = (
            arc.acceleration if np.linalg.norm(arc.acceleration - pull) > doubt + 0.1 * np.linalg.norm(pull) else pull
        )
    return fit(path.position, frames, fps, arc.noise, given)


def _sure(path: Path, side: Arc, fps: float, least: int) -> bool:
    """Whether a side tells a velocity: it moves, and there are frames enough to see that its arc fits."""
    if len(side.frames) < least or np.ptp(path.position[side.frames], axis=0).max() < STILL * path.size:
        return len(side.frames) >= 6  # at rest for long: sure, too
    off = [np.linalg.norm(side.at(frame / fps) - path.position[frame]) for frame in side.frames.tolist()]
    return bool(max(off) < max(SURE * side.noise, 0.01 * path.size))


def _meeting(left: Arc, right: Arc, ends: tuple[float, float], slack: float) -> float:
    """When two arcs are nearest to each other, about the time between them."""
    time = (ends[0] + ends[1]) / 2
    for _ in range(3):
        apart, rate = left.at(time) - right.at(time), left.velocity(time) - right.velocity(time)
        if float(rate @ rate) < 1e-12:
            break
        time = float(np.clip(time - apart @ rate / (rate @ rate), ends[0] - slack, ends[1] + slack))
    return time
