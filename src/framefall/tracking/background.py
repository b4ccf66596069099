"""The picture without objects, at every frame: a median over time, along the view's way, mended by what is known.

What hardly moves is in the median. Where a known picture without objects differs from it, the known one is right; the
rest is the clip's own, so that noise, gamma, a re-encoded file or a shift by a pixel make no objects.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from framefall.tracking.working_clip import Picture, Pictures

MOST = 21  # frames that a median is taken over
APART = 14  # levels, 0..255, by which a known background must differ from the median
DOUBT = 0.7  # of the picture that may change: if more does, there is nothing to go by
ALIKE = 24  # levels within which a value goes with what lies around
GRAIN = 4.5  # times the noise: less is noise


KnownPictures = UInt8[np.ndarray, "pictures rows columns 3"]


@dataclass(frozen=True, eq=False)
class Background:
    """What each frame would look like without objects, but for its own brightness."""

    whole: Pictures  # one picture, or one a frame
    places: np.ndarray | None  # where the view's corner is in `whole`; None if it fills it
    noise: float  # levels, standard deviation

    def at(self, frame: int, picture: Picture) -> Picture:
        """The background of one frame, as bright as that frame."""
        behind = self.whole[frame if len(self.whole) > 1 else 0]
        if self.places is not None:
            height, width = picture.shape[:2]
            behind = _cut(behind, self.places[frame], height, width)
        return _lit(behind, picture)


def find_background(
    pictures: Pictures, camera: Float[np.ndarray, "frames 2"] | None, known: KnownPictures | None
) -> Background:
    """The background of a clip whose view goes along `camera`; `known` is one picture, or one a frame."""
    if known is not None and (len(known) > 1 or camera is not None):
        whole = known if len(known) == len(pictures) else np.repeat(known[:1], len(pictures), axis=0)
        return _measured(Background(_registered(whole, pictures), None, 0.0), pictures)
    if camera is not None:
        return _measured(_mosaic(pictures, camera), pictures)
    some = pictures[_some(len(pictures))]
    middle = _mended(median(some), some) if known is None else _joined(median(some), known[0])
    return _measured(Background(middle[None], None, 0.0), pictures)


def median(stack: np.ndarray) -> np.ndarray:
    """The median over the first axis, as a sorting network of whole pictures: far faster than sorting pixels."""
    planes = [plane.copy() for plane in stack]
    spare = np.empty_like(planes[0])
    half = len(planes) // 2
    for last in range(len(planes) - 1, half - 1, -1):  # the largest of what is left goes to `last`
        for index in range(last):
            low, high = planes[index], planes[index + 1]
            np.minimum(low, high, out=spare)
            np.maximum(low, high, out=high)
            planes[index], spare = spare, low
    return planes[half]


def _some(frames: int) -> np.ndarray:
    """An odd number of frames, spread over a clip."""
    count = min(MOST, frames if frames % 2 else max(1, frames - 1))
    return np.unique(np.round(np.linspace(0, frames - 1, count)).astype(int))


def _lit(behind: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """A background as bright as a picture: one factor a channel, from the pixels that agree best."""
    step = max(1, min(picture.shape[:2]) // 32)
    seen = picture[::step, ::step].reshape(-1, 3).astype(np.float32) + 1
    back = behind[::step, ::step].reshape(-1, 3).astype(np.float32) + 1
    gain = np.median(seen / back, axis=0)
    if (np.abs(gain - 1) < 0.008).all() or (np.abs(gain - 1) > 0.35).any():
        return behind
    return np.clip(np.rint(behind * gain), 0, 255).astype(np.uint8)


def _measured(back: Background, pictures: np.ndarray) -> Background:
    """The same, with the noise that the clip has over it."""
    frames = np.unique(np.round(np.linspace(0, len(pictures) - 1, 5)).astype(int))
    step = max(1, min(pictures.shape[1:3]) // 64)
    apart = [
        pictures[frame, ::step, ::step].astype(np.float32) - back.at(int(frame), pictures[frame])[::step, ::step]
        for frame in frames
    ]
    # half of the differences are below this many levels; even steps of a whole level count as noise below one
    noise = 1.4826 * float(np.median(np.abs(np.stack(apart) - np.median(np.stack(apart)))))
    return Background(back.whole, back.places, noise)


def _mosaic(pictures: np.ndarray, camera: np.ndarray) -> Background:
    """The wall that the view goes over, from all frames that see a place."""
    height, width = pictures.shape[1:3]
    places = camera - camera.min(axis=0) + 1.0
    far = np.ceil(places.max(axis=0)).astype(int)
    size = int(far[0]) + width + 1, int(far[1]) + height + 1
    stack, sights, chosen = [], [], _some(len(pictures))
    for turn, frame in enumerate(chosen):
        # where a frame sees nothing it votes once for black, once for white
        blank = np.full((size[1], size[0], 3), 255 * (turn % 2), np.uint8)
        warp = np.array([[1.0, 0.0, places[frame, 0]], [0.0, 1.0, places[frame, 1]]])
        sight = cv2.warpAffine(np.full((height, width), 255, np.uint8), warp, size, flags=cv2.INTER_LINEAR) == 255
        moved = cv2.warpAffine(pictures[frame], warp, size, flags=cv2.INTER_LINEAR)
        stack.append(np.where(sight[..., None], moved, blank))
        sights.append(sight)
    unseen = (~np.any(sights, axis=0)).astype(np.uint8)
    middle = cv2.inpaint(median(np.stack(stack)), unseen, 2, cv2.INPAINT_TELEA)
    some = np.where(np.stack(sights)[..., None], np.stack(stack), middle)
    return Background(_mended(middle, some)[None], places, 0.0)


def _cut(whole: np.ndarray, place: np.ndarray, height: int, width: int) -> np.ndarray:
    warp = np.array([[1.0, 0.0, place[0]], [0.0, 1.0, place[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(whole, warp, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _registered(known: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """Known pictures in the tone of the clip, and moved by a pixel where that fits better."""
    middle = len(pictures) // 2
    seen = pictures[middle].astype(np.float32)
    shifts = [(0, 0), *((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0))]
    toned = _toned(known, pictures)
    costs = [float(np.abs(_rolled(toned[middle], *shift) - seen).clip(0, 60).mean()) for shift in shifts]
    best = shifts[int(np.argmin(np.array(costs) + 0.05 * (np.arange(len(costs)) > 0)))]
    return toned if best == (0, 0) else np.stack([_rolled(frame, *best) for frame in toned])


def _toned(known: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """Known pictures through the curve (scale and power, one a channel) that maps them to the clip's."""
    middle = len(pictures) // 2
    back = np.log(known[middle if len(known) > 1 else 0].reshape(-1, 3).astype(np.float32) + 1)
    seen = np.log(pictures[middle].reshape(-1, 3).astype(np.float32) + 1)
    table = np.empty((256, 3), np.uint8)
    levels = np.log(np.arange(256, dtype=np.float32) + 1)
    for channel in range(3):
        x, y = back[:, channel], seen[:, channel]
        keep = np.ones(len(x), bool)
        power, scale = 1.0, 0.0
        for _ in range(3):
            spread = float(x[keep].std())
            power = 1.0 if spread < 0.2 else float(np.cov(x[keep], y[keep])[0, 1] / max(x[keep].var(), 1e-9))
            power = float(np.clip(power, 0.6, 1.6))
            scale = float(np.median((y - power * x)[keep]))
            error = np.abs(y - power * x - scale)
            keep = error <= max(0.02, 3 * float(np.median(error)))
        plain = abs(power - 1) < 0.01 and abs(scale) < 0.01
        table[:, channel] = np.arange(256) if plain else np.clip(np.rint(np.exp(power * levels + scale) - 1), 0, 255)
    return np.stack([table[..., channel][known[..., channel]] for channel in range(3)], axis=-1)


