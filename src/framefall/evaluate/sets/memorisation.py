"""Does a generator repeat its training clips? How near its clips come to them, against clips that it never saw.

Each clip becomes a vector, once for what is seen (content) and once for how it moves (motion), and is compared with
every training clip. rho = d(generated, nearest training) / median d(held out, nearest training): about 1 for new
clips, towards 0 for copies (after Rahman et al. 2024, arXiv 2403.19593, and Chen et al. 2024, arXiv 2410.21669).
A flag is a distance that only 1 held-out clip in 20 stays below. Coverage asks the reverse: how much of the real
clips does the generator reach? Clips should have one length in seconds; cut them so beforehand.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from framefall.evaluate.metrics.suite import NamedVideo
from framefall.flow import flow_between
from framefall.metric import Interval, interval
from framefall.noise import Key
from framefall.video import resize

FRAMES = 8  # that content looks at, evenly spread
SIDE = 16  # pixels a side of a small picture
QUANTILES = 16  # of each channel's values
PARTS, CELLS = 4, 4  # of time, and of each side of the picture
PAIRS = 16  # of frames that motion looks at, evenly spread, ...
RATE = 8.0  # ... as far apart as neighbours at this many frames a second are
FLOW_SIDE = 64  # pixels of the longer side that flow is found on
CHANGE = 12  # of 255, between smoothed frames: what changes by half of it does not move
SIZE = 0.5  # how much e times the motion counts, against a whole other way
STANDS = 0.0002  # picture heights a second, mean over the picture: a clip that moves less has no motion to compare
FLAG_SHARE = 5.0  # percentile of the held-out distances below which a clip is flagged
RADIUS_SHARE = 95.0  # percentile of real clips' distances within which one is reached

OneClip = Float[Tensor, "1 channels frames height width"]
Vector = Float[np.ndarray, " features"]
Vectors = Float[np.ndarray, "clips features"]
ClipFeatures = Callable[[OneClip, float], Vector | None]  # a clip and its frames a second; None: nothing to compare


def content(video: OneClip, fps: float) -> Vector | None:
    """Small pictures at even places in the clip, and the quantiles of each channel, both as root mean squares.

    None for a clip that is not finite. Grain and JPEG average out of it, a cut of the light does not.
    """
    places = torch.linspace(0, video.shape[2] - 1, FRAMES).round().long()
    small = resize(video[:, :, places].detach().float().cpu(), SIDE, SIDE, "area")[0]
    if not torch.isfinite(small).all():
        return None
    levels = torch.linspace(0, 1, QUANTILES)
    colours = torch.quantile(small.flatten(1), levels, dim=1)
    parts = [part.flatten().double().numpy() / math.sqrt(part.numel()) for part in (small, colours)]
    return np.concatenate(parts)


def motion(video: OneClip, fps: float) -> Vector | None:
    """Flow as (right, down, speed) of each cell and part of time, of length 1, and its size on a logarithmic scale.

    Only places count whose brightness changes, so grain has no motion. Blind to colour and texture. None where next
    to nothing moves: all clips that stand still would be copies of each other.
    """
    step = max(1, round(fps / RATE)) if fps > 0 else 1
    if video.shape[2] <= step or not fps > 0 or not torch.isfinite(video).all():
        return None
    starts = np.unique(np.linspace(0, video.shape[2] - 1 - step, PAIRS).round().astype(int))
    scale = min(1.0, FLOW_SIDE / max(video.shape[-2:]))
    rows, columns = (max(1, round(size * scale)) for size in video.shape[-2:])
    small = resize(video.detach().float().cpu(), rows, columns, "area")[0].mean(0)
    total = np.zeros((PARTS, CELLS, CELLS, 3))
    for index, start in enumerate(starts.tolist()):
        one, other = (_smooth(small[place]) for place in (start, start + step))
        flow = flow_between(one, other) * (fps / step / rows)
        flow *= np.clip(cv2.absdiff(one, other) / CHANGE - 0.5, 0, 1)[..., None]
        field = np.concatenate((flow, np.hypot(flow[..., :1], flow[..., 1:])), axis=-1)
        # a wide blur before cells are read: what crosses a cell's edge must not jump
        spread = cv2.GaussianBlur(field, (0, 0), sigmaX=columns / CELLS / 2, sigmaY=rows / CELLS / 2)
        total[index * PARTS // len(starts)] += cv2.resize(spread, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    total *= PARTS / len(starts)
    size = float(np.linalg.norm(total))
    # of length 1, or little motion would be near all other little motion; how much there is, is one number beside it
    return np.append(total.ravel() / size, SIZE * math.log(size)) if total[..., 2].mean() >= STANDS else None


def _smooth(luma: Tensor) -> UInt8[np.ndarray, "rows columns"]:
    levels = luma.add(1.0).mul(127.5).round().clamp(0, 255).byte().numpy()
    return np.asarray(cv2.GaussianBlur(levels, (0, 0), 1.0))


def _mirrored_motion(vector: Vector) -> Vector:
    """The motion of the mirrored clip: cells from right to left, and what went right goes left."""
    cells = vector[:-1].reshape(PARTS, CELLS, CELLS, 3)[:, :, ::-1]
    return np.append((cells * (-1.0, 1.0, 1.0)).ravel(), vector[-1])


@dataclass(frozen=True)
class Space:
    """A way to compare clips; without `mirror` a mirrored clip's features are found in its pixels."""

    features: ClipFeatures
    mirror: Callable[[Vector], Vector] | None = None


