"""One connected piece of a picture, divided into objects: by colour, then by the discs that they should be.

Colour is asked of flat places only, since a mixture at an edge has any colour. Pieces of one colour are divided between
the objects that are expected there, nearest disc first; where none are expected, at their necks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float

from framefall.tracking.colours import hue
from framefall.tracking.working_clip import Picture, PixelMask

UNLIKE = 0.10  # in units of `hue`: farther apart are two colours
HALO = 0.62  # of another's difference to the background: with no more than that of it, a place is its halo
IMPRINT = 0.4  # of another's difference, the other way: no more of it stays in a background
PALE = 32.0  # levels, over all channels: nor is it stronger
FAINT = 90.0  # levels, over all channels: a halo is no stronger
FLAT = 48  # levels that a flat place varies by, at most
FEW = 4  # flat pixels that a colour must have
CONVEX = 0.9  # of its hull that a single object fills
FAR = 1e4  # pixels; what fills a whole window is endlessly deep
FINE = 4  # times larger is a piece when its necks are looked for
NECK = 0.62  # of the deepest place: what is as deep is an object of its own


@dataclass(frozen=True)
class ExpectedObject:
    """Where an object should be."""

    x: float
    y: float
    radius: float

    def moved(self, dx: int, dy: int) -> "ExpectedObject":
        """The same, seen from elsewhere."""
        return replace(self, x=self.x + dx, y=self.y + dy)

    def touches(self, left: int, top: int, right: int, bottom: int) -> bool:
        """Whether its middle is in a window, or nearly."""
        far = self.radius
        return left - far < self.x < right + far and top - far < self.y < bottom + far


def split_blob(
    picture: Picture, behind: Picture, piece: PixelMask, guesses: Sequence[ExpectedObject]
) -> list[PixelMask]:
    """The objects of a piece as masks that do not meet."""
    masks = _by_colour(picture, behind, piece)
    short = len(masks) < len(_owners(piece, guesses))
    return [part for mask in masks for part in _by_shape(picture, behind, mask, guesses if short else ())]


def _by_colour(picture: np.ndarray, behind: np.ndarray, piece: np.ndarray) -> list[np.ndarray]:
    mask = piece.astype(np.uint8)
    inside = cv2.erode(mask, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=1)
    varies = cv2.subtract(cv2.dilate(picture, np.ones((3, 3))), cv2.erode(picture, np.ones((3, 3))))
    varies = np.maximum(np.maximum(varies[..., 0], varies[..., 1]), varies[..., 2])
    rows, columns = np.nonzero((inside > 0) & (varies < FLAT))
    if len(rows) < 2 * FEW:
        return [piece]
    colours = hue(picture[rows, columns])
    if float(np.ptp(colours[:, 0])) + float(np.ptp(colours[:, 1])) < UNLIKE and float(np.ptp(colours[:, 2])) < UNLIKE:
        return [piece]
    cores: list[np.ndarray] = []
    rest = np.ones(len(rows), bool)
    while rest.sum() >= FEW and len(cores) < 16:
        chosen = _like_most(colours, rest)
        rest &= ~chosen
        core = np.zeros(piece.shape, np.uint8)
        core[rows[chosen], columns[chosen]] = 1
        if chosen.sum() >= FEW and cv2.erode(core, np.ones((2, 2), np.uint8)).any():
            cores.append(core)
    if len(cores) > 1:
        means = [(picture[core > 0].astype(np.float32) - behind[core > 0]).mean(axis=0) for core in cores]
        counts = [int(core.sum()) for core in cores]
        halos = [
            any(n < 0.3 * m and is_halo(one, two) for two, m in zip(means, counts, strict=True))
            for one, n in zip(means, counts, strict=True)
        ]
        cores = [core for core, halo in zip(cores, halos, strict=True) if not halo]
    if len(cores) < 2:
        return [piece]
    far = np.stack([cv2.distanceTransform(1 - core, cv2.DIST_L2, 3) for core in cores])
    nearest = far.argmin(axis=0)
    parts = [piece & (nearest == index) for index in range(len(cores))]
    return [part for part in parts if part.any()]


def is_halo(one: Float[np.ndarray, "3"], two: Float[np.ndarray, "3"]) -> bool:
    """Whether one difference to the background is but a weak part of another: chroma that JPEG and codecs smear."""
    strong = float(two @ two)
    if float(one @ one) > FAINT**2:
        return False
    share = float(one @ two) / max(strong, 1e-9)
    rest = one - share * two
    return 0 < share < HALO and float(rest @ rest) < 0.06 * strong


def is_imprint(one: Float[np.ndarray, "3"], two: Float[np.ndarray, "3"]) -> bool:
    """Whether one difference to the background is the faint negative of another: where something stayed for long, its
    smeared chroma became part of the background, and is missed when it has left.
    """
    share = float(one @ two) / max(float(two @ two), 1e-9)
    rest = one - share * two
    return -IMPRINT < share < 0 and float(rest @ rest) < 0.5 * float(one @ one) < 0.5 * PALE**2


def _like_most(colours: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """The pixels left whose colour is like that of most of them."""
    bins = np.round(colours / (UNLIKE / 2)).astype(np.int64) @ (1, 100, 10_000)
    values, counts = np.unique(bins[rest], return_counts=True)
    middle = colours[rest & (bins == values[counts.argmax()])].mean(axis=0)
    for _ in range(2):
        chosen = rest & (np.abs(colours - middle).max(axis=1) < UNLIKE)
        middle = colours[chosen].mean(axis=0)
    return chosen


def _by_shape(
    picture: np.ndarray, behind: np.ndarray, mask: np.ndarray, guesses: Sequence[ExpectedObject]
) -> list[np.ndarray]:
    """A piece of one colour, divided if it is more than one object."""
    owners = _owners(mask, guesses)
    many = len(owners) > 1 and float(mask.sum()) > 1.25 * np.pi * max(guess.radius for guess in owners) ** 2
    share = _share(picture, behind, mask)
    if not many and _filled((share > 0.5).astype(np.uint8)) >= CONVEX:
        return [mask]
    necked = _at_necks(share, mask)
    return necked if len(necked) >= len(owners) or not many else _shared(mask, owners)


def _share(picture: np.ndarray, behind: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """How much of each pixel has the colour of the mask's inside, roughly."""
    depth = cv2.distanceTransform(
        cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE), cv2.DIST_L2, 5
    )
    depth = np.minimum(depth[1:-1, 1:-1], FAR)
    inner = depth > 0.6 * depth.max()
    toward = picture[inner].mean(axis=0, dtype=np.float32) - behind
    apart = picture.astype(np.float32) - behind
    share = np.einsum("hwc,hwc->hw", apart, toward) / np.maximum(np.einsum("hwc,hwc->hw", toward, toward), 1.0)
    return np.where(cv2.dilate(mask.astype(np.uint8), np.ones((3, 3))) > 0, np.clip(share, 0, 1), 0).astype(np.float32)


