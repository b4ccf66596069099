"""What is drawn over what, and light: mixed as light, shaded, and taken by shadows."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hand_made import PLAIN, SCREEN, body, log_of

from framefall.worlds.render import raster
from framefall.worlds.render.renderer import View, render
from framefall.worlds.scene import Backdrop, Fixture, Light, rgb
from framefall.worlds.state import Appearance

LARGE, NOW = View(256, 256), np.zeros(1)


def picture(log, times=NOW, view=LARGE):
    """`[3, frames, height, width]` as whole numbers that can be subtracted."""
    return render([log], [np.asarray(times, dtype=np.float64)], view)[0].int()


def level(colour):
    return torch.tensor([round(255 * value) for value in rgb(colour)])


def test_what_is_nearer_hides_what_is_behind_it():
    boxes = [body(name, (0.3 + 0.1 * i, 0.5), "box", 0.12, name) for i, name in enumerate(("red", "green", "blue"))]
    flat = Light(shading=0.0)
    shown = picture(log_of(*boxes, fixtures=(SCREEN,), light=flat, backdrop=PLAIN), view=LARGE)[:, 0, 128]
    for x, colour in ((0.25, "red"), (0.35, "green"), (0.45, "blue"), (0.55, "black"), (0.7, "black")):
        assert torch.equal(shown[:, int(256 * x)], level(colour)), colour
    behind = replace(SCREEN, front=False)
    shown = picture(log_of(*boxes, fixtures=(behind,), light=flat, backdrop=PLAIN), view=LARGE)[:, 0, 128]
    assert torch.equal(shown[:, int(256 * 0.55)], level("blue"))  # the control: the same screen behind them
    assert torch.equal(shown[:, int(256 * 0.7)], level("black"))
    reverse = picture(log_of(*boxes[::-1], light=flat, backdrop=PLAIN), view=LARGE)[:, 0, 128]
    assert torch.equal(reverse[:, int(256 * 0.35)], level("red"))


def test_a_rod_is_behind_its_body_and_before_the_scenery():
    rod = Fixture(
        name="rod", points=((0.5, 0.9), (0.5, 0.5)), thickness=0.02, colour="brown", follows="one", solid=False
    )
    log = log_of(body(shape="box"), fixtures=(replace(SCREEN, front=False), rod), light=Light(shading=0.0))
    column = picture(log, view=LARGE)[:, 0, :, 129]
    assert torch.equal(column[:, 128], level("red"))
    assert torch.equal(column[:, 60], level("brown"))
    without = picture(replace(log, scene=replace(log.scene, fixtures=log.scene.fixtures[:1])), view=LARGE)
    assert torch.equal(without[:, 0, 60, 129], level("black"))  # the control


def test_looks_switch_colour_shape_size_and_whether_it_is_there():
    looks = (
        Appearance(1.0, "blue", "box", 0.1),
        Appearance(2.0, "#e883b9", "box", 0.15),
        Appearance(3.0, "#e883b9", "box", 0.15, shown=False),
    )
    log = log_of(body(shape="diamond"), looks={"one": looks}, light=Light(shading=0.0), backdrop=PLAIN)
    seen = picture(log, [0.999, 1.0, 2.0, 3.0], LARGE)
    wall = torch.tensor([204, 204, 204])
    for frame, colour in enumerate((level("red"), level("blue"), torch.tensor([0xE8, 0x83, 0xB9]), wall)):
        assert torch.equal(seen[:, frame, 128, 128], colour)
    # a diamond's corner is to the right, a box's is not; the radius is of the disc of equal area
    extents = [int((seen[0, frame, 128] != 204).sum()) for frame in range(4)]
    sides = [2 * 256 * r * math.sqrt(math.pi) / 2 for r in (0.1 * math.sqrt(2), 0.1, 0.15)]
    assert extents == [pytest.approx(side, abs=2) for side in sides] + [0]
    assert torch.equal(seen[:, 3], wall[:, None, None].expand(3, 256, 256))


def test_light_is_mixed_and_not_its_encoding():
    black = Backdrop(bottom=(0.0, 0.0, 0.0), top=(0.0, 0.0, 0.0))
    half = 0.1 * math.sqrt(math.pi) / 2
    # its right side goes through the middle of column 160
    log = log_of(
        body(shape="box", position=(160.5 / 256 - half, 0.5)),
        looks={"one": (Appearance(0.0, "#ffffff", "box", 0.1),)},
        light=Light(shading=0.0),
        backdrop=black,
    )
    row = picture(log, view=LARGE)[0, 0, 128]
    assert row[159] == 255 and row[161] == 0
    # 1.055 * 0.5 ** (1 / 2.4) - 0.055; a 1,024th of a pixel is worth 0.1 levels here. The wrong way gives 128
    assert abs(int(row[160]) - 188) <= 1


def shade(log, time):
    """Where the shadow lies, from the body's centre, in heights and y upwards."""
    dark, clear = (
        picture(replace(log, scene=replace(log.scene, light=light)), [time], LARGE)[1, 0].double().numpy()
        for light in (log.scene.light, replace(log.scene.light, shadow=0.0))
    )
    lost = clear - dark
    down, across = np.indices(lost.shape) + 0.5
    return np.array([(across * lost).sum(), -(down * lost).sum()]) / lost.sum() / 256 - (0.5, -0.5), lost