SPACES: dict[str, Space] = {"content": Space(content), "motion": Space(motion, _mirrored_motion)}


@dataclass(frozen=True)
class Likeness:
    """One generated clip and the training clip nearest to it, as it is or mirrored."""

    clip: str
    nearest: str
    rho: float  # NaN where there is nothing to compare
    flagged: bool


@dataclass(frozen=True)
class Memorisation:
    """What one space says of a set of clips; NaN where it cannot say."""

    space: str
    clips: tuple[Likeness, ...]
    rho: Interval  # about 1 for clips as new as held-out ones
    flag_below: float  # rho of the held-out clips' 5th percentile
    flagged: Interval  # share of the clips; held-out clips have 0.05
    training_reached: Interval  # share of the training clips within reach of a generated clip that is nearest to them
    training_expected: float  # the same for as many held-out clips in place of the generated
    held_out_reached: Interval
    held_out_expected: float  # the same for as many training clips
    note: str = ""


@dataclass(frozen=True, eq=False)
class Described:
    """Clips in one space: those that can be compared, each as it is and mirrored, and the names of the others."""

    names: tuple[str, ...]
    plain: Vectors
    mirrored: Vectors
    without: tuple[str, ...] = ()

    def some(self, count: int, key: Key) -> "Described":
        """At most `count` of them, chosen by the key."""
        order = sorted(range(len(self.names)), key=lambda place: key.word(place))[:count]
        return Described(tuple(self.names[place] for place in order), self.plain[order], self.mirrored[order])


DescribedSets = Mapping[str, Described]  # by space


def describe(videos: Iterable[NamedVideo], spaces: Mapping[str, Space] = SPACES) -> dict[str, Described]:
    """Clips in each space; they are read once, one at a time, and the answer serves for any number of comparisons."""
    found: dict[str, dict[str, tuple[Vector, Vector]]] = {space: {} for space in spaces}
    names: list[str] = []
    for name, video, fps in videos:
        names.append(name)
        for space, way in spaces.items():
            plain = way.features(video, fps)
            if plain is not None:
                other = way.features(video.flip(-1), fps) if way.mirror is None else way.mirror(plain)
                found[space][name] = plain, plain if other is None else other
    if len(set(names)) < len(names):
        raise ValueError(
            f"each clip must have a name of its own, got {len(names) - len(set(names))} twice; rename them"
        )
    return {space: _set(names, vectors) for space, vectors in found.items()}


