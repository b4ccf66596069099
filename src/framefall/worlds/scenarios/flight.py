"""Things in the air: fall, projectile, double drop; and uniform motion, where nothing pulls."""

import math

from framefall.worlds.scenarios.draw import Draw
from framefall.worlds.scenarios.setting import camera, floor, landings, late_landing, on_floor, scene, view_left
from framefall.worlds.scene import Camera, Scene

_TILT = math.radians(12)  # of uniform motion from its direction, at most
_DIRECTIONS = {"right": 0.0, "up": 90.0, "left": 180.0, "down": 270.0}


def fall(draw: Draw) -> Scene | None:
    """A thing at rest in the air falls and bounces on the floor."""
    item, gravity, restitution = draw.item(), draw.gravity(), draw.uniform(0.5, 0.9)
    word, view = camera(draw)
    height, ground = floor(draw)
    stand = on_floor(item, height)
    top = 1.0 - 0.5 * item.extent((0.0, 1.0))  # half of it may begin above the picture
    if top - stand < 0.30:
        return None
    drop = draw.uniform(0.30, top - stand)
    x = _place_across(draw, view, item.extent((1.0, 0.0)))
    if draw.late and not late_landing(drop, gravity, restitution):
        return None
    if next(landings(drop, gravity, restitution)) > 1.9:
        return None
    body = item.body("falling", (x, stand + drop))
    return scene(draw, [body], [item.thing], [ground], camera=(word, view), gravity=gravity, restitution=restitution)


def double_drop(draw: Draw) -> Scene | None:
    """Two things at rest at unlike heights fall at once; the first named is the lower one and lands first."""
    low = draw.item()
    high = draw.item([low])
    gravity, restitution = draw.gravity(), draw.uniform(0.4, 0.8)
    height, ground = floor(draw)
    stands = [on_floor(item, height) for item in (low, high)]
    tops = [1.0 - 0.5 * item.extent((0.0, 1.0)) for item in (low, high)]
    drops = draw.uniform(0.20, 0.45), draw.uniform(0.35, 0.85)
    if drops[1] < 1.4 * drops[0] or any(s + d > t for s, d, t in zip(stands, drops, tops, strict=True)):
        return None
    left, right = (low, high) if draw.chance(0.5) else (high, low)
    gap = left.reach + right.reach + 0.03
    edges = left.reach + 0.02, 0.98 - right.reach - gap
    if edges[1] < edges[0]:
        return None
    x = draw.uniform(*edges)
    across = {id(left): x, id(right): x + gap + draw.uniform(0.0, 0.98 - right.reach - x - gap)}
    times = [next(landings(drop, gravity, restitution)) for drop in drops]
    if times[1] > 1.9 or times[1] - times[0] < 0.12:
        return None
    if draw.late and not late_landing(drops[1], gravity, restitution):
        return None
    bodies = [
        item.body(name, (across[id(item)], stand + drop))
        for item, name, stand, drop in zip((low, high), ("lower", "higher"), stands, drops, strict=True)
    ]
    return scene(draw, bodies, [low.thing, high.thing], [ground], gravity=gravity, restitution=restitution)


def projectile(draw: Draw) -> Scene | None:
    """A thing is thrown up and aside; it flies in an arc, and bounces where it lands in the picture."""
    item, gravity, restitution = draw.item(), draw.gravity(), draw.uniform(0.5, 0.9)
    speed, interval = draw.speed()
    launch = draw.uniform(*interval)
    angle = math.radians(draw.uniform(15.0, 75.0 if speed == "racing" else 60.0))
    direction, sign = draw.side()
    word, view = camera(draw)
    height, ground = floor(draw)
    stand = on_floor(item, height)
    up, along = launch * math.sin(angle), sign * launch * math.cos(angle)
    y = draw.uniform(stand + 0.15, max(stand + 0.2, 0.9 - item.extent((0.0, 1.0))))
    # what is fast begins at the side that it leaves
    start = 0.5 - sign * min(0.42, abs(along) * draw.uniform(0.2, 0.6) * draw.seconds)
    x = start + draw.uniform(-0.08, 0.08)
    if next(landings(y - stand, gravity, restitution, up)) < 0.4:
        return None
    seen = [
        0.0 < x + along * time - view_left(view, time) < 1.0
        and _hop(y - stand, up, gravity, restitution, time) + stand < 1.0
        for time in (frame / 6 for frame in range(int(draw.seconds * 6) + 1))
    ]
    if not seen[0] or sum(seen) < len(seen) * (0.45 if draw.moved else 0.7):
        return None
    if draw.late and not (seen[18] and late_landing(y - stand, gravity, restitution, up)):
        return None
    body = item.body("thrown", (x, y), (along, up))
    return scene(
        draw,
        [body],
        [item.thing],
        [ground],
        direction=direction,
        speed=speed,
        camera=(word, view),
        gravity=gravity,
        restitution=restitution,
    )


def uniform(draw: Draw) -> Scene | None:
    """A thing moves evenly through the picture."""
    item = draw.item()
    speed, interval = draw.speed()
    launch = draw.uniform(*interval)
    direction = draw.choice(list(_DIRECTIONS))
    angle = math.radians(_DIRECTIONS[direction]) + draw.uniform(-_TILT, _TILT)
    velocity = (launch * math.cos(angle), launch * math.sin(angle))
    word, view = camera(draw)
    # the middle of its way through the picture is near the picture's; what is fast begins at the side
    start = min(0.46, 0.5 * launch * draw.seconds * draw.uniform(0.7, 1.0))
    middle = start / launch
    through = view_left(view, middle) + draw.uniform(0.35, 0.65), draw.uniform(0.35, 0.65)
    x, y = through[0] - middle * velocity[0], through[1] - middle * velocity[1]
    seen = [
        0.0 < x + time * velocity[0] - view_left(view, time) < 1.0 and 0.0 < y + time * velocity[1] < 1.0
        for time in (frame / 6 for frame in range(int(draw.seconds * 6) + 1))
    ]
    if not seen[0] or sum(seen) < (4 if "speed" in draw.moved else 8) or (draw.late and not seen[18]):
        return None
    body = item.body("moving", (x, y), velocity)
    return scene(draw, [body], [item.thing], direction=direction, speed=speed, camera=(word, view))


def _place_across(draw: Draw, view: Camera, half: float) -> float:
    """A place that stays in a moving view from the beginning to the end."""
    ends = view_left(view, 0.0), view_left(view, draw.seconds)
    margin = min(half + 0.02, 0.28)
    return draw.uniform(max(ends) + margin, 1.0 + min(ends) - margin)


def _hop(drop: float, up: float, gravity: float, restitution: float, time: float) -> float:
    """The height above rest of something thrown up from `drop`, through all its bounces."""
    speed = math.sqrt(up**2 + 2 * gravity * drop)
    first = (up + speed) / gravity
    if time <= first:
        return drop + up * time - 0.5 * gravity * time**2
    time -= first
    while speed > 1e-3:
        speed *= restitution
        if time < 2 * speed / gravity:
            return speed * time - 0.5 * gravity * time**2
        time -= 2 * speed / gravity
    return 0.0
