"""What is known of the scene that a clip should show, in the clip's own pixels, and the tracks of a perfect tracker.

Places are in pixels of the first view: x to the right, y downwards, from the upper left corner that the picture has
in frame 0. A camera that moves is taken out: a place in frame f's picture is the place here less `camera[f]`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from framefall.physics.static_shapes import StaticShape
from framefall.tracking.colours import lab
from framefall.tracking.trajectory import TrackEvent, Tracks, Trajectory
from framefall.worlds.render.visibility import halton, visible_fraction
from framefall.worlds.scene import Attributes, Body, Fixture, rgb
from framefall.worlds.shapes import OUTLINES, outline, reach
from framefall.worlds.splits import version_of
from framefall.worlds.state import StateLog, frame_times

INSIDE = {"ball": 1.0, "box": 0.8862, "diamond": 0.8862, "triangle": 0.7776}  # largest disc inside, in radii
LEAST = 0.05  # of a body must show for a tracker to find it
WHOLE = 0.995  # from this share on nothing of a body counts as hidden


@dataclass(frozen=True, eq=False)
class TrueBody:
    """One body and what it should do."""

    name: str
    shape: str
    colour: Float[np.ndarray, "3"]  # CIE Lab
    radius: float  # pixels, of the disc of the same area
    mass: float  # pixels squared, times the density
    release: float  # seconds for which it is held still
    pivot: Float[np.ndarray, "2"] | None
    position: Float[np.ndarray, "frames 2"]
    velocity: Float[np.ndarray, "frames 2"]  # pixels a second
    visible: Float[np.ndarray, " frames"]  # the share of it that is to be seen, 0..1
    contact_times: tuple[float, ...]  # seconds, when something touches it
    corners: Float[np.ndarray, "corners 2"]  # of its outline as it is turned at first; none for a ball

    @property
    def inside(self) -> float:
        """The radius of the largest disc in it: what overlaps with this is inside, however it is turned."""
        return INSIDE[self.shape] * self.radius

    @property
    def reach(self) -> float:
        """From its centre to its farthest point."""
        return reach(self.shape, self.radius)

    def extent(self, ways: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
        """How far it reaches from its centre in directions of length 1, turned as it is at first."""
        return (ways @ self.corners.T).max(axis=1) if len(self.corners) else np.full(len(ways), self.radius)


@dataclass(frozen=True, eq=False)
class Truth:
    """A scene and what happens in it, at the frames of one clip."""

    attributes: Attributes
    gravity: float  # pixels a second squared, downwards
    restitution: float
    friction: float
    bodies: tuple[TrueBody, ...]
    solids: tuple[StaticShape, ...]
    screens: tuple[StaticShape, ...]  # they hide what is behind them
    camera: Float[np.ndarray, "frames 2"]  # where the view has gone since frame 0
    light: Float[np.ndarray, " frames"]  # degrees; 0 is from the right, 90 from above
    fps: float
    height: int
    width: int
    given: int  # frames that a model was shown: they count for nothing
    ideal: Tracks  # what a perfect tracker would find
    version: int = 1  # of the world: what sizes the words of its caption stand for

    @property
    def frames(self) -> int:
        """Frames of the clip."""
        return len(self.camera)

    def visible_share(
        self, places: Float[np.ndarray, "n 2"], radius: float, frames: Int[np.ndarray, " n"]
    ) -> np.ndarray:
        """How much of a disc is in view and behind no screen, put at these places in these frames."""
        corner = self.camera[np.clip(frames, 0, self.frames - 1)]
        points = places[:, None] + radius * _DISC
        view = points - corner[:, None]
        seen = ((view >= 0) & (view <= (self.width, self.height))).all(-1)
        for screen in self.screens:
            seen &= ~screen.contains(points)
        return np.asarray(seen.mean(axis=1))


def project(log: StateLog, frames: int, fps: float, height: int, width: int, start: int = 0, given: int = 0) -> Truth:
    """A flat log as a clip of `frames` frames from frame `start` on should show it; `given` frames were shown."""
    if any(len(body.position) != 2 for body in log.scene.bodies):
        raise ValueError(f"laws need a flat scene, and {log.scene.key} has depth; judge its clips without a scene")
    if not (frames > 0 and fps > 0 and height > 0 and width > 0):
        raise ValueError(f"frames, fps, height and width must be above 0, got {frames}, {fps}, {height} and {width}")
    scene, times = log.scene, frame_times(frames, fps, start)
    visible = visible_fraction(log, times)
    bodies = tuple(_body(log, body, times, height, visible[body.name]) for body in scene.bodies)
    fixed = [fixture for fixture in scene.fixtures if fixture.follows is None]
    return Truth(
        attributes=scene.attributes,
        gravity=scene.gravity * height,
        restitution=scene.restitution,
        friction=scene.friction,
        bodies=bodies,
        solids=tuple(_solid(fixture, log, times[0], height) for fixture in fixed if fixture.solid),
        screens=tuple(_solid(fixture, log, times[0], height) for fixture in fixed if fixture.front),
        camera=(times - times[0])[:, None] * np.asarray(scene.camera.velocity) * (height, -height),
        light=scene.light.angle + scene.light.turn * times,
        fps=fps,
        height=height,
        width=width,
        given=given,
        ideal=ideal_tracks(log, frames, fps, height, width, start),
        version=version_of(scene.key),
    )


def ideal_tracks(log: StateLog, frames: int, fps: float, height: int, width: int, start: int = 0) -> Tracks:
    """What a perfect tracker finds in a log, broken ones too: one trajectory a body that shows itself."""
    times = frame_times(frames, fps, start)
    camera = (times - times[0])[:, None] * np.asarray(log.scene.camera.velocity) * (height, -height)
    visible = visible_fraction(log, times)
    objects: list[Trajectory] = []
    events: list[TrackEvent] = []
    screens = [_solid(f, log, times[0], height) for f in log.scene.fixtures if f.front and f.follows is None]
    for body in log.scene.bodies:
        found = np.flatnonzero(visible[body.name] >= LEAST)
        if not len(found):
            continue
        looks = log.appearances_at(body.name, times[found])
        world = log.tracks[body.name].at(times[found]).position
        place = _places(world, log, times[0], height) - camera[found]
        share = visible[body.name][found]
        area = np.pi * np.array([look.radius for look in looks]) ** 2 * height**2
        objects.append(
            Trajectory(
                frames=found,
                position=place,
                area=area * share,
                colour=np.array([lab(np.array(rgb(look.colour))) for look in looks]),
                shape=np.stack([MOMENTS[look.shape] for look in looks]),
                whole=share >= WHOLE,
            )
        )
        events += _events(len(objects) - 1, objects[-1], place + camera[found], screens, frames, (width, height))
    return Tracks(
        objects=tuple(objects),
        events=tuple(sorted(events, key=lambda event: event.frame)),
        frames=frames,
        height=height,
        width=width,
        fps=float(fps),
        noise=0.0,
        coverage=1.0,
        camera=camera,
    )


def _events(
    index: int, one: Trajectory, place: np.ndarray, screens: list[StaticShape], frames: int, size: tuple[int, int]
) -> list[TrackEvent]:
    """Births, deaths and gaps, each explained by the picture's border or a screen if that is near."""
    events = []
    edges = np.flatnonzero(np.diff(one.frames) > 1)
    starts, ends = np.concatenate(([0], edges + 1)), np.concatenate((edges, [len(one.frames) - 1]))
    for run, (first, last) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        for at, kind in ((first, "birth"), (last, "death")):
            frame = int(one.frames[at]) + (kind == "death")
            if frame == 0 or frame == frames:
                continue
            inner = (run > 0 and kind == "birth") or (run < len(starts) - 1 and kind == "death")
            by = _hider(place[at], one.size, one.position[at], bool(one.whole[at]), screens, size)
            gap = {"birth": "reappearance", "death": "occlusion"}[kind]
            named = gap if inner and by == "occluder" else kind
            events.append(TrackEvent(named, frame, index, bool(by), by))  # type: ignore[arg-type]
    return events


