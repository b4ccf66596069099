"""What differs from the background, as soft mattes: how much of each pixel an object covers.

Detection asks only whether a pixel differs (class-agnostic); the matte then is the share of the object's colour in it,
`alpha = <I - B, c - B> / |c - B|^2`, with the colour `c` of the object's own nearest inside, so that shading and
stripes do not pull its centre. Shares are taken of encoded values, as pictures that were made smaller mix them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float

from framefall.tracking.colours import lab
from framefall.tracking.shading import dot, find_shading, unshaded
from framefall.tracking.splitting import ExpectedObject, is_halo, is_imprint, split_blob
from framefall.tracking.working_clip import Picture

LEAST = 4.0  # pixels of mass; less is nothing
ZONE = 12.0  # levels that a pixel must differ by, at least: gamma, JPEG and codecs stay below
GRAIN = 4.5  # or so many deviations of the (smoothed) noise
MOST = 48  # blobs a frame that are looked at, the largest
SMOOTH = 0.45  # what is left of the noise after 3 x 3 smoothing, its background's noise included
BESIDE = 8.0  # pixels from an object where its halo may be: a block of a codec
MARGIN = 4  # pixels around a blob that are looked at
_POWERS = np.arange(5)[:, None]
_SQUARE = np.ones((3, 3), np.uint8)
_DISC = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))


@dataclass(frozen=True, eq=False)
class Blob:
    """One object in one frame; places in pixels of the working picture, from its corner."""

    position: tuple[float, float]
    area: float
    colour: tuple[float, float, float]  # CIE Lab
    contrast: Float[np.ndarray, "3"]  # levels by which it differs from the background
    shape: Float[np.ndarray, " moments"]
    box: tuple[float, float, float, float]  # left, top, right, bottom of where it covers half a pixel or more
    cluster: int  # of which connected piece of the picture it is a part
    parts: int  # that this piece has

    @property
    def radius(self) -> float:
        """Of the disc of its area."""
        return float((self.area / np.pi) ** 0.5)


def find_blobs(picture: Picture, behind: Picture, noise: float, guesses: Sequence[ExpectedObject] = ()) -> list[Blob]:
    """The objects of one frame before a background; `guesses` say where objects of the frames before should be."""
    differs = _differs(picture, behind, noise)
    number, labels, stats, _ = cv2.connectedComponentsWithStats(differs, connectivity=8)
    if number <= 1:
        return []
    order = 1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA])[:MOST]
    blobs: list[Blob] = []
    for label in sorted(int(one) for one in order if stats[one, cv2.CC_STAT_AREA] >= LEAST):
        blobs.extend(_of_piece(picture, behind, labels, label, stats[label], guesses))
    return [blob for blob in blobs if not any(_fringes(blob, other) for other in blobs)]


def _fringes(blob: Blob, other: Blob) -> bool:
    """Whether a blob is a halo of a larger one beside it, or what such a halo has left in the background."""
    if blob.area < other.area and is_imprint(blob.contrast, other.contrast):
        return True
    if blob.area >= 0.5 * other.area or not is_halo(blob.contrast, other.contrast):
        return False
    gaps = [
        other.box[0] - blob.box[2],
        blob.box[0] - other.box[2],
        other.box[1] - blob.box[3],
        blob.box[1] - other.box[3],
    ]
    return max(gaps) < BESIDE


def _differs(picture: np.ndarray, behind: np.ndarray, noise: float) -> np.ndarray:
    """Where a smoothed picture is off the smoothed background, pieces with a strong pixel only."""
    low = max(ZONE, GRAIN * SMOOTH * noise)
    apart = cv2.absdiff(cv2.GaussianBlur(picture, (3, 3), 0.8), cv2.GaussianBlur(behind, (3, 3), 0.8))
    apart = np.maximum(np.maximum(apart[..., 0], apart[..., 1]), apart[..., 2])
    weak = (apart > low).astype(np.uint8)
    if not weak.any():
        return weak
    strong = apart > 1.8 * low
    number, labels = cv2.connectedComponents(weak, connectivity=8)
    kept = np.zeros(number, np.uint8)
    kept[np.unique(labels[strong])] = 1
    kept[0] = 0
    return kept[labels]


def _of_piece(
    picture: np.ndarray,
    behind: np.ndarray,
    labels: np.ndarray,
    label: int,
    stats: np.ndarray,
    guesses: Sequence[ExpectedObject],
) -> Iterator[Blob]:
    """The objects of one connected piece."""
    height, width = picture.shape[:2]
    x, y, wide, high = (int(side) for side in stats[:4])
    left, top = max(0, x - MARGIN), max(0, y - MARGIN)
    right, bottom = min(width, x + wide + MARGIN), min(height, y + high + MARGIN)
    window = slice(top, bottom), slice(left, right)
    bytes_, below = picture[window], behind[window]
    labelled = labels[window]
    piece = labelled == label
    free = piece | (labelled == 0)
    shade = find_shading(bytes_, below, piece)
    if shade is not None:
        piece &= ~shade
        if piece.sum() < LEAST:
            return
    seen, back = bytes_.astype(np.float32), below.astype(np.float32)
    near = [guess.moved(-left, -top) for guess in guesses if guess.touches(left, top, right, bottom)]
    masks = split_blob(bytes_, below, piece, near)
    taken = np.zeros(piece.shape, np.uint8)
    for mask in masks:
        taken += mask.astype(np.uint8)
    results = []
    for mask in masks:
        blob = _matted(seen, back, mask, free & ((taken == 0) | mask), shade, (left, top), label)
        if blob is not None:
            results.append(blob)
    for blob in results:
        yield replace(blob, parts=len(results))


def _matted(
    seen: np.ndarray,
    back: np.ndarray,
    mask: np.ndarray,
    free: np.ndarray,
    shade: np.ndarray | None,
    corner: tuple[int, int],
    label: int,
) -> Blob | None:
    """The soft matte of one part and what is measured on it."""
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    depth = np.minimum(depth, 1e4)
    inner = depth >= 0.6 * depth.max()
    colour = seen[inner].mean(axis=0)
    toward = colour - back
    apart = seen - back
    power = np.maximum(dot(toward, toward), 1.0)
    rough = dot(apart, toward) / power
    grown = cv2.dilate(mask.astype(np.uint8), _SQUARE) > 0
    half = ((rough > 0.5) & grown & free).astype(np.uint8)
    trimmed = _trimmed(half)
    if trimmed is None:
        return None
    half, threads = trimmed
    core = cv2.erode(half, _SQUARE, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    support = cv2.dilate(half, _SQUARE if depth.max() < 4 else _DISC).astype(bool) & free
    if threads is not None:
        support &= (cv2.dilate(threads, _SQUARE) == 0) | (half > 0)
    if core.any():
        # the colour of the nearest inside, not of the whole: light and stripes are part of an object
        weight = cv2.blur(core.astype(np.float32), (5, 5))
        mixed = cv2.blur(seen * core[..., None], (5, 5))
        local = np.where(weight[..., None] > 1e-3, mixed / np.maximum(weight, 1e-3)[..., None], colour)
        toward = local - back
        power = np.maximum(dot(toward, toward), 1.0)
    alpha = dot(apart, toward) / power if shade is None else unshaded(apart, toward, back, power)
    alpha = np.where(support, np.clip(alpha, -0.25, 1.0), 0.0)
    alpha[core > 0] = 1.0
    area = float(alpha.sum())
    if area < LEAST:
        return None
    return _measured(seen, back, alpha, area, half, corner, label)


def _trimmed(half: np.ndarray) -> tuple[np.ndarray, np.ndarray | None] | None:
    """A part with its holes filled and without threads (a rod, ringing), and these; None if it is but a thread."""
    contours, _ = cv2.findContours(half, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    if len(contours) > 1:  # crumbs
        contours = [max(contours, key=lambda line: (cv2.contourArea(line), len(line)))]
    filled = cv2.drawContours(np.zeros_like(half), contours, -1, 1, cv2.FILLED)
    inside = cv2.distanceTransform(cv2.copyMakeBorder(filled, 1, 1, 1, 1, cv2.BORDER_REPLICATE), cv2.DIST_L2, 5)[
        1:-1, 1:-1
    ]
    deepest = float(inside.max())
    _, sides, _ = cv2.minAreaRect(contours[0])
    if deepest < 2 and min(sides) < 2 and max(sides) + 1 > 3.5 * (min(sides) + 1):
        return None
    crumbs = half & (1 - filled)
    if deepest < 2:
        return filled, crumbs if crumbs.any() else None
    reach = 0.5 * deepest
    far = cv2.distanceTransform((inside <= reach).astype(np.uint8), cv2.DIST_L2, 5)
    thick = filled & (far <= reach + 0.7).astype(np.uint8)
    threads = filled - thick
    # corners of boxes and triangles are no threads: they are short
    if threads.any() and float(far[threads > 0].max()) > 1.2 * deepest:
        return thick, threads | crumbs
    return filled, crumbs if crumbs.any() else None


def _measured(
    seen: np.ndarray,
    back: np.ndarray,
    alpha: np.ndarray,
    area: float,
    half: np.ndarray,
    corner: tuple[int, int],
    label: int,
) -> Blob:
    rows, columns = alpha.shape
    x, y = np.arange(columns) + 0.5, np.arange(rows) + 0.5
    alpha = alpha.astype(np.float32)
    across, down = alpha.sum(axis=0), alpha.sum(axis=1)
    cx, cy = float(across @ x) / area, float(down @ y) / area
    # least squares for the colour: seen = alpha c + (1 - alpha) back
    strong = alpha * alpha
    own = (np.einsum("hwc,hw->c", seen, alpha) - np.einsum("hwc,hw->c", back, alpha - strong)) / float(strong.sum())
    points = np.flatnonzero(half.any(axis=0)), np.flatnonzero(half.any(axis=1))
    box = (points[0][0], points[1][0], points[0][-1] + 1, points[1][-1] + 1)
    moved = tuple(float(v + corner[i % 2]) for i, v in enumerate(box))
    return Blob(
        (cx + corner[0], cy + corner[1]),
        area,
        lab(own / 255),
        own - np.einsum("hwc,hw->c", back, alpha) / area,
        _moments(alpha, area, x - cx, y - cy),
        moved,  # type: ignore[arg-type]
        label,
        1,
    )


def _moments(alpha: np.ndarray, area: float, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Complex moments that place, size and turn leave alone (Flusser 2000): spread, and 2-, 3-, 4-foldness.

    The spread of one pixel is taken off the first.
    """
    # sums of alpha x^i y^j for all i, j up to 4, as two small matrix products
    sums = (y[None, :] ** _POWERS) @ alpha @ (x[:, None] ** _POWERS.T)
    spread = (sums[0, 2] + sums[2, 0]) / area**2 - 1 / (6 * area)
    two = abs(complex(sums[0, 2] - sums[2, 0], 2 * sums[1, 1])) / area**2
    three = abs(complex(sums[0, 3] - 3 * sums[2, 1], 3 * sums[1, 2] - sums[3, 0])) / area**2.5
    four = abs(complex(sums[0, 4] - 6 * sums[2, 2] + sums[4, 0], 4 * (sums[1, 3] - sums[3, 1]))) / area**3
    return np.array([spread, two, three, four])