def test_the_shadow_falls_away_from_the_light_and_moves_with_it():
    log = log_of(body(), light=Light(angle=130.0, turn=-40.0, shadow=0.4), backdrop=PLAIN)
    for time, angle in ((0.0, 130.0), (1.0, 90.0), (2.0, 50.0)):
        (x, y), lost = shade(log, time)
        away = math.degrees(math.atan2(-y, -x)) % 360
        # both shapes are discs, so what the body leaves of its shadow is symmetric about the light's direction
        assert away == pytest.approx(angle, abs=1.0)
        assert math.hypot(x, y) > 0.03 and lost.min() >= 0
    assert shade(log, 0.0)[0] @ shade(log, 2.0)[0] < 0.9 * np.linalg.norm(shade(log, 0.0)[0]) ** 2  # the control


def test_a_shadow_takes_the_share_of_light_that_it_says():
    log = log_of(body(radius=0.14), light=Light(angle=90.0, shadow=0.5), backdrop=PLAIN)
    # the shadow's rim is 0.05 below the body's; halfway between, it is 0.025 heights deep, and 0.08 is the penumbra
    share = 0.025 / 0.08 + 0.5
    linear = raster.decode(np.array([0.8]))[0] * (1 - 0.5 * share**2 * (3 - 2 * share))
    expected = 255 * float(raster.encode(np.array([linear]))[0])
    row = 256 * (0.5 + 0.14 + 0.025)
    seen = picture(log, view=LARGE)[0, 0, int(row) - 1 : int(row) + 1, 128].double().mean()
    assert float(seen) == pytest.approx(expected, abs=2.0)  # half a pixel of the penumbra is worth 1.3 levels
    assert expected < 180  # the control: the bare wall is 204


def test_shading_turns_with_the_light_and_moves_no_centroid():
    flat, shaded = (
        picture(log_of(body(shape="box", angle=0.4), light=Light(angle=180.0, shading=s), backdrop=PLAIN), view=LARGE)
        for s in (0.0, 0.25)
    )
    seen = [(image[1, 0] != 204).double().numpy() for image in (flat, shaded)]
    down, across = np.indices((256, 256)) + 0.5
    places = [np.array([(across * mask).sum(), (down * mask).sum()]) / mask.sum() for mask in seen]
    # not a pixel more or less; the mask of whole pixels itself is within a tenth of a fine pixel of the state
    assert np.abs(places[0] - places[1]).max() < 0.02 and np.abs(places[1] - 128).max() < 0.1
    bright = shaded[0, 0].double().numpy() * seen[1]
    assert (across * bright).sum() / bright.sum() < 128 - 0.4  # the control: the light's own centroid goes left
    inner = (slice(110, 146), slice(110, 146))
    linear = [float(raster.decode(image[0, 0][inner].double().numpy() / 255).mean()) for image in (flat, shaded)]
    assert linear[0] == pytest.approx(linear[1], rel=0.005)  # and as much light as before