def _hider(
    place: np.ndarray, size: float, seen: np.ndarray, whole: bool, screens: list[StaticShape], view: tuple[int, int]
) -> str:
    """What an object is near to that can hide it."""
    if any(screen.signed_distance(place[None])[0][0] < 0.75 * size for screen in screens):
        return "occluder"
    edge = min(*seen, *(np.asarray(view) - seen))
    return "border" if edge < 0.75 * size and not (whole and edge > size) else ""


def _body(log: StateLog, body: Body, times: np.ndarray, height: int, visible: np.ndarray) -> TrueBody:
    state = log.tracks[body.name].at(times)
    cosine, sine = np.cos(state.rotation[0, 0]), np.sin(state.rotation[0, 0])
    turned = outline(body.shape, body.radius) @ np.array([[cosine, sine], [-sine, cosine]])
    pivot = None if body.pivot is None else _places(np.array([body.pivot]), log, times[0], height)[0]
    return TrueBody(
        name=body.name,
        shape=body.shape,
        colour=np.array(lab(np.array(rgb(body.colour)))),
        radius=body.radius * height,
        mass=body.density * np.pi * (body.radius * height) ** 2,
        release=body.release - times[0],
        pivot=pivot,
        position=_places(state.position, log, times[0], height),
        velocity=state.velocity * (height, -height),
        visible=visible,
        contact_times=tuple(c.time - times[0] for c in log.contacts if body.name in (c.first, c.second)),
        corners=turned * (height, -height),
    )


def _places(points: np.ndarray, log: StateLog, first: float, height: int) -> np.ndarray:
    """World points in pixels of the view at the first frame."""
    camera = log.scene.camera
    corner = np.asarray(camera.start) + first * np.asarray(camera.velocity)
    return np.asarray((np.asarray(points) - corner) * (height, -height) + (0, height))


def _solid(fixture: Fixture, log: StateLog, first: float, height: int) -> StaticShape:
    corners = _places(np.array(fixture.points, dtype=np.float64), log, first, height)
    return StaticShape(fixture.name, corners, fixture.thickness * height)


def _moments(shape: str) -> Float[np.ndarray, "4"]:
    """A shape's moments as the tracker measures them: spread, and 2-, 3-, 4-foldness (Flusser 2000)."""
    corners = OUTLINES[shape]
    if len(corners):
        grid = corners.min(0) + (corners.max(0) - corners.min(0)) * halton(20_000)
        points = grid[StaticShape("", corners, 0.0).contains(grid)]
    else:
        points = np.sqrt(halton(20_000)[:, :1]) * _ways(2 * np.pi * halton(20_000)[:, 1])
    z = (points[:, 0] + 1j * points[:, 1]) / np.sqrt(np.pi)
    return np.array([(abs(z) ** 2).mean(), *(abs((z**fold).mean()) for fold in (2, 3, 4))])


def _ways(angles: np.ndarray) -> np.ndarray:
    return np.stack((np.cos(angles), np.sin(angles)), axis=1)


_RAYS = halton(256)
_DISC = np.sqrt(_RAYS[:, :1]) * _ways(2 * np.pi * _RAYS[:, 1])  # points in the unit disc
MOMENTS: dict[str, Float[np.ndarray, "4"]] = {shape: _moments(shape) for shape in OUTLINES}
