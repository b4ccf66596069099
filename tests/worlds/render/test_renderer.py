"""Pictures: their sizes agree, they depend on nothing but the log and the moment, and light behaves."""

import functools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hand_made import PLAIN, SCREEN, body, log_of

from framefall.video import from_pixels, resize
from framefall.worlds.render import backdrop, raster, sprites
from framefall.worlds.render import renderer as render
from framefall.worlds.render.painting import Stills
from framefall.worlds.render.renderer import RENDERER, View, draw_frames, renderer_name
from framefall.worlds.scene import Backdrop, Camera, Light, rgb
from framefall.worlds.state import frame_times
from framefall.worlds.world import World

SMALL, LARGE, NOW = View(64, 64), View(256, 256), np.zeros(1)


def drawn(name, index=0, **changes):
    """A log of a scenario, its scene changed in how it looks."""
    log = World((name,)).log(index)
    return replace(log, scene=replace(log.scene, **changes))


def picture(log, times=NOW, view=SMALL, **more):
    """`[3, frames, height, width]` as whole numbers that can be subtracted."""
    return render.render([log], [np.asarray(times, dtype=np.float64)], view, **more)[0].int()


PAN = Camera(start=(0.013, 0.0), velocity=(0.07, 0.031))
LOOKS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "collision": ("collision", 0, {}),
    "occluder": ("occluder", 0, {}),
    "stack": ("stack", 0, {}),
    "pour": ("pour", 0, {}),
    "pendulum with its rod": ("pendulum", 0, {}),
    "light and shadow": ("light", 0, {}),
    "a panning camera": ("projectile", 0, dict(camera=PAN)),
    "a panning camera, shadows and a rod": ("pendulum", 0, dict(camera=PAN, light=Light(shadow=0.4, turn=20.0))),
    "rods, shadows and texture": ("pendulum", 1, dict(light=Light(shadow=0.4), backdrop=Backdrop(texture=0.02))),
    "shadows on one another": ("billiards", 0, dict(light=Light(shadow=0.5, turn=30.0))),
}


@functools.cache
def shown(name):
    """One of these logs, simulated when it is first asked for."""
    scenario, index, changes = LOOKS[name]
    return drawn(scenario, index, **changes)


@pytest.mark.parametrize("name", LOOKS)
def test_a_small_picture_is_the_area_mean_of_the_large_one(name, monkeypatch):
    times = np.array([0.2, 1.4])
    small, large = (render.render([shown(name)], [times], view) for view in (SMALL, LARGE))
    mean = resize(from_pixels(large), 64, 64, "area")

    def apart(video):
        return float((mean - from_pixels(video)).abs().max()) * 127.5

    # both round to whole levels: half a level for the small picture, and up to another for the mean of rounded ones
    assert apart(small) <= 1.0
    monkeypatch.setattr(sprites, "FINE", 64)
    assert apart(render.render([shown(name)], [times], SMALL)) > 5.0  # the control: drawn on the 64-pixel grid itself


@pytest.mark.parametrize("name", LOOKS)
def test_a_crop_is_a_part_of_the_whole(name):
    times = np.array([0.2, 1.4, 2.3])
    whole = picture(shown(name), times, LARGE)
    for top, left, height, width in ((0, 0, 96, 96), (101, 37, 61, 96), (200, 150, 56, 106)):
        crop = picture(shown(name), times, View(height, width, 256, top, left))
        assert torch.equal(crop, whole[..., top : top + height, left : left + width])
    small, crop = picture(shown(name), times), picture(shown(name), times, View(40, 30, 64, 13, 7))
    assert torch.equal(crop, small[..., 13:53, 7:37])
    assert not torch.equal(crop, small[..., 13:53, 8:38])  # the control


def test_a_picture_has_any_size_and_a_wide_scene_its_width():
    log = log_of(body(position=(1.7, 0.5)), width=2.0)
    for view in (View(64, 128), View(37, 74), View(300, 600)):
        seen = picture(log, view=view)
        assert seen.shape == (3, 1, view.height, view.width)
        row, column = view.height // 2 + view.height // 20, round(1.7 * view.height)
        assert (seen[:, 0, row, column] - 255 * torch.tensor(rgb("red"))).abs().max() < 20  # shading is up to 15%


@pytest.mark.parametrize("name", ["collision", "a panning camera, shadows and a rod", "light and shadow"])
def test_equal_moments_are_equal_pictures_at_any_frame_rate(name):
    many, few = picture(shown(name), frame_times(61, 24.0)), picture(shown(name), frame_times(16, 6.0))
    assert torch.equal(many[:, ::4], few)
    assert not torch.equal(many[:, 1::4], few[:, :15])  # the control: one frame later


def test_a_clip_is_the_same_alone_and_among_others():
    logs = [shown(name) for name in LOOKS]
    times = [frame_times(5, 2.0) + 0.01 * index for index in range(len(logs))]
    together = render.render(logs, times, SMALL).int()
    for index, (log, moments) in enumerate(zip(logs, times, strict=True)):
        assert torch.equal(together[index], picture(log, moments))
    assert not torch.equal(together[0], together[1])


@pytest.mark.parametrize("still", [True, False])
def test_clips_drawn_at_once_as_on_a_gpu_are_drawn_as_alone(still):
    camera = Camera() if still else PAN
    logs = [replace(log, scene=replace(log.scene, camera=camera)) for log in map(shown, LOOKS)]
    times = [frame_times(3, 1.0) + 0.1] * len(logs)
    stills = Stills.of([log.scene for log in logs], SMALL, torch.device("cpu")) if still else None
    flat = torch.empty(3 * len(logs), 3, 64, 64, dtype=torch.uint8)
    draw_frames(logs, times, SMALL, stills, flat)
    for index, log in enumerate(logs):
        assert torch.equal(flat[3 * index : 3 * index + 3].transpose(0, 1).int(), picture(log, times[index]))