def _filled(tight: np.ndarray) -> float:
    """The share of its convex hull that a mask fills; 1 for nothing at all."""
    points = cv2.findNonZero(tight)
    if points is None or len(points) < 3:
        return 1.0
    hull = cv2.convexHull(points)
    # the hull goes through the middles of pixels
    return len(points) / (cv2.contourArea(hull) + 0.5 * cv2.arcLength(hull, True) + 1)


def _owners(mask: np.ndarray, guesses: Sequence[ExpectedObject]) -> list[ExpectedObject]:
    """The expected objects whose middle is in the mask, whatever their colour: of small things it is smeared."""
    if not guesses:
        return []
    near = cv2.distanceTransform(1 - mask.astype(np.uint8), cv2.DIST_L2, 3)
    height, width = mask.shape
    found = []
    for guess in guesses:
        row, column = min(max(int(guess.y), 0), height - 1), min(max(int(guess.x), 0), width - 1)
        outside = np.hypot(guess.y - 0.5 - row, guess.x - 0.5 - column)
        if near[row, column] + max(0.0, outside - 1) <= 0.5 * guess.radius:
            found.append(guess)
    return found


def _shared(mask: np.ndarray, owners: Sequence[ExpectedObject]) -> list[np.ndarray]:
    """A mask divided between discs: each pixel goes to the disc that it is deepest in; discs move to what they got."""
    rows, columns = np.nonzero(mask)
    pixels = np.stack((columns + 0.5, rows + 0.5), axis=1)
    places = np.array([(guess.x, guess.y) for guess in owners])
    radii = np.array([guess.radius for guess in owners])
    for _ in range(4):
        power = ((pixels[:, None] - places) ** 2).sum(axis=2) - radii**2
        nearest = power.argmin(axis=1)
        count = np.bincount(nearest, minlength=len(places)).astype(float)
        sums = np.stack([np.bincount(nearest, pixels[:, axis], len(places)) for axis in (0, 1)], axis=1)
        places = np.where(count[:, None] > 0, sums / np.maximum(count, 1)[:, None], places)
    parts = []
    for index in range(len(owners)):
        part = np.zeros(mask.shape, bool)
        chosen = nearest == index
        part[rows[chosen], columns[chosen]] = True
        if chosen.sum() >= FEW:
            parts.append(part)
    return parts


def _at_necks(share: np.ndarray, mask: np.ndarray) -> list[np.ndarray]:
    """A mask divided where it is thin between places that are thick, seen `FINE` times as large."""
    fine = cv2.resize(share, None, fx=FINE, fy=FINE, interpolation=cv2.INTER_CUBIC) > 0.5
    depth = cv2.distanceTransform(
        cv2.copyMakeBorder(fine.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE), cv2.DIST_L2, 5
    )
    deepest = float(depth.max()) / FINE
    if deepest < 1.2:
        return [mask]
    number, cores = cv2.connectedComponents((depth[1:-1, 1:-1] > NECK * deepest * FINE).astype(np.uint8))
    if number <= 2:
        return [mask]
    _, nearest = cv2.distanceTransformWithLabels(
        (cores == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_CCOMP
    )
    middle = FINE // 2
    nearest = nearest[middle::FINE, middle::FINE]
    parts = [mask & (nearest == index) for index in np.unique(nearest[mask])]
    return [part for part in parts if part.sum() >= FEW]
