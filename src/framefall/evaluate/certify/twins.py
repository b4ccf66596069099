"""Valid clips and their broken twins, so matched that nothing but physics tells them apart.

Less foreground is easier to denoise, so a twin in which something is missing would win unseen. Where a violation
changes only how a body looks, whether it is there, or which of two right ways it goes, two valid clips and two broken
ones hold the very same frames (as IntPhys does, Riochet et al. 2018): A and B are valid throughout, the broken ones
are A with the wrong frames of B and B with those of A. Elsewhere a pair must have nearly the same foreground in every
frame, which wrong dynamics seldom leave.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from framefall.noise import Key
from framefall.video import Video, from_pixels
from framefall.worlds.render.renderer import View, render
from framefall.worlds.state import Appearance, StateLog, Track, frame_times
from framefall.worlds.violations.continuation import joined
from framefall.worlds.violations.events import clearance
from framefall.worlds.violations.registry import VIOLATIONS, matched_pair
from framefall.worlds.world import World

UNLIKE = 0.15  # how much of its largest foreground a pair may differ by in a frame
_WAYS = ("teleport", "other_height", "exit_late", "reverse_behind")  # after which all is right again
_CHECKS, _TOUCH = 40, 0.05  # moments of a way that are looked at; heights that corners may come too near
_DRAWS = 30  # scenes looked at for each pair that is wanted

Frames = Bool[np.ndarray, " frames"]


@dataclass(frozen=True, eq=False)
class Trial:
    """One question: are the valid clips likelier than the broken ones? Both hold one clip, or two that were swapped."""

    name: str
    violation: str
    valid: Video
    broken: Video
    fps: float
    captions: tuple[str | None, ...]  # of each valid clip and of the broken one that begins like it

    def __post_init__(self) -> None:
        if self.valid.shape != self.broken.shape or len(self.captions) != len(self.valid):
            raise ValueError(
                f"a trial must have as many broken clips and captions as valid clips, of one size; got"
                f" {list(self.valid.shape)}, {list(self.broken.shape)} and {len(self.captions)} captions"
            )

    @property
    def unlikeness(self) -> float:
        """The largest difference of the two sides' foreground in a frame, as a share of the most there ever is."""
        still = background(torch.cat((self.valid, self.broken)))
        valid, broken = ((side - still).abs().mean(dim=(0, 1, 3, 4)) for side in (self.valid, self.broken))
        most = float(valid.maximum(broken).max())
        return float((valid - broken).abs().max()) / most if most else 0.0


def background(videos: Video) -> Float[Tensor, "channels 1 height width"]:
    """What stands still: the median of each pixel over all frames of all clips, one for both sides of a trial."""
    frames = videos.transpose(0, 1).flatten(1, 2)
    return frames.median(dim=1, keepdim=True).values


def swapped(
    one: Video, other: Video, frames: Frames, name: str, violation: str, fps: float, captions: tuple[str | None, ...]
) -> Trial:
    """Two valid clips against the same two with some of their `frames` exchanged."""
    if not 0 < frames.sum() < len(frames):
        raise ValueError(f"some frames must be exchanged and some not, got {int(frames.sum())} of {len(frames)}")
    valid = torch.cat((one, other))
    broken = valid.clone()
    places = np.flatnonzero(frames)
    broken[0, :, places], broken[1, :, places] = other[0, :, places], one[0, :, places]
    return Trial(name, violation, valid, broken, fps, captions)


def world_trial(
    log: StateLog, violation: str, view: View, fps: float, frames: int, key: Key, caption: str | None = None
) -> Trial:
    """A log and its broken twin as a trial, by four clips where that can be, else by two.

    A swapped trial has no captions: they would say which of the two looks is the right one. ValueError where the
    violation makes no sense in the log.
    """
    valid, broken = matched_pair(log, violation, key)
    times = frame_times(frames, fps)
    name = f"{log.scene.key}/{violation}"

    def drawn(*logs: StateLog) -> list[Tensor]:
        return list(from_pixels(render(list(logs), [times] * len(logs), view)).split(1))

    right, wrong = drawn(valid, broken)
    places = times >= broken.violation_time
    otherwise = _looking_so(valid, broken, times)
    others = iter([otherwise]) if otherwise else ((other, places) for other in _going_so(valid, broken))
    for other, exchanged in others:
        if 0 < exchanged.sum() < frames:
            (like,) = drawn(other)
            # with its frames the valid clip must be the broken one, or it is no counterpart
            if torch.equal(like[:, :, exchanged], wrong[:, :, exchanged]):
                return swapped(right, like, exchanged, name, violation, fps, (None, None))
    return Trial(name, violation, right, wrong, fps, (caption,))


