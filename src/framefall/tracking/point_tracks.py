"""Footage of which no background can be had: corner points followed by optical flow, and grouped by how they move.

Shi-Tomasi corners, pyramidal Lucas-Kanade, kept while going there and back misses by less than half a pixel. Points
that move alike for the whole clip are one object; the largest group is the scene, and the view's way if it moves.
"""

import cv2
import numpy as np

from framefall.tracking.colours import lab
from framefall.tracking.trajectory import TrackEvent, Tracks, Trajectory
from framefall.tracking.working_clip import WorkingClip

MOST = 200  # points
BACK = 0.5  # pixels by which a point may miss itself on its way there and back
ALIKE = 0.02  # of the picture's shorter side: so far may points of one group drift apart
NEAR = 0.25  # of it: so near must a point be to another of its group
STILL = 1.0  # pixels that the scene may go in a clip and be still
FEW = 4  # points that make an object
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.02)


def track_points(clip: WorkingClip, fps: float, noise: float) -> Tracks:
    """Groups of points as objects; the coverage is the share of points that could be followed to the end."""
    pictures = clip.pictures
    frames, height, width, _ = pictures.shape
    ways, alive = _ways(pictures)
    objects: list[Trajectory] = []
    camera = np.zeros((0, 2))
    share = 0.0
    if len(ways):
        share = float(alive.mean())
        groups = _groups(ways, alive, min(height, width))
        scene = max(groups, key=len, default=np.zeros(0, dtype=int))
        way = _median_way(ways, alive, scene) if len(scene) else np.zeros((frames, 2))
        still = float(np.ptp(way, axis=0).max()) < STILL
        if not still and len(groups) > 1:
            camera = -(way - way[0]) * clip.scale
        # what goes with the scene is the scene; alone in a clip, what moves may be an object
        kept = [group for group in groups if group is not scene or (len(groups) == 1 and not still)]
        objects = [_object(ways, alive, group, pictures, clip.scale) for group in kept]
    events = tuple(event for index, one in enumerate(objects) for event in _ends(index, one, frames))
    return Tracks(
        objects=tuple(objects),
        events=events,
        frames=frames,
        height=clip.height,
        width=clip.width,
        fps=float(fps),
        noise=noise,
        coverage=share,
        camera=camera,
        outlined=False,
    )


def _ways(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each point is in each frame `[points, frames, 2]`, and in which frames it is known."""
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures]
    frames = len(grey)
    nothing = np.zeros((0, frames, 2)), np.zeros((0, frames), bool)
    if frames < 3 or min(grey[0].shape) < 16:  # two frames of noise have points alike
        return nothing
    corners = cv2.goodFeaturesToTrack(grey[0], MOST, 0.02, max(3, min(grey[0].shape) // 24), blockSize=5)
    if corners is None:
        return nothing
    points = corners.reshape(-1, 2)
    ways, alive = np.zeros((len(points), frames, 2)), np.zeros((len(points), frames), bool)
    ways[:, 0], alive[:, 0] = points + 0.5, True
    height, width = grey[0].shape
    for frame in range(1, frames):
        there, found = _flow(grey[frame - 1], grey[frame], points)
        again, returned = _flow(grey[frame], grey[frame - 1], there)
        missed = np.linalg.norm(again - points, axis=1)
        inside = (there >= 0).all(axis=1) & (there[:, 0] < width) & (there[:, 1] < height)
        good = found & returned & (missed < BACK) & inside & alive[:, frame - 1]
        points = np.where(good[:, None], there, points)
        ways[:, frame], alive[:, frame] = points + 0.5, good
    return ways, alive


def _flow(one: np.ndarray, two: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where points of one grey picture are in another, and which of them were found."""
    start = points.astype(np.float32)
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        one, two, start, start.copy(), winSize=(15, 15), maxLevel=3, criteria=_STOP
    )
    return there, found[:, 0] > 0


def _groups(ways: np.ndarray, alive: np.ndarray, side: int) -> list[np.ndarray]:
    """Points that lie near each other and keep their distance, as index arrays; few points are no object."""
    lasting = np.flatnonzero(alive.mean(axis=1) > 0.5)
    left = list(lasting)
    groups = []
    drift = ways - ways[:, :1]
    while left:
        group, todo = [left[0]], [left[0]]
        left = left[1:]
        while todo and left:
            one = todo.pop()
            rest = np.array(left)
            both = alive[rest] & alive[one]
            apart = np.linalg.norm(drift[rest] - drift[one], axis=2)
            alike = (np.where(both, apart, 0).max(axis=1) < ALIKE * side) & (both.sum(axis=1) > 1)
            near = np.linalg.norm(ways[rest, 0] - ways[one, 0], axis=1) < NEAR * side
            new = rest[alike & near].tolist()
            group += new
            todo += new
            left = [index for index in left if index not in set(new)]
        if len(group) >= FEW:
            groups.append(np.array(group))
    return groups


def _median_way(ways: np.ndarray, alive: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Where the middle of a group is: its first middle, moved by the median step of the points that are known."""
    way = np.zeros((ways.shape[1], 2))
    way[0] = ways[group, 0].mean(axis=0)
    for frame in range(1, len(way)):
        known = group[alive[group, frame]]
        step = np.median(ways[known, frame] - ways[known, frame - 1], axis=0) if len(known) else np.zeros(2)
        way[frame] = way[frame - 1] + step
    return way


def _object(ways: np.ndarray, alive: np.ndarray, group: np.ndarray, pictures: np.ndarray, scale: float) -> Trajectory:
    way = _median_way(ways, alive, group)
    known = np.flatnonzero(alive[group].mean(axis=0) > 0.3)
    spread = ways[group, 0]
    hull = cv2.contourArea(cv2.convexHull(spread.astype(np.float32)))
    height, width = pictures.shape[1:3]
    colours = []
    for frame in known:
        points = ways[group[alive[group, frame]], frame].astype(int)
        seen = pictures[frame, np.clip(points[:, 1], 0, height - 1), np.clip(points[:, 0], 0, width - 1)]
        colours.append(lab(seen.mean(axis=0) / 255))
    count = len(known)
    return Trajectory(
        frames=known,
        position=way[known] * scale,
        area=np.full(count, max(float(hull), float(len(group))) * scale**2),
        colour=np.array(colours).reshape(count, 3),
        shape=np.zeros((count, 4)),
        whole=alive[group].mean(axis=0)[known] > 0.8,
    )


def _ends(index: int, one: Trajectory, frames: int) -> list[TrackEvent]:
    events = [TrackEvent("birth", int(one.frames[0]), index, explained=True, by="start")]
    if one.frames[-1] < frames - 1:
        events.append(TrackEvent("death", int(one.frames[-1]) + 1, index, explained=True, by="lost"))
    return events
