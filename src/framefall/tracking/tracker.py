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
from framefall.tracking.known_scene import KnownScene
from framefall.tracking.matte import find_blobs
from framefall.tracking.point_tracks import track_points
from framefall.tracking.scenery import Scenery
from framefall.tracking.screens import find_screens
from framefall.tracking.splitting import ExpectedObject
from framefall.tracking.tracklet import Tracklet
from framefall.tracking.trajectory import Tracks, Trajectory
from framefall.tracking.working_clip import WorkingClip, working_clip, working_pictures
from framefall.video import Video

PARTLY = 0.95  # of its full area: what shows less of itself is not seen whole
FLEETING = 2  # frames: what is seen no longer, and is small, is noise
RESTLESS = 0.35  # of the picture: where so much differs from the background, it is none
MANY = 24  # objects: a scene nobody described that has more is not understood
CRUMBS, BRIEF = 8, 0.3  # more objects than this, and most of them shorter than this share of the clip, are crumbs

__all__ = ["KnownScene", "track"]


def track(video: Video, fps: float, *, scene: KnownScene | None = None) -> Tracks:
    """The objects of the first video of a batch, and what happens to them.

    Coverage is the share of due object-frames in which the object was found: vanished objects stay due until the clip
    ends, and so do those that `scene` expects and nobody saw. Any clip gives an answer: one of a single frame, of one
    colour or of noise gives coverage 0 or what can be seen in it.
    """
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"fps must be above 0, got {fps}; say how many frames a second the clip has")
    scene = scene or KnownScene()
    clip = working_clip(video)
    pictures = clip.pictures
    camera = _camera(clip, scene)
    back = find_background(pictures, camera, _known_pictures(scene, clip))
    found = None if _restless(pictures, back) else _matted(clip, back, camera, scene, fps)
    if found is not None and (scene.background is not None or (found.objects and not _chaotic(found))):
        return found
    return track_points(clip, fps, back.noise / 255)


def _camera(clip: WorkingClip, scene: KnownScene) -> np.ndarray | None:
    """The view's way in working pixels; None if it stands still."""
    if scene.camera is None:
        return find_camera(clip.pictures)
    if len(scene.camera) != len(clip.pictures):
        raise ValueError(f"camera must have one place a frame, got {len(scene.camera)} for {len(clip.pictures)} frames")
    way = np.asarray(scene.camera, dtype=float) / clip.scale
    return way if len(way) and np.ptp(way, axis=0).max() > 0 else None


def _known_pictures(scene: KnownScene, clip: WorkingClip) -> np.ndarray | None:
    if scene.background is None:
        return None
    pictures = working_pictures(scene.background)
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


def _matted(
    clip: WorkingClip, back: Background, camera: np.ndarray | None, scene: KnownScene, fps: float
) -> Tracks | None:
    """The tracks of mattes; None if there is no end of objects."""
    frames, height, width, _ = clip.pictures.shape
    boxes = [tuple(side / clip.scale for side in box) for box in scene.occluders]
    scenery = Scenery(height, width, boxes, len(boxes))  # type: ignore[arg-type]
    association = Association(scenery)
    for frame, picture in enumerate(clip.pictures):
        if camera is not None:
            scenery.view = (float(camera[frame, 0]), float(camera[frame, 1]))
        guesses = [
            _guess(tracklet, frame) for tracklet in association.tracklets if not tracklet.lost and _trusted(tracklet)
        ]
        if scene.background is None and len(association.tracklets) > MANY + CRUMBS:
            return None
        association.step(frame, find_blobs(picture, back.at(frame, picture), back.noise, guesses))
    tracklets = _lasting(association.tracklets)
    events, missing = events_of(tracklets, scenery, frames, fps)
    seen = sum(len(tracklet.frames) for tracklet in tracklets)
    absent = frames * max(0, (scene.objects or 0) - len(tracklets))
    due = seen + missing + absent
    return Tracks(
        objects=tuple(_trajectory(tracklet, clip.scale) for tracklet in tracklets),
        events=tuple(events),
        frames=frames,
        height=clip.height,
        width=clip.width,
        fps=float(fps),
        noise=back.noise / 255,
        coverage=seen / due if due else 0.0,
        camera=np.zeros((0, 2)) if camera is None else camera * clip.scale,
        screens=find_screens(back.whole[0]) if camera is None and len(back.whole) == 1 else None,
    )


def _trusted(tracklet: Tracklet) -> bool:
    """Whether a piece may be divided for its sake: what has just come up beside another may be that one's halo."""
    return tracklet.born == "start" or len(tracklet.frames) > FLEETING


def _guess(tracklet: Tracklet, frame: int) -> ExpectedObject:
    x, y = tracklet.predict(frame)
    return ExpectedObject(float(x), float(y), tracklet.radius)


def _lasting(tracklets: list[Tracklet]) -> list[Tracklet]:
    """Without what is seen for a moment only and is far smaller than the rest, or is at the border."""
    if not tracklets:
        return []
    usual = float(np.median([tracklet.area for tracklet in tracklets if len(tracklet.frames) > FLEETING] or [np.inf]))
    return [s for s in tracklets if len(s.frames) > FLEETING or s.area > 0.5 * usual]


def _trajectory(tracklet: Tracklet, scale: float) -> Trajectory:
    area = np.array([blob.area for blob in tracklet.blobs])
    return Trajectory(
        frames=np.array(tracklet.frames),
        position=np.array([blob.position for blob in tracklet.blobs]) * scale,
        area=area * scale**2,
        colour=np.array([blob.colour for blob in tracklet.blobs]),
        shape=np.array([blob.shape for blob in tracklet.blobs]),
        whole=_whole(tracklet, area),
    )


def _whole(tracklet: Tracklet, area: np.ndarray) -> np.ndarray:
    """Where it is clear of border and occluders; beside a gap, where it has its full area as well."""
    whole = np.array(tracklet.clear)
    if not whole.any():
        return whole
    full = float(np.median(area[whole]))
    frames = np.array(tracklet.frames)
    edges = np.flatnonzero(np.diff(frames) > 1)
    ends = [len(frames) - 1] if tracklet.lost else []
    starts = [0] if tracklet.born != "start" else []
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
