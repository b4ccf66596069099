"""Objects of a clip, found and followed: mattes before a background, or points where there is none to be had.

Everything is looked at with at most `picture.LARGEST` pixels on the shorter side (a larger clip is averaged down
first), and told in the pixels of the clip as it was given.
"""

import math

import numpy as np

from framefall.tracking.association import Association
from framefall.tracking.background import Background, find_background
from framefall.tracking.camera import find_camera
from framefall.tracking.events import events_of
from framefall.tracking.known import Known
from framefall.tracking.matte import find_blobs
from framefall.tracking.parts import Guess
from framefall.tracking.picture import Clip, look, pictures_of
from framefall.tracking.points import follow_points
from framefall.tracking.scenery import Scenery
from framefall.tracking.strand import Strand
from framefall.tracking.trajectory import Tracks, Trajectory
from framefall.video import Video

PARTLY = 0.95  # of its full area: what shows less of itself is not seen whole
FLEETING = 2  # frames: what is seen no longer, and is small, is noise
RESTLESS = 0.35  # of the picture: where so much differs from the background, it is none
MANY = 24  # objects: a scene nobody described that has more is not understood
CRUMBS, BRIEF = 8, 0.3  # more objects than this, and most of them shorter than this share of the clip, are crumbs

__all__ = ["Known", "track"]


def track(video: Video, fps: float, *, scene: Known | None = None) -> Tracks:
    """The objects of the first video of a batch, and what happens to them.

    Coverage is the share of due object-frames in which the object was found: vanished objects stay due until the clip
    ends, and so do those that `scene` expects and nobody saw. Any clip gives an answer: one of a single frame, of one
    colour or of noise gives coverage 0 or what can be seen in it.
    """
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"fps must be above 0, got {fps}; say how many frames a second the clip has")
    scene = scene or Known()
    clip = look(video)
    pictures = clip.pictures
    camera = _camera(clip, scene)
    back = find_background(pictures, camera, _known_pictures(scene, clip))
    found = None if _restless(pictures, back) else _matted(clip, back, camera, scene, fps)
    if found is not None and (scene.background is not None or (found.objects and not _chaotic(found))):
        return found
    return follow_points(clip, fps, back.noise / 255)


def _camera(clip: Clip, scene: Known) -> np.ndarray | None:
    """The view's way in working pixels; None if it stands still."""
    if scene.camera is None:
        return find_camera(clip.pictures)
    if len(scene.camera) != len(clip.pictures):
        raise ValueError(f"camera must have one place a frame, got {len(scene.camera)} for {len(clip.pictures)} frames")
    way = np.asarray(scene.camera, dtype=float) / clip.scale
    return way if len(way) and np.ptp(way, axis=0).max() > 0 else None


def _known_pictures(scene: Known, clip: Clip) -> np.ndarray | None:
    if scene.background is None:
        return None
    pictures = pictures_of(scene.background)
    if pictures.shape[1:3] != clip.pictures.shape[1:3] or len(pictures) not in (1, len(clip.pictures)):
        raise ValueError(
            f"a known background must have the clip's size and 1 or {len(clip.pictures)} pictures, got "
            f"{tuple(scene.background.shape[2:])} for a clip of {len(clip.pictures)}, {clip.height}, {clip.width}"
        )
    return pictures


def _restless(pictures: np.ndarray, back: Background) -> bool:
    """Whether most of the picture is not the background most of the time: then it is no background."""
    frames = np.unique(np.linspace(0, len(pictures) - 1, 7).astype(int))
    limit = max(30.0, 6 * back.noise)
    shares = []
    for frame in frames:
        apart = np.abs(pictures[frame, ::2, ::2].astype(np.int16) - back.at(int(frame), pictures[frame])[::2, ::2])
        shares.append(float((apart.max(axis=2) > limit).mean()))
    return float(np.median(shares)) > RESTLESS


def _chaotic(found: Tracks) -> bool:
    """Whether what was found is crumbs rather than objects: many, and most of them gone at once."""
    lives = [len(one.frames) / found.frames for one in found.objects]
    return len(lives) > MANY or (len(lives) > CRUMBS and float(np.median(lives)) < BRIEF)


def _matted(clip: Clip, back: Background, camera: np.ndarray | None, scene: Known, fps: float) -> Tracks | None:
    """The tracks of mattes; None if there is no end of objects."""
    frames, height, width, _ = clip.pictures.shape
    boxes = [tuple(side / clip.scale for side in box) for box in scene.occluders]
    scenery = Scenery(height, width, boxes, len(boxes))  # type: ignore[arg-type]
    association = Association(scenery)
    for frame, picture in enumerate(clip.pictures):
        if camera is not None:
            scenery.view = (float(camera[frame, 0]), float(camera[frame, 1]))
        guesses = [_guess(strand, frame) for strand in association.strands if not strand.lost and _trusted(strand)]
        if scene.background is None and len(association.strands) > MANY + CRUMBS:
            return None
        association.step(frame, find_blobs(picture, back.at(frame, picture), back.noise, guesses))
    strands = _lasting(association.strands)
    events, missing = events_of(strands, scenery, frames, fps)
    seen = sum(len(strand.frames) for strand in strands)
    absent = frames * max(0, (scene.objects or 0) - len(strands))
    due = seen + missing + absent
    return Tracks(
        objects=tuple(_trajectory(strand, clip.scale) for strand in strands),
        events=tuple(events),
        frames=frames,
        height=clip.height,
        width=clip.width,
        fps=float(fps),
        noise=back.noise / 255,
        coverage=seen / due if due else 0.0,
        camera=np.zeros((0, 2)) if camera is None else camera * clip.scale,
    )


def _trusted(strand: Strand) -> bool:
    """Whether a piece may be divided for its sake: what has just come up beside another may be that one's halo."""
    return strand.born == "start" or len(strand.frames) > FLEETING


def _guess(strand: Strand, frame: int) -> Guess:
    x, y = strand.place(frame)
    return Guess(float(x), float(y), strand.radius)


def _lasting(strands: list[Strand]) -> list[Strand]:
    """Without what is seen for a moment only and is far smaller than the rest, or is at the border."""
    if not strands:
        return []
    usual = float(np.median([strand.area for strand in strands if len(strand.frames) > FLEETING] or [np.inf]))
    return [s for s in strands if len(s.frames) > FLEETING or s.area > 0.5 * usual]


def _trajectory(strand: Strand, scale: float) -> Trajectory:
    area = np.array([blob.area for blob in strand.blobs])
    return Trajectory(
        frames=np.array(strand.frames),
        position=np.array([blob.place for blob in strand.blobs]) * scale,
        area=area * scale**2,
        colour=np.array([blob.colour for blob in strand.blobs]),
        shape=np.array([blob.shape for blob in strand.blobs]),
        whole=_whole(strand, area),
    )


def _whole(strand: Strand, area: np.ndarray) -> np.ndarray:
    """Where it is clear of border and occluders; beside a gap, where it has its full area as well."""
    whole = np.array(strand.clear)
    if not whole.any():
        return whole
    full = float(np.median(area[whole]))
    frames = np.array(strand.frames)
    edges = np.flatnonzero(np.diff(frames) > 1)
    ends = [len(frames) - 1] if strand.lost else []
    starts = [0] if strand.born != "start" else []
    for index, step in [
        *((int(e), -1) for e in edges),
        *((int(e) + 1, 1) for e in edges),
        *((e, -1) for e in ends),
        *((s, 1) for s in starts),
    ]:
        while 0 <= index < len(area) and area[index] < PARTLY * full:
            whole[index] = False
            index += step
    return whole
