"""Do things stay there, and where they were going? Permanence and continuity (the laws P1 and P2)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from framefall.physics.evidence import NOTHING, Evidence, Finding
from framefall.physics.paths import radius_of
from framefall.physics.segmented_paths import SegmentedPath
from framefall.physics.truth import TrueBody, Truth

DUE = 0.5  # of a body must be to be seen for it to be due
GONE = 0.5  # less of it than this was left in view or before a screen: it went there
JUMP = 10.0  # diameters: a worse jump than this is no worse
SHORT = 0.25  # seconds without a sight that a way is followed over
HALF = 0.6  # diameters by which the centre of what is partly hidden may be off


@dataclass(frozen=True, eq=False)
class Presence:
    """The frames in which one body is due, and those of them in which it was seen."""

    due: Bool[np.ndarray, " frames"]
    seen: Bool[np.ndarray, " frames"]

    @property
    def share(self) -> float:
        """Seen of due; 1 if it was never due."""
        due = int(self.due.sum())
        return float((self.seen & self.due).sum()) / due if due else 1.0


def presences(evidence: Evidence) -> list[Presence]:
    """Of every body of the scene."""
    assert evidence.truth is not None
    return [_presence(body, motion, evidence.truth, evidence.fps) for body, motion in evidence.bodies]


def coverage(evidence: Evidence) -> float:
    """The share of due object-frames that were seen: of the worst body if the scene is known."""
    if evidence.truth is None:
        return evidence.tracks.coverage
    return min(presence.share for presence in presences(evidence))


def permanence(evidence: Evidence) -> Finding:
    """1 - (unexplained missing object-frames + those of unexplained objects) / due object-frames, at least 0."""
    if evidence.truth is None:
        return _permanence_of_events(evidence)
    found = presences(evidence)
    due = sum(int(presence.due.sum()) for presence in found)
    missing = due - sum(int((presence.seen & presence.due).sum()) for presence in found)
    # whatever is no body of the scene is seen where nothing is due, and one frame of it is noise
    more = sum(n for n in (int(motion.path.seen.sum()) for motion in evidence.unmatched) if n > 1)
    if due == 0:
        return NOTHING, "nothing is due in this clip"
    said = [f"{missing} object-frames missing"] * bool(missing) + [f"{more} of things not in the scene"] * bool(more)
    return max(0.0, 1.0 - (missing + more) / due), ", ".join(said)


def continuity(evidence: Evidence) -> Finding:
    """The largest miss of a constant acceleration's prediction from three frames, in diameters.

    Where a contact explains a miss, or may, only a step counts that is longer than the steps before and after it: no
    blow makes one. The same over short gaps; half a diameter is forgiven where something is partly hidden.
    """
    worst, count = 0.0, 0
    for motion in evidence.motions:
        path = motion.path
        contacts = [changepoint.frames for changepoint in motion.changepoints if changepoint.explained]
        for frame in np.flatnonzero(path.whole[:-3] & path.whole[1:-2] & path.whole[2:-1] & path.whole[3:]).tolist():
            window = slice(frame, frame + 4)
            miss = float(np.linalg.norm(np.diff(path.position[window], 3, axis=0)[0]))
            touched = any(first < frame + 3 and last > frame for first, last in contacts)
            if evidence.truth is None:  # nobody knows what may be touched: wherever an arc ends
                touched |= not any(np.isin(np.arange(frame, frame + 4), arc.frames).all() for arc in motion.arcs)
            if touched or _may_touch(evidence, motion, window):
                miss = _excess(np.linalg.norm(np.diff(path.position[window], axis=0), axis=1), evidence)
            worst, count = max(worst, miss / path.size), count + 1
        for miss in _jumps(evidence, motion):
            worst, count = max(worst, miss), count + 1
    if not count:
        return NOTHING, "no object is seen in four frames in a row"
    return min(worst, JUMP), ""


def _excess(steps: Float[np.ndarray, "3"], evidence: Evidence) -> float:
    """By how much the middle one of three steps is longer than a contact in it allows, in pixels."""
    falls = (
        evidence.truth.gravity / evidence.fps**2 if evidence.truth is not None else float(np.abs(np.diff(steps)).min())
    )
    return max(0.0, float(steps[1] - max(steps[0], steps[2])) - falls)


def _jumps(evidence: Evidence, motion: SegmentedPath) -> Iterator[float]:
    """How far, in diameters, an object is from its way on where it is lost for a moment or partly hidden."""
    path = motion.path
    seen = np.flatnonzero(path.seen)
    for left, right in zip(seen[1:-1].tolist(), seen[2:].tolist(), strict=True):
        before = np.flatnonzero(path.seen[:left])[-1]
        wholly = bool(path.whole[[before, left, right]].all()) and right == left + 1
        if wholly or (right - left) > max(2, SHORT * evidence.fps) or left - before > 2:
            continue
        speed = (path.position[left] - path.position[before]) / (left - before)
        steps = right - left
        fall = evidence.truth.gravity / evidence.fps**2 if evidence.truth is not None else 0.0
        ahead = path.position[left] + steps * speed + np.array([0.0, fall * steps * (steps + left - before) / 2])
        far = float(np.linalg.norm(path.position[right] - ahead))
        straight = float(np.linalg.norm(path.position[right] - path.position[left]))
        # a contact meanwhile brings it less far than its speed does
        far = min(far, max(0.0, straight - steps * float(np.linalg.norm(speed)) - fall * steps**2))
        yield max(0.0, far / path.size - HALF)


def _may_touch(evidence: Evidence, motion: SegmentedPath, frames: slice) -> bool:
    """Whether something is so near that a contact between these frames could not be told from a jump."""
    path = motion.path
    places = path.position[frames]
    step = float(np.median(np.linalg.norm(np.diff(places, axis=0), axis=1)))  # a single jump does not count
    inner, reach = radius_of(path, evidence.truth)
    for solid in evidence.truth.solids if evidence.truth is not None else ():
        gap = solid.signed_distance(places)[0]
        slides = np.ptp(gap) < 0.05 * path.size and gap.max() < reach + 1.0
        if not slides and (gap < max(reach, inner) + step).any():
            return True
    for other in evidence.paths:
        if other is not path:
            apart = np.linalg.norm(other.position[frames] - places, axis=1)
            steps = (
                float(np.nanmedian(np.linalg.norm(np.diff(other.position[frames], axis=0), axis=1)))
                if other.seen[frames].all()
                else 0.0
            )
            if (apart < reach + radius_of(other, evidence.truth)[1] + step + steps).any():
                return True
    return False


def _presence(body: TrueBody, motion: SegmentedPath, truth: Truth, fps: float) -> Presence:
    path = motion.path
    due = body.visible >= DUE
    seen = path.seen.copy()
    excused = np.zeros_like(due)
    runs = np.flatnonzero(np.diff(np.concatenate(([0], (~seen).astype(int), [0]))))
    for start, stop in zip(runs[::2].tolist(), runs[1::2].tolist(), strict=True):
        if start > 0:
            excused[start:stop] = _excused(motion, truth, start, stop, fps)
    return Presence((due & ~excused) | seen, seen)


def _excused(motion: SegmentedPath, truth: Truth, start: int, stop: int, fps: float) -> Bool[np.ndarray, " run"]:
    """The frames of a run without it in which it had gone behind a screen or out of the picture by itself."""
    path = motion.path
    frames = np.arange(start, stop)
    recent = np.flatnonzero(path.seen[:start])[-4:]
    if len(recent) < 2:
        return np.zeros(len(frames), bool)
    speed = (path.position[recent[-1]] - path.position[recent[0]]) / (recent[-1] - recent[0])
    fall = np.array([0.0, 0.5 * truth.gravity / fps**2])
    steps = (frames - recent[-1])[:, None]
    # where it would have gone; a step's mean speed is half a run's time old
    old = (recent[-1] - recent[0]) / 2
    ahead = path.position[recent[-1]] + steps * (speed + 2 * fall * old) + fall * steps**2
    shares = truth.visible_share(ahead, path.size / 2, frames)
    last = path.position[recent[-1:]]
    left = float(truth.visible_share(last, path.size / 2, recent[-1:])[0])
    # what was on its way out of something has not gone behind it
    if shares[0] >= (0.8 if left < 0.9 and not path.whole[recent[-1]] else GONE) or shares[0] > left:
        return np.zeros(len(frames), bool)
    corner = truth.camera[start]
    middle = ahead[0] - corner
    border = bool(((middle < 0) | (middle > (truth.width, truth.height))).any())
    near = np.minimum(last[0] - corner, (truth.width, truth.height) - (last[0] - corner)).min() < path.size
    behind = any(screen.signed_distance(ahead[:1])[0][0] < path.size / 4 for screen in truth.screens)
    return np.ones(len(frames), bool) if (border or near) and not behind else shares < GONE


def _permanence_of_events(evidence: Evidence) -> Finding:
    """The same without a scene: what the tracker could not explain."""
    tracks = evidence.tracks
    frames = tracks.frames
    seen = sum(len(one.frames) for one in tracks.objects)
    missing = more = 0
    for event in tracks.events:
        if event.explained or event.kind not in ("birth", "death"):
            continue
        later = tracks.objects[event.track].frames
        if event.kind == "death":
            back = later[later >= event.frame]
            missing += (int(back[0]) if len(back) else frames) - event.frame
        elif not (later < event.frame).any():  # it was not there before
            more += int((later >= event.frame).sum())
    if not seen:
        return NOTHING, "nothing was found that moves"
    return max(0.0, 1.0 - (missing + more) / (seen + missing)), ""
