"""What a caption says, read back from the tracks, word by word (the law P13). No language model is asked."""

import math
from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from framefall.physics.evidence import NOTHING, Evidence, Finding
from framefall.physics.outcome import outcome
from framefall.physics.paths import Path
from framefall.physics.segmented_paths import SegmentedPath
from framefall.physics.truth import MOMENTS
from framefall.tracking.colours import lab
from framefall.worlds.captions.bins import BINS, Factor
from framefall.worlds.scene import BODY_COLOURS, COLOURS, SCENERY_COLOURS, Thing
from framefall.worlds.shapes import OUTLINES

Reference = Mapping[str, Float[np.ndarray, " moments"]]  # each shape's moments, as the tracker tells them

MOVES = 0.05  # diameters: what goes less far has no direction
_FOUR_WAYS = ("uniform", "billiards")  # scenarios in which something may be said to go up
_PALETTE = {name: np.array(lab(np.array(COLOURS[name]))) for name in BODY_COLOURS}
_SCENERY = {name: np.array(lab(np.array(COLOURS[name]))) for name in SCENERY_COLOURS}
_TURNED = {shape: "box" if shape == "diamond" else shape for shape in OUTLINES}
_WAYS = {"right": (1.0, 0.0), "up": (0.0, -1.0), "left": (-1.0, 0.0), "down": (0.0, 1.0)}


def adherence(evidence: Evidence, shapes: Reference = MOMENTS) -> Finding:
    """The share of a caption's attributes that the clip shows, each right or wrong as a whole; the wrong ones named."""
    found = attribute_checks(evidence, shapes)
    if not found:
        return NOTHING, "there is no caption to hold the clip against"
    wrong = [word for word, right in found.items() if not right]
    return 1 - len(wrong) / len(found), f"wrong {', '.join(wrong)}" if wrong else ""


def attribute_checks(evidence: Evidence, shapes: Reference = MOMENTS) -> dict[str, bool]:
    """For each attribute that a caption states, whether the clip shows it; a missing thing has every one wrong.

    `shapes` are the moments of each shape as the tracker measures them; other moments than these are not judged.
    """
    said = evidence.attributes
    if said is None:
        return {}
    paths = [path for path in evidence.paths if path.seen.sum() > 1 and path.whole.any()]
    pairs = _matched(said.things, paths)
    answer = {"count": len(paths) == len(said.things)}
    checks: dict[str, Callable[[Thing, Path], bool]] = {
        "colour": lambda thing, path: colour_of(path) == thing.colour,
        "size": lambda thing, path: size_of(path, evidence.tracks.height, evidence.version) == thing.size,
    }
    known = {len(moments) for moments in shapes.values()}
    if all(thing.shape in shapes for thing in said.things) and {path.shape.shape[1] for path in paths} <= known:
        checks["shape"] = lambda thing, path: _TURNED.get(shape_of(path, shapes)) == _TURNED[thing.shape]
    for word, check in checks.items():
        answer[word] = all(path is not None and check(thing, path) for thing, path in pairs)
    first = pairs[0][1] if pairs else None
    if said.direction in _WAYS and said.scenario not in ("light", "stack"):
        answer["direction"] = (
            first is not None and direction_of(evidence, first, said.scenario in _FOUR_WAYS) == said.direction
        )
    if said.speed:
        answer["speed"] = first is not None and speed_of(evidence, first) == said.speed
    if said.outcome in ("stands", "topples"):
        answer["outcome"] = outcome(evidence)[0] == 0
    if said.occluder in _SCENERY and evidence.tracks.screens is not None:
        answer["screen"] = said.occluder in [_nearest_of(_SCENERY, colour) for colour in evidence.tracks.screens]
    return answer


def colour_of(path: Path) -> str:
    """The name of the nearest of the bodies' colours."""
    return _nearest_of(_PALETTE, np.median(path.colour[path.whole], axis=0))


def _nearest_of(palette: Mapping[str, np.ndarray], colour: Float[np.ndarray, "3"]) -> str:
    # shading makes a thing lighter or darker, and never of another hue
    weights = np.array([0.5, 1.0, 1.0])
    return min(palette, key=lambda name: float(np.linalg.norm(weights * (palette[name] - colour))))


def size_of(path: Path, height: int, version: int = 1) -> str:
    """The word whose sizes are nearest, in a version of the worlds."""
    return _nearest("size", path.size / 2 / height, version)


def shape_of(path: Path, shapes: Reference) -> str:
    """The shape whose moments are nearest; moments do not tell a diamond from a box, which is one that is turned."""
    middle = np.median(path.shape[path.whole], axis=0)
    return min(shapes, key=lambda name: float(np.linalg.norm(shapes[name] - middle)))


def direction_of(evidence: Evidence, path: Path, upright: bool) -> str:
    """Where a path goes first: right or left, if `upright` also up or down; the empty word if it stays."""
    for arc in _motion(evidence, path).arcs:
        way = path.position[arc.frames[-1]] - path.position[arc.frames[0]]
        if np.linalg.norm(way) > MOVES * path.size:
            return max(_WAYS if upright else ("right", "left"), key=lambda word: float(way @ np.array(_WAYS[word])))
    return ""


def speed_of(evidence: Evidence, path: Path) -> str:
    """The word for the speed at first sight."""
    arc = next((arc for arc in _motion(evidence, path).arcs if len(arc.frames) >= 2), None)
    if arc is None:
        return ""
    speed = float(np.linalg.norm(arc.velocity(float(arc.frames[0]) / evidence.fps)))
    return _nearest("speed", speed / evidence.tracks.height)


def _motion(evidence: Evidence, path: Path) -> SegmentedPath:
    return next(motion for motion in evidence.motions if motion.path is path)


def _nearest(factor: Factor, value: float, version: int = 1) -> str:
    """The word with the interval nearest to a value, by its logarithm."""

    def away(interval: tuple[float, float]) -> float:
        return max(math.log(interval[0] / max(value, 1e-9)), math.log(max(value, 1e-9) / interval[1]), 0.0)

    words = [(away(interval), word) for region in BINS[version][factor].values() for word, interval in region.items()]
    return min(words)[1]


def _matched(things: tuple[Thing, ...], paths: list[Path]) -> list[tuple[Thing, Path | None]]:
    """Each thing with the path most like it; paths of bodies already stand in the scene's order."""
    bodies = [path for path in paths if path.body]
    if len(bodies) == len(things):
        return list(zip(things, bodies, strict=True))
    if not paths:
        return [(thing, None) for thing in things]
    costs = np.array(
        [
            [
                float(np.linalg.norm(np.median(path.colour[path.whole], axis=0) - _PALETTE.get(thing.colour, 0)))
                for path in paths
            ]
            for thing in things
        ]
    )
    rows, columns = linear_sum_assignment(costs)
    chosen = dict(zip(rows.tolist(), columns.tolist(), strict=True))
    return [(thing, paths[chosen[row]] if row in chosen else None) for row, thing in enumerate(things)]