def _rolled(picture: np.ndarray, down: int, right: int) -> np.ndarray:
    padded = np.pad(picture, ((1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = picture.shape[:2]
    return padded[1 + down : 1 + down + height, 1 + right : 1 + right + width]


def _joined(middle: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The median, and where something always stands, the known picture."""
    known = _registered(known[None], middle[None])[0]
    grown, shrunk = cv2.dilate(known, np.ones((3, 3))), cv2.erode(known, np.ones((3, 3)))
    # a place differs if no known neighbour is alike: edges that lie a pixel aside do not count
    above = cv2.subtract(middle, grown).max(axis=2)
    below = cv2.subtract(shrunk, middle).max(axis=2)
    apart = (np.maximum(above, below) > APART).astype(np.uint8)
    if not apart.any():
        return middle
    wide = cv2.dilate(apart, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)))[..., None] > 0
    return np.where(wide, known, middle)


def _mended(middle: np.ndarray, some: np.ndarray) -> np.ndarray:
    """The median without what stood somewhere most of the time.

    Where anything ever changed, and inside of such places, the background is the value, of those that were seen, that
    goes best with what lies around. What never moves at all cannot be told from the background.
    """
    if len(some) < 3:
        return middle
    apart = np.stack([cv2.absdiff(frame, middle) for frame in some])
    grain = GRAIN * 1.4826 * float(np.median(apart)) * 1.5
    changed = (apart.max(axis=(0, 3)) > max(APART, grain)).astype(np.uint8)
    changed = cv2.morphologyEx(changed, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(
        cv2.dilate(changed, np.ones((3, 3), np.uint8)), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    core = cv2.drawContours(np.zeros_like(changed), contours, -1, 1, cv2.FILLED)
    if not core.any() or core.mean() > DOUBT:
        return middle
    doubt = cv2.dilate(core, np.ones((3, 3), np.uint8))
    rows, columns = np.nonzero(doubt)
    seen, usual = some[:, rows, columns].astype(np.int16), middle[rows, columns].astype(np.int16)
    guesses = [guess[rows, columns].astype(np.int16) for guess in _guesses(middle, doubt)]
    fits = np.min([np.abs(usual - guess).max(axis=1) for guess in guesses], axis=0) <= ALIKE
    far = np.stack([np.abs(seen - guess).max(axis=2) for guess in guesses]).min(axis=0)
    nearest = far.argmin(axis=0)
    index = np.arange(len(rows))
    # the mean of all frames that show the same there
    same = np.abs(seen - seen[nearest, index]).max(axis=2) <= max(APART, grain) / 2
    value = (seen * same[..., None]).sum(axis=0) / same.sum(axis=0)[:, None]
    better = ~fits & (far[nearest, index] <= ALIKE)
    mended = middle.copy()
    mended[rows[better], columns[better]] = np.rint(value[better]).astype(np.uint8)
    # what no frame shows, in the middle of a thing that hardly moves: what lies on all four sides, if that is one thing
    agree = (np.max(guesses, axis=0) - np.min(guesses, axis=0)).max(axis=1) <= ALIKE
    hidden = ~fits & ~better & agree & (core[rows, columns] > 0)
    mended[rows[hidden], columns[hidden]] = np.rint((guesses[1] + guesses[2])[hidden] / 2).astype(np.uint8)
    return mended


def _guesses(middle: np.ndarray, doubt: np.ndarray) -> list[np.ndarray]:
    """What may lie under the doubtful places: drawn in from all around, from left and right, from above and below."""
    across = _bridged(middle, doubt)
    down = _bridged(middle.transpose(1, 0, 2), doubt.T).transpose(1, 0, 2)
    return [cv2.inpaint(middle, doubt, 3, cv2.INPAINT_TELEA), across, down]


def _bridged(middle: np.ndarray, doubt: np.ndarray) -> np.ndarray:
    """Each row with its doubtful places bridged in a straight line."""
    out = middle.copy()
    places = np.arange(middle.shape[1])
    for row in np.flatnonzero(doubt.any(axis=1)):
        sure = doubt[row] == 0
        if sure.any():
            for channel in range(3):
                out[row, ~sure, channel] = np.interp(places[~sure], places[sure], middle[row, sure, channel])
    return out