def memorisation(
    generated: DescribedSets, training: DescribedSets, held_out: DescribedSets, seed: int = 0
) -> list[Memorisation]:
    """One answer a space."""
    return [_compare(space, generated[space], training[space], held_out[space], seed) for space in generated]


def _set(names: Sequence[str], found: dict[str, tuple[Vector, Vector]]) -> Described:
    sides = [np.stack([pair[side] for pair in found.values()]) if found else np.zeros((0, 0)) for side in (0, 1)]
    return Described(tuple(found), sides[0], sides[1], tuple(name for name in names if name not in found))


def _compare(space: str, made: Described, training: Described, held_out: Described, seed: int) -> Memorisation:
    note = f"{len(made.without)} clips have nothing to compare" if made.without else ""
    if not (made.names and training.names and held_out.names):
        return _nothing(space, made, f"{note}; it needs clips of all three kinds".removeprefix("; "))
    distance, nearest = _nearest(made, training)
    apart, _ = _nearest(held_out, training)
    usual, limit = float(np.median(apart)), float(np.percentile(apart, FLAG_SHARE))
    if usual == 0:
        return _nothing(space, made, "the median held-out clip is a training clip; take other held-out clips")
    flags = distance < limit
    likenesses = [
        Likeness(name, training.names[place], float(rho), bool(flag))
        for name, place, rho, flag in zip(made.names, nearest, distance / usual, flags, strict=True)
    ]
    likenesses += [Likeness(name, "", math.nan, False) for name in made.without]
    reached, expected = {}, {}
    for name, real, other in (("training", training, held_out), ("held_out", held_out, training)):
        radius = float(np.percentile(_nearest(other, real)[0], RADIUS_SHARE))
        count = min(len(made.names), len(other.names))
        stand_in = other.some(count, Key(seed, f"coverage/{name}"))
        ours = made.some(count, Key(seed, f"coverage/{name}/made"))
        reached[name] = interval(_reached(ours, real, radius).astype(float).tolist(), seed)
        expected[name] = float(_reached(stand_in, real, radius).mean())
        if count < len(made.names):
            note = f"{note}; coverage of {name} by {count} clips, as many as there are of the other kind".removeprefix(
                "; "
            )
    return Memorisation(
        space=space,
        clips=tuple(likenesses),
        rho=interval([one.rho for one in likenesses], seed),
        flag_below=limit / usual,
        flagged=interval(flags.astype(float).tolist(), seed),
        training_reached=reached["training"],
        training_expected=expected["training"],
        held_out_reached=reached["held_out"],
        held_out_expected=expected["held_out"],
        note=note,
    )


def _nearest(clips: Described, real: Described) -> tuple[Float[np.ndarray, " clips"], np.ndarray]:
    """The distance to the nearest of the real clips, and its place; a mirrored clip counts as the same."""
    squares = np.minimum(_squares(clips.plain, real.plain), _squares(clips.mirrored, real.plain))
    places = squares.argmin(axis=1)
    return np.sqrt(squares[np.arange(len(places)), places]), places


def _squares(one: Vectors, other: Float[np.ndarray, "others features"]) -> Float[np.ndarray, "clips others"]:
    """Squared distances, one clip at a time: differences, because a copy's must be exactly 0."""
    return np.stack([((other - vector) ** 2).sum(axis=1) for vector in one])


def _reached(clips: Described, real: Described, radius: float) -> Bool[np.ndarray, " real"]:
    """Which real clips are nearest to some clip, and within the radius of it."""
    distance, places = _nearest(clips, real)
    answer = np.zeros(len(real.names), bool)
    answer[places[distance <= radius]] = True
    return answer


def _nothing(space: str, made: Described, why: str) -> Memorisation:
    none = Interval(math.nan, math.nan, math.nan, 0)
    clips = tuple(Likeness(name, "", math.nan, False) for name in (*made.names, *made.without))
    return Memorisation(space, clips, none, math.nan, none, none, math.nan, none, math.nan, why)
