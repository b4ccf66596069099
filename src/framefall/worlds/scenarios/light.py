"""A light that wanders over a thing that stands still."""

from framefall.worlds.scenarios.draw import Draw
from framefall.worlds.scenarios.setting import scene
from framefall.worlds.scene import Light, Scene


def light(draw: Draw) -> Scene | None:
    """A still thing; the light goes from one side to the other, and the shadow the other way."""
    item = draw.item()
    direction, sign = draw.side()
    margin = item.reach + 0.12  # for the shadow
    if margin > 0.5:
        margin = 0.45
    place = draw.uniform(margin, 1.0 - margin), draw.uniform(margin, 1.0 - margin)
    sweep = draw.uniform(80.0, 120.0)  # degrees in all
    # 0 degrees is from the right, so a light that goes right turns clockwise
    lamp = Light(
        angle=90.0 + sign * sweep / 2,
        turn=-sign * sweep / draw.seconds,
        shading=draw.uniform(0.15, 0.25),
        shadow=draw.uniform(0.30, 0.50),
    )
    return scene(draw, [item.body("still", place)], [item.thing], direction=direction, light=lamp)
