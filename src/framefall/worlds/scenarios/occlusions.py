"""Things that go behind a screen: they come out on the other side, or meet a wall there and come back."""

from framefall.worlds.scenarios.draw import Draw
from framefall.worlds.scenarios.setting import block, scene, screen
from framefall.worlds.scene import SCENERY_COLOURS, Scene

_LEFT, _RIGHT = (-1.0, 0.0), (1.0, 0.0)


def occluder(draw: Draw) -> Scene | None:
    """One or two things pass behind a screen; each is wholly hidden for a while and comes out again."""
    items = [draw.item()]
    if draw.chance(0.3):
        items.append(draw.item(items))
    speed, interval = draw.speed()
    direction, sign = draw.side()
    hidden = draw.uniform(0.34, 0.6) * (0.5 if draw.moved else 1.0)  # seconds, of the first
    speeds = [draw.uniform(*interval) for _ in items]
    longest = max(item.extent(_LEFT) + item.extent(_RIGHT) for item in items)
    width = longest + max(speeds) * hidden
    left = 0.5 - width / 2 + draw.uniform(-0.08, 0.08)
    # on both sides a body finds room to be seen whole (a huge one, its centre; a large one of those near, most of it)
    room = longest * (0.5 if "size" in draw.moved else 1.0) + 0.06
    room = min(room, 0.27) if draw.near else room
    if left < room or left + width > 1.0 - room:
        return None
    lanes = _lanes(draw, [item.reach for item in items])
    if lanes is None:
        return None
    bodies = []
    for item, lane, v, name in zip(items, lanes, speeds, ("first", "second"), strict=False):
        back, front = item.extent((-sign, 0.0)), item.extent((sign, 0.0))
        near = left if sign > 0 else left + width  # the side on which it goes in
        # its front meets the screen then; it begins in the picture (out of distribution perhaps only in part)
        start = (near if sign > 0 else 1.0 - near) - (0.03 if draw.moved else front + 0.02)
        enters = _enters(draw, start / v)
        if enters is None:
            return None
        leaves = enters + (width + back + front) / v  # wholly out
        if leaves > (4.7 if draw.late else 2.35) or (draw.late and leaves < 2.8):
            return None
        bodies.append(item.body(name, (near - sign * (front + v * enters), lane), (sign * v, 0.0)))
    reaches = [(lane - item.reach, lane + item.reach) for lane, item in zip(lanes, items, strict=True)]
    low = max(0.0, min(low for low, _ in reaches) - draw.uniform(0.02, 0.2))
    high = min(1.0, max(high for _, high in reaches) + draw.uniform(0.02, 0.2))
    cover = screen(draw, left, left + width, low, high)
    return scene(
        draw,
        bodies,
        [item.thing for item in items],
        [cover],
        direction=direction,
        speed=speed,
        occluder=cover.colour,
    )


def occluder_bounce(draw: Draw) -> Scene | None:
    """A thing goes behind a screen, meets a wall that nobody sees, and comes back on the same side."""
    item = draw.item()
    speed, interval = draw.speed()
    launch = draw.uniform(*interval)
    direction, sign = draw.side()
    restitution = draw.uniform(0.8, 1.0)
    front, back = item.extent((sign, 0.0)), item.extent((-sign, 0.0))
    deep = 0.01 + launch * draw.uniform(0.08, 0.20)  # from the screen's near side to its back when it meets the wall
    inside = front + back + deep
    beyond = draw.uniform(0.04, 0.10)  # how much further than the wall's face the screen goes
    # seen before and after, so the near side must have room before it
    room = front + back + 0.05
    near = draw.uniform(room, max(room, 0.98 - inside - beyond))
    enters = _enters(draw, (near - (0.03 if draw.moved else front + 0.02)) / launch)
    if enters is None or near + inside + beyond > 1.0:
        return None
    out = enters + inside / launch * (1 + 1 / restitution)
    if out > (4.7 if draw.late else 2.3) or (draw.late and out < 2.8) or inside + beyond > 0.6:
        return None
    y = draw.uniform(item.reach + 0.06, 0.94 - item.reach)
    low, high = (max(0.0, y - item.reach - draw.uniform(0.03, 0.2)), min(1.0, y + item.reach + draw.uniform(0.03, 0.2)))

    def across(x: float) -> float:
        """The same place for a thing that comes from the other side."""
        return x if sign > 0 else 1.0 - x

    ends = sorted((across(near), across(near + inside + beyond)))
    faces = sorted((across(near + inside), across(near + inside + beyond - 0.01)))
    cover = screen(draw, ends[0], ends[1], low, high)
    wall = block("wall", faces[0], low + 0.01, faces[1], high - 0.01, colour=draw.choice(SCENERY_COLOURS))
    body = item.body("moving", (across(near - front - launch * enters), y), (sign * launch, 0.0))
    return scene(
        draw,
        [body],
        [item.thing],
        [wall, cover],
        direction=direction,
        speed=speed,
        occluder=cover.colour,
        restitution=restitution,
    )


def _enters(draw: Draw, latest: float) -> float | None:
    """When something meets a screen; none where it would have to begin outside the picture."""
    low, high = (0.8, 3.0) if draw.late else (0.12 if "speed" in draw.moved else 0.25, 0.9)
    return draw.uniform(low, min(high, latest)) if low < latest else None


def _lanes(draw: Draw, sizes: list[float]) -> list[float] | None:
    """Heights of one or two lanes that do not touch."""
    if len(sizes) == 1:
        return [draw.uniform(sizes[0] + 0.06, 0.94 - sizes[0])]
    spare = 0.94 - 2 * sum(sizes)
    if spare < 0.03:
        return None
    start = 0.03 + draw.uniform(0.0, spare - 0.02)
    gap = draw.uniform(0.02, spare - start + 0.03) if spare - start + 0.03 > 0.02 else 0.02
    low, high = (0, 1) if draw.chance(0.5) else (1, 0)
    lanes = [0.0, 0.0]
    lanes[low] = start + sizes[low]
    lanes[high] = start + 2 * sizes[low] + gap + sizes[high]
    return lanes
