"""Many contacts at once, so pymunk's business: stacks of boxes that stand or topple, and balls poured into a jar."""

import math

from framefall.worlds.scenarios.draw import Draw, Item
from framefall.worlds.scenarios.setting import block, floor, scene
from framefall.worlds.scene import BODY_COLOURS, SCENERY_COLOURS, Scene, Thing
from framefall.worlds.shapes import SQUARE
from framefall.worlds.splits import held_out


def stack(draw: Draw) -> Scene | None:
    """Two to four boxes of one size, one on the other; one overhangs too far, or none does."""
    first, gravity = draw.item(), draw.gravity()
    items = [first]
    half = first.radius * SQUARE
    for _ in range(draw.integer(2, 4) - 1):
        items.append(_like(draw, items))
    height, ground = floor(draw)
    if height + 2 * half * len(items) > 0.92:
        return None
    outcome, (side, sign) = draw.choice(("stands", "topples")), draw.side()
    tips = draw.integer(1, len(items) - 1) if outcome == "topples" else 0
    places = [0.0]
    for level in range(1, len(items)):
        step = sign * draw.uniform(1.15, 1.6) if level == tips else draw.uniform(-0.5, 0.5)
        places.append(places[-1] + step * half)
    leans = [_lean(places, level) / half for level in range(1, len(items))]
    if tips:
        rest = [lean for level, lean in enumerate(leans, start=1) if level != tips]
        if leans[tips - 1] * sign < 1.2 or leans[tips - 1] * sign > 1.6 or any(abs(lean) > 0.6 for lean in rest):
            return None
    elif any(abs(lean) > 0.7 for lean in leans):
        return None
    x = 0.5 - sum(places) / len(places) - (sign * 0.1 if tips else 0.0) + draw.uniform(-0.06, 0.06)
    release = draw.uniform(2.4, 3.0) if draw.late else 0.0  # what is held still topples late
    bodies = [
        item.body(f"box{level}", (x + place, height + (2 * level + 1) * half), release=release)
        for level, (item, place) in enumerate(zip(items, places, strict=True))
    ]
    return scene(
        draw,
        bodies,
        [item.thing for item in items],
        [ground],
        direction=side if tips else "",
        outcome=outcome,
        gravity=gravity,
        restitution=0.0,
        friction=draw.uniform(0.5, 0.8),
        engine="pymunk",
    )


def pour(draw: Draw) -> Scene | None:
    """Ten to sixteen balls of one colour, or five to nine bigger ones, fall into a jar that holds them all."""
    first, gravity, count = draw.item(), draw.gravity(), draw.integer(*((5, 9) if draw.near else (10, 16)))
    word = first.thing.size
    if word not in ("tiny", "small"):  # larger ones fill no jar that fits into the picture
        return None
    bounds = next(words[word] for words in draw.bins["size"].values() if word in words and _within(first, words[word]))
    items = [first, *(Item(first.thing, draw.radius(bounds)) for _ in range(count - 1))]
    largest = bounds[1]
    height, ground = floor(draw)
    wall = 0.02
    inner = draw.uniform(max(0.30, 6.2 * largest), 0.66 if draw.near else 0.55)
    # balls at random fill about 0.7 of a jar; a third is left free
    tall = max(0.22, sum(math.pi * item.radius**2 for item in items) / (inner * 0.55))
    if tall > 0.62:
        return None
    left = 0.5 - inner / 2 + draw.uniform(-0.10, 0.10)
    rim = height + tall
    columns = 3 if inner < 9 * largest else draw.integer(3, 4)
    pitch = 2 * largest + 0.008
    if columns * pitch + 0.02 > inner:
        return None
    rows = -(-count // columns)
    # in a long pour they wait above the picture, and the last ones come late
    bottom = max(rim, 1.0 if draw.late else 0.0) + largest + draw.uniform(0.02, 0.08)
    step = pitch + draw.uniform(0.0, 0.04)
    wait = draw.uniform(2.2, 3.2) / (rows - 1) if draw.late else 0.0
    if math.sqrt(2 * (bottom + (rows - 1) * step - height) / gravity) > 2.0:
        return None
    bodies = []
    for index, item in enumerate(items):
        row, column = divmod(index, columns)
        x = left + inner / 2 + (column - (columns - 1) / 2) * pitch + draw.uniform(-0.003, 0.003)
        y = bottom + row * step + draw.uniform(-0.003, 0.003)
        bodies.append(item.body(f"ball{index}", (x, y), release=row * wait))
    colour = draw.choice(SCENERY_COLOURS)
    jar = [
        block("jar left", left - wall, height, left, rim, colour=colour),
        block("jar right", left + inner, height, left + inner + wall, rim, colour=colour),
    ]
    return scene(
        draw,
        bodies,
        [Thing(first.thing.colour, "ball", word)] * count,
        [ground, *jar],
        gravity=gravity,
        restitution=draw.uniform(0.05, 0.25),
        friction=draw.uniform(0.1, 0.3),
        engine="pymunk",
    )


def _like(draw: Draw, items: list[Item]) -> Item:
    """A box as large as the first, of another colour."""
    taken = {item.thing.colour for item in items}
    colours = [c for c in BODY_COLOURS if c not in taken and not held_out(draw.scenario, c, "box")]
    return Item(Thing(draw.choice(colours), "box", items[0].thing.size), items[0].radius)


def _lean(places: list[float], level: int) -> float:
    """How far the centre of mass of the boxes from `level` up is from the middle of the box below."""
    above = places[level:]
    return sum(above) / len(above) - places[level - 1]


def _within(item: Item, interval: tuple[float, float]) -> bool:
    return interval[0] <= item.radius < interval[1]