def world_trials(
    world: World, violation: str, count: int, view: View, fps: float, frames: int, seed: int = 0, captions: bool = True
) -> Iterator[Trial]:
    """Up to `count` trials of a violation from a world's scenes, in their order, with or without captions.

    Pairs of unlike foreground are left out. Fewer come where few scenes have the violation, or few pairs are alike.
    """
    found = 0
    for index in range(min(len(world), _DRAWS * count)):
        log = world.log(index)
        if found == count:
            return
        if not VIOLATIONS[violation].applies(log):
            continue
        caption = world.caption(index) if captions else None
        key = Key(seed, "twins", f"{log.scene.key}/{violation}")
        trial = world_trial(log, violation, view, fps, frames, key, caption)
        different = bool((trial.valid != trial.broken).any())
        if different and trial.unlikeness <= UNLIKE:
            found += 1
            yield trial


def _looking_so(
    valid: StateLog, broken: StateLog, times: Float[np.ndarray, " frames"]
) -> tuple[StateLog, Frames] | None:
    """The valid log whose body looks all the time as it wrongly does, and the frames in which it does so wrongly.

    None where more than one look is wrong (a drift), where a body is added, or where what is wrong is the way.
    """
    if set(valid.tracks) != set(broken.tracks) or valid.tracks != broken.tracks:
        return None
    wrong: dict[str, tuple[Appearance, Frames]] = {}
    for name in valid.tracks:
        right, seen = (_looks(log, name, times) for log in (valid, broken))
        places = np.array([a != b for a, b in zip(right, seen, strict=True)])
        if places.any():
            kinds = {seen[place] for place in np.flatnonzero(places)}
            if len(kinds) > 1 or len(set(right)) > 1:
                return None
            wrong[name] = (kinds.pop(), places)
    if len(wrong) != 1:
        return None
    (name, (look, places)), *_ = wrong.items()
    return replace(valid, looks={**(valid.looks or {}), name: (look,)}), places


def _going_so(valid: StateLog, broken: StateLog) -> Iterator[StateLog]:
    """Valid logs in which the body has always gone the way that it wrongly takes: back along its even flight.

    That is a jump (or a wait, or a turn) between two ways that are both right. Only where that flight meets nothing.
    """
    start = broken.violation_time
    changed = [name for name in valid.tracks if valid.tracks[name] != broken.tracks.get(name)]
    if (
        start is None
        or broken.violation not in _WAYS
        or len(changed) != 1
        or set(valid.tracks) != set(broken.tracks)
        or valid.looks != broken.looks
    ):
        return
    (name,) = changed
    if next(body for body in valid.scene.bodies if body.name == name).pivot is not None:
        return
    track = broken.tracks[name]
    for since in dict.fromkeys([start, *(knot[0] for knot in track.knots if knot[0] > start)]):
        if since < valid.scene.seconds:
            time, x, y, vx, vy, turn, spin = track.knot(since)
            up = vy + valid.scene.gravity * time
            first = (0.0, x - vx * time, y - (vy + up) / 2 * time, vx, up, turn - spin * time, spin)
            before = Track((first, (time, x, y, vx, vy, turn, spin)))
            other = replace(broken, tracks={**valid.tracks, name: joined(before, time, track.since(time))})
            if _is_free(other, name, before, time):
                yield replace(other, violation="", violation_time=None)


def _is_free(log: StateLog, name: str, track: Track, until: float) -> bool:
    """Whether a body meets nothing that is in view before that moment."""
    size = next(body for body in log.scene.bodies if body.name == name).radius
    camera = log.scene.camera
    solid = tuple(fixture for fixture in log.scene.fixtures if not fixture.front)
    bare = replace(log, scene=replace(log.scene, fixtures=solid))
    for time in np.linspace(0.0, until, _CHECKS):
        place = np.asarray(track.knot(float(time))[1:3])
        inside = place - np.asarray(camera.start) - time * np.asarray(camera.velocity)
        seen = bool((inside > size).all() and (inside < np.array([log.scene.width, 1.0]) - size).all())
        if seen and clearance(bare, float(time), name, place) < -_TOUCH:
            return False
    return True


def _looks(log: StateLog, name: str, times: np.ndarray) -> list[Appearance]:
    """How a body looks in each frame, whenever it began to."""
    return [replace(look, time=-1.0) for look in log.appearances_at(name, times)]
