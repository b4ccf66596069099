"""Balls that meet: collision, also behind a screen, and billiards."""

import math

from framefall.worlds.scenarios.draw import Draw, Item
from framefall.worlds.scenarios.setting import apart, block, camera, scene, screen, view_left
from framefall.worlds.scene import SCENERY_COLOURS, Scene

_CUSHION = 0.03  # thickness of the cushions in view
_SIDES = {"right": (1.0, 0.0), "up": (0.0, 1.0), "left": (-1.0, 0.0), "down": (0.0, -1.0)}


def collision(draw: Draw) -> Scene | None:
    """A ball hits another that rests, or meets one that comes the other way; not always head-on."""
    if draw.compound:
        return _hidden_collision(draw)
    first = draw.item()
    second = draw.item([first])
    outcome = draw.choice(("hits", "meets"))
    speed, interval = draw.speed()
    direction, sign = draw.side()
    word, view = camera(draw)
    speeds = sign * draw.uniform(*interval), -sign * draw.uniform(*interval) if outcome == "meets" else 0.0
    restitution = 1.0 if draw.chance(0.4) else draw.uniform(0.7, 1.0)
    time = draw.uniform(0.8, 3.6) if draw.late else draw.uniform(0.4, 1.5)
    turn = draw.uniform(-0.6, 0.6)  # radians between the line of motion and the line of centres
    x, y = view_left(view, time) + draw.uniform(0.38, 0.62), draw.uniform(0.38, 0.62)
    normal = sign * math.cos(turn), math.sin(turn)
    # both touch at (x, y); from there they are taken back to the beginning
    places = [
        (x - side * item.radius * normal[0] - time * v, y - side * item.radius * normal[1])
        for item, v, side in zip((first, second), speeds, (1, -1), strict=True)
    ]
    if not all(0.0 < place[0] < 1.0 for place in places):  # they must begin in the picture
        return None
    if math.dist(*places) < first.radius + second.radius + 0.06:
        return None
    if draw.late and time < 2.7 and not _stays(x, 3.3 - time, (first, second), speeds, restitution, normal[0]):
        return None
    bodies = [
        item.body(name, place, (v, 0.0))
        for item, name, place, v in zip((first, second), ("first", "second"), places, speeds, strict=True)
    ]
    return scene(
        draw,
        bodies,
        [first.thing, second.thing],
        direction=direction,
        speed=speed,
        outcome=outcome,
        camera=(word, view),
        restitution=restitution,
    )


def _hidden_collision(draw: Draw) -> Scene | None:
    """The compound: two balls go behind a screen from both sides, collide there, and come back out."""
    first = draw.item()
    second = draw.item([first])
    speed, interval = draw.speed()
    direction, sign = draw.side()
    speeds = sign * draw.uniform(*interval), -sign * draw.uniform(*interval)
    restitution = draw.uniform(0.9, 1.0)
    time, x, y = draw.uniform(0.55, 1.2), draw.uniform(0.42, 0.58), draw.uniform(0.35, 0.65)
    items = first, second
    # each is wholly hidden when they meet
    margins = [2 * item.radius + draw.uniform(0.02, 0.05) for item in items]
    after = _blow(items, speeds, restitution)
    for item, before, then, margin in zip(items, speeds, after, margins, strict=True):
        back = -then * math.copysign(1.0, before)  # outwards
        shown = time - margin / abs(before)  # wholly, before it goes in
        if shown < 0.3 or back * (draw.seconds - 0.2 - time) < margin:
            return None
        side = x if before > 0 else 1.0 - x  # of the view, on the side that it comes from
        if side < margin + 1.5 * item.radius or abs(before) * time + item.radius > side - 0.02:
            return None
    sides = [x - sign * margins[0], x + sign * margins[1]]
    grown = max(first.radius, second.radius) + draw.uniform(0.04, 0.10)
    cover = screen(draw, min(sides), max(sides), y - grown, y + grown)
    bodies = [
        item.body(name, (x - math.copysign(item.radius, v) - time * v, y), (v, 0.0))
        for item, name, v in zip(items, ("first", "second"), speeds, strict=True)
    ]
    return scene(
        draw,
        bodies,
        [first.thing, second.thing],
        [cover],
        direction=direction,
        speed=speed,
        occluder=cover.colour,
        outcome="meets",
        restitution=restitution,
    )


def _stays(
    x: float, time: float, items: tuple[Item, Item], speeds: tuple[float, float], restitution: float, normal: float
) -> bool:
    """Whether one of two that meet at `x` is still seen on its way so long after it; `normal` is across the picture."""
    along = _blow(items, (speeds[0] * normal, speeds[1] * normal), restitution)
    after = [v + (new - v * normal) * normal for v, new in zip(speeds, along, strict=True)]
    return any(abs(v) > 0.03 and 0.05 < x + v * time < 0.95 for v in after)


def _blow(items: tuple[Item, Item], speeds: tuple[float, float], restitution: float) -> tuple[float, float]:
    """The speeds after a head-on blow of two discs of one density."""
    (a, b), (m, n) = speeds, (items[0].radius ** 2, items[1].radius ** 2)
    common = (m * a + n * b) / (m + n)
    return common - restitution * (a - b) * n / (m + n), common + restitution * (a - b) * m / (m + n)


def billiards(draw: Draw) -> Scene | None:
    """On a table with cushions one ball of three to five is shot at the others."""
    items: list[Item] = []
    for _ in range(draw.integer(3, 5)):
        items.append(draw.item(items))
    if sum(item.radius**2 for item in items) > 0.07:
        return None
    speed, interval = draw.speed()
    places: list[tuple[Item, tuple[float, float]]] = []
    for item in items:
        edge = _CUSHION + item.radius + 0.015
        for _ in range(12):
            place = draw.uniform(edge, 1.0 - edge), draw.uniform(edge, 1.0 - edge)
            if apart(places, item, place, 0.03):
                places.append((item, place))
                break
        else:
            return None
    launch = draw.uniform(*interval)
    (cue, start), (target, goal) = places[:2]
    distance = math.dist(start, goal)
    time = (distance - cue.radius - target.radius) / launch
    if time > (3.8 if draw.late else 1.5) or (draw.late and time < 1.5):
        return None
    aim = math.atan2(goal[1] - start[1], goal[0] - start[0])
    aim += draw.uniform(-0.5, 0.5) * math.asin((cue.radius + target.radius) / distance)
    way = math.cos(aim), math.sin(aim)
    direction = max(_SIDES, key=lambda side: way[0] * _SIDES[side][0] + way[1] * _SIDES[side][1])
    if way[0] * _SIDES[direction][0] + way[1] * _SIDES[direction][1] < 0.82:  # 35 degrees off
        return None
    bodies = [item.body(f"ball{index}", place) for index, (item, place) in enumerate(places[1:], start=1)]
    shot = cue.body("cue", start, (launch * way[0], launch * way[1]))
    colour, t = draw.choice(SCENERY_COLOURS), _CUSHION
    cushions = [
        block("bottom", 0.0, -0.2, 1.0, t, colour=colour),
        block("top", 0.0, 1.0 - t, 1.0, 1.2, colour=colour),
        block("left", -0.2, -0.2, t, 1.2, colour=colour),
        block("right", 1.0 - t, -0.2, 1.2, 1.2, colour=colour),
    ]
    things = [item.thing for item in items]
    restitution = draw.uniform(0.85, 1.0)
    return scene(draw, [shot, *bodies], things, cushions, direction=direction, speed=speed, restitution=restitution)
