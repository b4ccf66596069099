"""How objects look, and how calmly they go: identity drift (T7), roughness (T4), lighting (the law P11).

Placebos (a new render, noise, gamma, JPEG 85) change colour, size and shape a little: what stays within the bands
below is the same object, and counts 0.
"""

import numpy as np
from jaxtyping import Int

from framefall.physics.evidence import NOTHING, Evidence, Finding
from framefall.physics.paths import Path
from framefall.tracking.colours import lab
from framefall.worlds.scene import rgb

COLOUR = 12.0  # dE 1976 in Lab; gamma 1.1 moves our colours by up to 6, JPEG 85 at 64 pixels by up to 10
AREA = 0.18  # of the logarithm of the area
SHAPE = 0.008  # of the moments' distance; that of a disc and a square is 0.018
FIRST = 3  # frames that say what an object looks like
MOST = 10.0  # what has changed more is no more another one
EDGE = 0.7  # power of the size in pixels with which bands widen for small objects
PIXELS = 12.0  # diameter from which on they are as above


def identity(evidence: Evidence) -> Finding:
    """The 95th percentile of an object's change of colour, area or shape since its first frames, beyond the bands.

    In bands: 0 is the same object, 1 is twice the band. The worst object of a clip.
    """
    changes = []
    for path in evidence.paths:
        frames = np.flatnonzero(path.whole)
        if len(frames) > FIRST:
            changes.append(change(path, frames[:FIRST], frames[FIRST:]))
    return (max(changes), "") if changes else (NOTHING, "no object is seen whole for four frames")


def change(path: Path, first: Int[np.ndarray, " n"], later: Int[np.ndarray, " m"], quantile: float = 0.95) -> float:
    """How much an object has changed between some frames and later ones, beyond the bands.

    The 95th percentile of the later frames finds what changes for a moment; the median, what is another for good.
    """
    wide = max(1.0, (PIXELS / path.size) ** EDGE)
    colour = np.linalg.norm(path.colour[later] - np.median(path.colour[first], axis=0), axis=1) / (COLOUR * wide)
    area = np.abs(np.log(path.area[later] / np.median(path.area[first]))) / (AREA * wide)
    shape = np.linalg.norm(path.shape[later] - np.median(path.shape[first], axis=0), axis=1) / (SHAPE * wide)
    most = np.max(np.stack((colour, area, shape)), axis=0)
    return float(min(MOST, max(0.0, np.quantile(most, quantile) - 1.0)))


def roughness(evidence: Evidence) -> Finding:
    """The median size of the second difference of all ways, in diameters. A straight line wins: it is no physics."""
    found = []
    for path in evidence.paths:
        three = path.whole[:-2] & path.whole[1:-1] & path.whole[2:]
        found.append(np.linalg.norm(np.diff(path.position, 2, axis=0), axis=1)[three] / path.size)
    values = np.concatenate(found) if found else np.zeros(0)
    return (
        (float(np.median(values)), "") if len(values) else (NOTHING, "no object is seen whole in three frames in a row")
    )


def lighting(evidence: Evidence) -> Finding:
    """How far a still object's colour is from the scene's while the light wanders, in dE beyond the band, or it moves.

    The mean colour of a body does not depend on where its light is, so it must stay; a move counts a band a diameter.
    """
    worst: float | None = None
    for body, motion in evidence.bodies:
        frames = np.flatnonzero(motion.path.whole)
        if not len(frames) or evidence.attributes is None:
            continue
        names = [thing.colour for thing in evidence.attributes.things]
        told = np.array(lab(np.array(rgb(names[0])))) if len(names) == 1 else body.colour
        colour = motion.path.colour[frames]
        steady = np.linalg.norm(colour - np.median(colour, axis=0), axis=1)
        off = max(
            float(np.quantile(steady, 0.95)) / COLOUR,
            float(np.linalg.norm(np.median(colour, axis=0) - told)) / (2 * COLOUR),
        )
        moved = np.linalg.norm(motion.path.position[frames] - body.position[frames], axis=1) / motion.path.size
        worst = max(worst or 0.0, max(0.0, off - 1.0) + max(0.0, float(np.quantile(moved, 0.95)) - 0.05))
    return (NOTHING, "the scene's still object is not seen whole") if worst is None else (min(MOST, worst), "")