def test_moments_may_stand_in_any_order():
    log = shown("collision")
    forth, back = picture(log, [0.5, 2.0]), picture(log, [2.0, 0.5])
    assert torch.equal(forth, back.flip(1)) and not torch.equal(forth, back)


def test_a_still_cameras_wall_is_still():
    wall = Backdrop(texture=0.02, seed=5)
    log = log_of(body(position=(0.2, 0.5), velocity=(0.2, 0.0)), fixtures=(SCREEN,), backdrop=wall)
    away = picture(log, np.linspace(0, 2.5, 12))[:, :, :24]  # rows that the body never enters
    assert torch.equal(away, away[:, :1].expand_as(away))
    panned = picture(replace(log, scene=replace(log.scene, camera=PAN)), np.linspace(0, 2.5, 12))[:, :, :24]
    assert not torch.equal(panned, panned[:, :1].expand_as(panned))  # the control
    assert len(away[0, 0].unique()) > 5  # and there is a texture


def test_a_pan_by_whole_pixels_shifts_the_picture():
    log = log_of(
        body(shape="triangle", angle=0.3),
        fixtures=(SCREEN,),
        backdrop=Backdrop(texture=0.02, seed=5),
        light=Light(shadow=0.4),
        camera=Camera(velocity=(4 / 64, 2 / 64)),
    )
    seen = picture(log, [0.0, 1.0, 1.1])
    # the view goes right by 4 pixels and up by 2, so the picture goes left and down
    assert torch.equal(seen[:, 1, 2:, :-4], seen[:, 0, :-2, 4:])
    assert not torch.equal(seen[:, 2, 2:, :-4], seen[:, 0, :-2, 4:])  # the control: not by whole pixels


def test_motion_blur_is_the_mean_of_the_pictures_in_between():
    log, times = shown("a panning camera"), frame_times(3, 6.0) + 0.5
    blurred = picture(log, times, shutter=0.5, samples=4)
    shares = (np.arange(4) + 0.5) / 4 - 0.5
    mean = sum(picture(log, times + 0.5 * share / 6).double() for share in shares) / 4
    assert float((blurred - mean).abs().max()) <= 0.5  # rounded once
    assert float((picture(log, times) - mean).abs().max()) > 5.0  # the control: no blur
    assert torch.equal(picture(log, times, shutter=0.5, samples=1), picture(log, times))


def test_motion_blur_keeps_the_centroid_and_smears_along_the_way():
    log = log_of(body(velocity=(0.6, 0.0)), light=Light(shading=0.0), backdrop=PLAIN)
    times = np.array([-0.1, 0.0, 0.1])

    def spread(image):
        lost = 204 - image[2, 1].double().numpy()
        down, across = np.indices(lost.shape) + 0.5
        x, y = (across * lost).sum() / lost.sum(), (down * lost).sum() / lost.sum()
        return x, y, ((across - x) ** 2 * lost).sum() / lost.sum(), ((down - y) ** 2 * lost).sum() / lost.sum()

    sharp, blurred = spread(picture(log, times)), spread(picture(log, times, shutter=1.0, samples=16))
    assert blurred[:2] == pytest.approx((32.0, 32.0), abs=0.05)
    # 16 even steps over the way: its square over 12, less 1 / 16^2 of it
    way = 0.6 * 0.1 * 64
    assert blurred[2] - sharp[2] == pytest.approx(way**2 / 12 * (1 - 1 / 256), rel=0.03)
    assert blurred[3] == pytest.approx(sharp[3], rel=0.01)  # the control: nothing across it


def test_impossible_requests_are_refused_in_one_sentence():
    log = shown("collision")
    for logs, times in (([], []), ([log], []), ([log], [np.zeros(0)])):
        with pytest.raises(ValueError, match="as many arrays of times as logs") as refusal:
            render.render(logs, times, SMALL)
        assert "\n" not in str(refusal.value)
    with pytest.raises(ValueError, match="finite"):
        render.render([log], [np.array([math.nan])], SMALL)
    for shutter, samples, times in ((1.5, 8, [0, 1]), (-0.1, 8, [0, 1]), (0.5, 0, [0, 1]), (0.5, 8, [0])):
        with pytest.raises(ValueError, match="motion blur needs"):
            picture(log, times, shutter=shutter, samples=samples)


CONSTANTS = {
    "the fine grid": (sprites, "FINE", 128),
    "the quantum": (sprites, "QUANTUM", 512),
    "the shadow's way": (sprites, "SHADOW_OFFSET", 0.06),
    "the penumbra": (sprites, "PENUMBRA", 0.1),
    "the stripe": (sprites, "STRIPE", 0.2),
    "the stripe's darkness": (sprites, "STRIPE_DARK", 0.5),
    "the texture's waves": (backdrop, "WAVES", 5),
    "the encoding": (raster, "LEVELS", 16384),
    "the version": (render, "VERSION", render.VERSION + 1),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_another_renderer_has_another_name(name, monkeypatch):
    assert renderer_name() == RENDERER and len(RENDERER) == 16
    monkeypatch.setattr(*CONSTANTS[name])
    assert renderer_name() != RENDERER


def test_a_worlds_logs_name_the_renderer():
    assert World().log(0).renderer == RENDERER
