"""The wall: a gradient in encoded values, and a texture of the deviation that it says, at places of the world."""

import numpy as np
import pytest
import torch

from framefall.worlds.render.backdrop import paint_backdrop
from framefall.worlds.render.raster import decode, encode
from framefall.worlds.scene import Backdrop

FINE = ((np.arange(256) + 0.5) / 256)[None]


def wall(backdrop, across=FINE, up=FINE[:, ::-1]):
    """Encoded values 0..1, `[frames, 3, height, width]`."""
    base, swing, texture = paint_backdrop(backdrop, across, up)
    linear = base if texture is None else base + swing * texture
    return encode(linear.expand(-1, -1, -1, across.shape[1]).double().numpy())


def test_a_plain_wall_is_an_even_gradient_of_encoded_values():
    backdrop = Backdrop(bottom=(0.2, 0.5, 0.8), top=(0.8, 0.5, 0.2))
    assert paint_backdrop(backdrop, FINE, FINE)[2] is None
    column = wall(backdrop)[0, :, :, 7]
    up = FINE[0, ::-1]
    np.testing.assert_allclose(column[0], 0.2 + 0.6 * up, atol=1e-5)
    np.testing.assert_allclose(column[1], 0.5, atol=1e-5)
    light = decode(np.array([0.2, 0.8]))  # the control: even in light would be another
    assert np.abs(encode(light[0] + (light[1] - light[0]) * up) - column[0]).max() > 0.05


@pytest.mark.parametrize("texture", [0.005, 0.02])
def test_a_texture_has_its_deviation_and_no_mean(texture):
    backdrops = [Backdrop(bottom=(0.7,) * 3, top=(0.7,) * 3, texture=texture, seed=seed) for seed in range(12)]
    # over a wall much longer than the longest wave
    long = ((np.arange(256) + 0.5) / 16)[None]
    values = np.stack([wall(backdrop, long, long) for backdrop in backdrops])
    assert values.std() == pytest.approx(texture, rel=0.1)
    assert values.mean() == pytest.approx(0.7, abs=texture / 5)


def test_the_texture_is_a_function_of_the_places_and_of_the_seed():
    backdrop = Backdrop(texture=0.02, seed=3)
    moved = FINE + 16 / 256
    here, there = wall(backdrop), wall(backdrop, moved)
    np.testing.assert_array_equal(here[..., 16:], there[..., :-16])
    assert np.abs(wall(Backdrop(texture=0.02, seed=4)) - here).max() > 0.01


def test_a_texture_stays_within_the_colours_that_there_are():
    for level in (0.0, 1.0):
        base, swing, texture = paint_backdrop(Backdrop(bottom=(level,) * 3, top=(level,) * 3, texture=0.1), FINE, FINE)
        assert texture is not None
        linear = base + swing * texture
        assert float(linear.min()) >= 0 and float(linear.max()) <= 1 + 1e-6
    assert isinstance(linear, torch.Tensor)
