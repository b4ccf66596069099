"""What comes out from behind something: where, when, and whether it is still the same (the law P8)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from framefall.physics.appearance import change
from framefall.physics.evidence import NOTHING, Evidence, Finding
from framefall.physics.segmented_paths import SegmentedPath
from framefall.physics.truth import WHOLE, TrueBody, Truth

HIDDEN = 0.02  # a share of a body that is as good as none
GRACE = 3  # frames that it is due before "it never comes back" is said
FAR = 10.0  # diameters: a place of what never comes back
NEVER = "never comes back"
NOBODY = "nothing comes back from behind anything in this clip"


@dataclass(frozen=True)
class Return:
    """One passage behind something. A body that never comes back is as far off as can be."""

    away: float  # diameters, from where it should be when it is first seen whole again
    late: float  # frames; below 0 it is early
    changed: float  # beyond what counts as the same, 0 is the same (see `appearance.change`)
    back: bool = True


def returns(evidence: Evidence) -> list[Return]:
    """Every passage after which something is due, of all objects."""
    if evidence.truth is None:
        return [found for motion in evidence.motions for found in _seen_returns(evidence, motion)]
    pairs = evidence.bodies
    return [found for body, motion in pairs for found in _due_returns(evidence.truth, body, motion, evidence.fps)]


def reappearance(evidence: Evidence) -> Finding:
    """How far from where it should be something comes back, in diameters; the worst; 10 for never."""
    found = returns(evidence)
    if not found:
        return NOTHING, NOBODY
    return max(each.away for each in found), "" if all(each.back for each in found) else NEVER


def reappearance_time(evidence: Evidence) -> Finding:
    """How many frames too late or too early something comes back; the worst."""
    found = returns(evidence)
    if not found:
        return NOTHING, NOBODY
    worst = max(found, key=lambda each: abs(each.late))
    said = NEVER if not worst.back else "late" if worst.late > 1 else "early" if worst.late < -1 else ""
    return abs(worst.late), said


def reappearance_identity(evidence: Evidence) -> Finding:
    """How much what comes back has changed, beyond what counts as the same; the worst."""
    found = returns(evidence)
    if not found:
        return NOTHING, NOBODY
    return max(each.changed for each in found), "" if all(each.back for each in found) else NEVER


def _due_returns(truth: Truth, body: TrueBody, motion: SegmentedPath, fps: float) -> Iterator[Return]:
    """Passages that the scene has."""
    path = motion.path
    gone = np.flatnonzero(np.diff(np.concatenate(([0], (body.visible < HIDDEN).astype(int), [0]))))
    for start, stop in zip(gone[::2].tolist(), gone[1::2].tolist(), strict=True):
        whole = np.flatnonzero(body.visible >= WHOLE)
        earlier, later = whole[whole < start], whole[whole >= stop]
        covered = any(screen.contains(body.position[start : start + 1]).any() for screen in truth.screens)
        if len(earlier) < 2 or not len(later) or not covered:
            continue
        due = int(later[0])
        if (body.visible[due:] > 0.5).sum() < GRACE:
            continue
        # a body that went in while it should, and is seen whole again after that
        entered = np.flatnonzero(path.whole[:stop])
        back = np.flatnonzero(
            path.whole & (np.arange(truth.frames) > max(start, entered[-1] if len(entered) else start))
        )
        back = back[back >= _emptied(path.seen, start)]
        if not len(back) or not len(entered):
            yield Return(FAR, float(truth.frames - due), FAR, back=False)
            continue
        first = int(back[0])
        should = _expected(truth, body, motion, start, first, fps)
        away = float(np.linalg.norm(path.position[first] - should)) / (2 * body.radius)
        yield Return(min(FAR, away), float(first - due), change(path, entered, back, 0.5))


def _emptied(seen: np.ndarray, start: int) -> int:
    """The first frame from about `start` on in which it is not seen; 0 if it is always seen."""
    unseen = np.flatnonzero(~seen[start:])
    return start + int(unseen[0]) if len(unseen) else 0


def _expected(truth: Truth, body: TrueBody, motion: SegmentedPath, start: int, frame: int, fps: float) -> np.ndarray:
    """Where a body should be: on from its own way before, or, after a contact out of sight, where the scene has it."""
    hidden = [struck for struck in body.contact_times if start / fps - 1 <= struck <= frame / fps and struck > 0]
    unseen = [s for s in hidden if not motion.path.seen[min(int(s * fps), truth.frames - 1)]]
    frames = np.flatnonzero(motion.path.whole[:start])[-12:]
    if unseen or len(frames) < 2:
        return np.asarray(body.position[frame])
    pull = np.array([0.0, truth.gravity])
    times = (frames - frames[-1]) / fps
    bare = motion.path.position[frames] - times[:, None] ** 2 * pull / 2
    slope, place = np.polyfit(times, bare, 1)
    ahead = (frame - frames[-1]) / fps
    return np.asarray(place + slope * ahead + pull * ahead**2 / 2)


def _seen_returns(evidence: Evidence, motion: SegmentedPath) -> Iterator[Return]:
    """Passages that the tracker saw, without a scene: straight on with the acceleration from before."""
    path = motion.path
    hidden = [
        event.frame
        for event in evidence.tracks.events
        if event.kind == "reappearance" and event.explained and event.track in path.tracks
    ]
    for frame in hidden:
        earlier = np.flatnonzero(path.whole[:frame])[-12:]
        back = np.flatnonzero(path.whole & (np.arange(len(path.whole)) >= frame))
        if len(earlier) < 3 or not len(back):
            continue
        first = int(back[0])
        arc = next((arc for arc in motion.arcs if earlier[-1] in arc.frames), None)
        bends = arc.acceleration if arc is not None and len(arc.frames) >= 8 else np.zeros(2)
        times = (earlier - earlier[-1]) / evidence.fps
        slope, place = np.polyfit(times, path.position[earlier] - times[:, None] ** 2 * bends / 2, 1)
        ahead = (first - earlier[-1]) / evidence.fps
        off = path.position[first] - (place + slope * ahead + bends * ahead**2 / 2)
        speed = slope + bends * ahead
        late = -float(off @ speed) / max(float(speed @ speed), 1e-9) * evidence.fps
        yield Return(min(FAR, float(np.linalg.norm(off)) / path.size), late, change(path, earlier, back, 0.5))
