"""Things on a path: the pendulum, and the ramp, from whose end in mid-air a ball may fly."""

import math

from framefall.worlds.scenarios.draw import Draw, Item
from framefall.worlds.scenarios.setting import floor, scene
from framefall.worlds.scene import SCENERY_COLOURS, Body, Fixture, Point, Scene
from framefall.worlds.shapes import SQUARE

FAR_BELOW = 12.0  # heights beyond the view at which a ramp ends


def pendulum(draw: Draw) -> Scene | None:
    """A bob on a stiff rod is let go aside; the direction is where it first swings."""
    item, gravity = draw.item(), draw.gravity()
    direction, sign = draw.side()
    length, angle = draw.uniform(0.28, 0.62), math.radians(draw.uniform(25.0, 65.0))
    pivot = draw.uniform(0.42, 0.58), draw.uniform(0.88, 0.97)
    height, ground = floor(draw)
    period = 2 * math.pi * math.sqrt(length / gravity)
    if period > (5.0 if "gravity" in draw.moved else 4.2):  # it must be seen to turn
        return None
    swing = length * math.sin(angle)
    if length < item.radius + 0.08 or pivot[1] - length - item.radius < height + 0.02:
        return None
    if pivot[0] - swing - item.radius < -0.05 or pivot[0] + swing + item.radius > 1.05:
        return None
    place = pivot[0] - sign * swing, pivot[1] - length * math.cos(angle)
    bob = item.body("bob", place, pivot=pivot)
    rod = Fixture(
        name="rod",
        points=(pivot, place),
        thickness=0.006,
        colour=draw.choice(SCENERY_COLOURS),
        solid=False,
        follows="bob",
    )
    return scene(draw, [bob], [item.thing], [ground, rod], direction=direction, gravity=gravity)


def ramp(draw: Draw) -> Scene | None:
    """A ball rolls or a box slides along a slope, from rest."""
    if draw.compound:
        return _flight_off_ramp(draw)
    item, gravity = draw.item(), draw.gravity()
    direction, sign = draw.side()
    slope = math.radians(draw.uniform(8.0, 35.0))
    rolls = item.thing.shape == "ball"
    if rolls:
        friction, pull = draw.uniform(0.4, 0.8), gravity * math.sin(slope) / 1.5
    else:
        friction = math.tan(slope) * draw.uniform(0.1, 0.8)
        pull = gravity * (math.sin(slope) - friction * math.cos(slope))
    start, low = draw.uniform(0.06, 0.22), draw.uniform(0.02, 0.12)
    length = (1.0 - start) / math.cos(slope)
    # it must go far enough in the clip to be seen to gain speed, and must not be gone at once
    gone = math.sqrt(2 * length / pull)
    if 0.5 * pull * 2.5**2 < 0.35 or gone < 1.0 or (draw.late and gone < 3.2):
        return None
    rise = math.tan(slope)
    place = _above(item, start, low + (1.0 - start) * rise, slope)
    if place[1] + item.radius > 1.0:
        return None
    # it goes on below the picture, further than anything comes in a clip
    top, end = low + 1.5 * rise, low - FAR_BELOW * rise
    wide: tuple[Point, ...] = ((-0.5, end - 1.0), (1.0 + FAR_BELOW, end - 1.0), (1.0 + FAR_BELOW, end), (-0.5, top))
    body, points = _mirrored(item, place, slope, wide, sign)
    wedge = Fixture(name="ramp", points=points, colour=draw.choice(SCENERY_COLOURS))
    return scene(
        draw,
        [body],
        [item.thing],
        [wedge],
        direction=direction,
        outcome="rolls" if rolls else "slides",
        gravity=gravity,
        restitution=0.0,
        friction=friction,
    )


def _flight_off_ramp(draw: Draw) -> Scene | None:
    """The compound: a ball rolls down a ramp that ends in mid-air, flies, and bounces on the floor."""
    item, gravity = draw.item(), draw.gravity()
    direction, sign = draw.side()
    slope = math.radians(draw.uniform(15.0, 35.0))
    friction, restitution = draw.uniform(0.4, 0.8), draw.uniform(0.5, 0.8)
    start, end = draw.uniform(0.06, 0.14), draw.uniform(0.45, 0.60)
    height, ground = floor(draw)
    edge, rise = draw.uniform(0.30, 0.50), math.tan(slope)
    place = _above(item, start, edge + (end - start) * rise, slope)
    # from rest to the end, where the ground under its centre ends
    way = (end - place[0]) / math.cos(slope) - item.radius * math.tan(slope)
    if item.thing.shape != "ball" or way < 0.2 or place[1] + item.radius > 1.0:
        return None
    pull = gravity * math.sin(slope) / 1.5
    speed = math.sqrt(2 * pull * way)
    if speed**2 < 1.2 * gravity * math.cos(slope) * item.radius:  # slower, it would tip over the edge
        return None
    leaves = speed / pull
    drop = edge + item.radius * math.cos(slope) - height - item.radius
    down = speed * math.sin(slope)
    lands = leaves + (math.sqrt(down**2 + 2 * gravity * drop) - down) / gravity if drop > 0.1 else math.inf
    if lands > 2.1 or end + speed * math.cos(slope) * (lands - leaves) + item.radius > 1.0:
        return None
    # a slab, its upper side the way
    top = edge + (end + 0.5) * rise
    slab: tuple[Point, ...] = ((-0.5, top - 0.05), (end, edge - 0.05), (end, edge), (-0.5, top))
    body, points = _mirrored(item, place, slope, slab, sign)
    shelf = Fixture(name="ramp", points=points, colour=draw.choice(SCENERY_COLOURS))
    return scene(
        draw,
        [body],
        [item.thing],
        [ground, shelf],
        direction=direction,
        outcome="flies",
        gravity=gravity,
        restitution=restitution,
        friction=friction,
    )


def _above(item: Item, x: float, surface: float, slope: float) -> Point:
    """The centre of a thing that stands on a slope down to the right at the place (x, surface)."""
    half = item.radius * (SQUARE if item.thing.shape == "box" else 1.0)
    return x + half * math.sin(slope), surface + half * math.cos(slope)


def _mirrored(
    item: Item, place: Point, slope: float, points: tuple[Point, ...], sign: float
) -> tuple[Body, tuple[Point, ...]]:
    """Body and fixture for a way to the right, or both mirrored in the middle of the view."""
    angle = 0.0 if item.thing.shape == "ball" else -sign * slope
    if sign > 0:
        return item.body("mover", place, angle=angle), points
    turned = tuple((1.0 - x, y) for x, y in reversed(points))  # anticlockwise again
    return item.body("mover", (1.0 - place[0], place[1]), angle=angle), turned
