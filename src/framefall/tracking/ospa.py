"""How far apart the things of two clips are, frame by frame, whoever they are: optimal subpattern assignment."""

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from framefall.tracking.trajectory import Tracks


def ospa(made: Tracks, true: Tracks, cutoff: float, start: int = 0) -> float:
    """OSPA distance of order 1 (Schuhmacher et al. 2008) in 0..1, the mean of frames from `start` on.

    In a frame with m and n <= m things it is (sum of min(distance, cutoff) / cutoff of the n best pairs + m - n) / m,
    so that a thing that is missing or too many counts as one that is `cutoff` pixels off; 0 where there is none in
    either. Raises `ValueError` for clips of other lengths or sizes, and for a cutoff that is not above 0.
    """
    sizes = [(one.frames, one.height, one.width) for one in (made, true)]
    if sizes[0] != sizes[1] or not 0 <= start < true.frames:
        raise ValueError(
            f"both clips must have equally many frames, height and width, and frames from {start} on, got {sizes}"
        )
    if not cutoff > 0:
        raise ValueError(f"cutoff must be above 0 pixels, got {cutoff}; try a quarter of the height")
    return float(np.mean([_apart(_places(made, at), _places(true, at), cutoff) for at in range(start, true.frames)]))


def _places(tracks: Tracks, frame: int) -> Float[np.ndarray, "things 2"]:
    found = [one.position[one.frames == frame] for one in tracks.objects]
    return np.concatenate(found) if found else np.zeros((0, 2))


def _apart(some: Float[np.ndarray, "m 2"], others: Float[np.ndarray, "n 2"], cutoff: float) -> float:
    most = max(len(some), len(others))
    if not most:
        return 0.0
    costs = np.minimum(np.linalg.norm(some[:, None] - others[None], axis=2) / cutoff, 1.0)
    rows, columns = linear_sum_assignment(costs)
    return (float(costs[rows, columns].sum()) + most - len(rows)) / most
