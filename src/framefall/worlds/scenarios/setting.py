"""What the scenarios' scenes share: floor, screen, backdrop, light, camera, and the finished scene."""

import math
from collections.abc import Iterator, Sequence

from framefall.worlds.scenarios.draw import Draw, Item
from framefall.worlds.scene import (
    SCENERY_COLOURS,
    Attributes,
    Backdrop,
    Body,
    Camera,
    EngineName,
    Fixture,
    Light,
    Point,
    Scene,
    Thing,
)

FAR_AWAY = 4.0  # heights: floors reach so far beyond the view, for cameras and things that come in from outside
PANNING = 0.15  # share of scenes with a moving camera, where a scenario has such


def scene(
    draw: Draw,
    bodies: Sequence[Body],
    things: Sequence[Thing],
    fixtures: Sequence[Fixture] = (),
    *,
    direction: str = "",
    speed: str = "",
    occluder: str = "",
    outcome: str = "",
    camera: tuple[str, Camera] = ("", Camera()),
    gravity: float = 0.0,
    restitution: float = 1.0,
    friction: float = 0.0,
    engine: EngineName = "analytic",
    light: Light | None = None,
) -> Scene:
    """The scene with all its attributes, on a backdrop of its own; its key is given to it by the registry."""
    launch = math.hypot(*bodies[0].velocity)
    attributes = Attributes(
        scenario=draw.scenario,
        things=tuple(things),
        direction=direction,
        speed=speed,
        occluder=occluder,
        outcome=outcome,
        camera=camera[0],
        gravity=round(gravity, 2) if gravity else None,
        velocity=round(launch, 2) if launch else None,
    )
    return Scene(
        key="",
        attributes=attributes,
        bodies=tuple(bodies),
        fixtures=tuple(fixtures),
        gravity=gravity,
        restitution=restitution,
        friction=friction,
        seconds=draw.seconds,
        engine=engine,
        camera=camera[1],
        light=light or Light(angle=draw.uniform(60.0, 120.0)),
        backdrop=backdrop(draw),
    )


def backdrop(draw: Draw) -> Backdrop:
    """A soft gradient between two near-neutral greys: no body has such a colour, and no scenery such a brightness."""
    ends = []
    for _ in range(2):
        level = draw.uniform(0.62, 0.84)
        red, blue = draw.uniform(-0.03, 0.03), draw.uniform(-0.03, 0.03)
        ends.append((round(level + red, 3), round(level, 3), round(level + blue, 3)))
    texture = round(draw.uniform(0.0, 0.02), 4)
    return Backdrop(bottom=ends[0], top=ends[1], texture=texture, seed=draw.integer(0, 65535))


def camera(draw: Draw) -> tuple[str, Camera]:
    """Its word and itself: most stand still, some pan slowly."""
    if not draw.chance(PANNING):
        return "", Camera()
    word, sign = draw.side()
    return word, Camera(velocity=(sign * draw.uniform(0.04, 0.08), 0.0))


def view_left(camera: Camera, time: float) -> float:
    """Where the left side of the view is."""
    return camera.start[0] + camera.velocity[0] * time


def floor(draw: Draw) -> tuple[float, Fixture]:
    """The height of a floor's surface, and the floor."""
    height = draw.uniform(0.05, 0.10)
    return height, block("floor", -FAR_AWAY, -1.0, FAR_AWAY + 1.0, height, colour=draw.choice(SCENERY_COLOURS))


def block(name: str, left: float, bottom: float, right: float, top: float, *, colour: str) -> Fixture:
    """A solid upright rectangle."""
    return Fixture(name=name, points=_corners(left, bottom, right, top), colour=colour)


def screen(draw: Draw, left: float, right: float, bottom: float, top: float) -> Fixture:
    """Something that stands before the bodies and hides them."""
    points, colour = _corners(left, bottom, right, top), draw.choice(SCENERY_COLOURS)
    return Fixture(name="screen", points=points, colour=colour, solid=False, front=True)


def landings(drop: float, gravity: float, restitution: float, speed_up: float = 0.0) -> Iterator[float]:
    """The times at which something meets the floor that is `drop` below it, for ever."""
    speed = math.sqrt(speed_up**2 + 2 * gravity * drop)
    time = (speed_up + speed) / gravity
    while True:
        yield time
        speed *= restitution
        time += 2 * speed / gravity


def late_landing(drop: float, gravity: float, restitution: float, speed_up: float = 0.0) -> bool:
    """Whether a hop that can be seen (0.03 heights) ends in the second half of a long clip."""
    height = drop + speed_up**2 / (2 * gravity)
    for time in landings(drop, gravity, restitution, speed_up):
        if height < 0.03 or time > 4.8:
            return False
        if time > 2.8:
            return True
        height *= restitution**2
    raise AssertionError("landings do not end")


def on_floor(item: Item, height: float) -> float:
    """Where the centre of a thing is that stands on a surface."""
    return height + item.extent((0.0, -1.0))


def apart(places: Sequence[tuple[Item, Point]], item: Item, place: Point, gap: float) -> bool:
    """Whether a thing would keep its distance from all that are placed."""
    return all(math.dist(place, other) > item.reach + what.reach + gap for what, other in places)


def _corners(left: float, bottom: float, right: float, top: float) -> tuple[Point, ...]:
    return ((left, bottom), (right, bottom), (right, top), (left, top))
