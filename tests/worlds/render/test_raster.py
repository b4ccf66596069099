"""Coverage and light are what they say, by sums that need no renderer."""

import math

import numpy as np
import pytest
import torch

from framefall.worlds.render.patches import Patches
from framefall.worlds.render.raster import (
    block_mean,
    capsule_numbers,
    coverage,
    decode,
    encode,
    encode_levels,
    penumbra,
    polygon_coverage,
    polygon_numbers,
    rounded_numbers,
    signed_distance,
)
from framefall.worlds.shapes import OUTLINES, outline

CPU = torch.device("cpu")
ALL = np.array([[0.0, 0.0, 64.0, 64.0]])


def whole():
    return Patches(np.zeros(1, dtype=np.int64), ALL, 64, 64, 1, CPU)


def area(kind, numbers, centre=(32.3, 31.6)):
    """What the ramp of the distance covers."""
    return float(coverage(signed_distance(kind, numbers, np.array([centre]), whole())).sum())


def turned(shape, radius, angle):
    cosine, sine = math.cos(angle), math.sin(angle)
    return outline(shape, radius) @ np.array([[cosine, sine], [-sine, cosine]]) * (1, -1)


@pytest.mark.parametrize("shape", [name for name in OUTLINES if len(OUTLINES[name])])
def test_a_polygon_covers_its_area(shape):
    centres = [np.array([[32 + x, 32 + y]]) for x in (0.0, 0.3, 0.5, 0.8) for y in (0.1, 0.5, 0.9)]
    exact, errors, controls = math.pi * 10.0**2, [], []
    for angle in (0.0, 0.2, 0.9):
        numbers = polygon_numbers(turned(shape, 10.0, angle))[None]
        for centre in centres:
            errors.append(float(polygon_coverage(numbers, centre, whole()).sum()) / exact - 1)
            controls.append(area("polygon", numbers, centre[0]) / exact - 1)
    # a corner's pixel is the product of two sides: right where they are upright, else off by some hundredths
    assert np.abs(errors).max() < 0.003 and abs(np.mean(errors)) < 0.0007
    # the control: the nearest side alone, which takes a corner for a side
    assert np.mean(controls) > 0.0008


def test_an_upright_box_is_exact():
    numbers = polygon_numbers(np.array([[-5.3, -4.1], [5.3, -4.1], [5.3, 4.1], [-5.3, 4.1]]))[None]
    assert float(polygon_coverage(numbers, np.array([[32.3, 31.6]]), whole()).sum()) == pytest.approx(4 * 5.3 * 4.1)
    assert area("polygon", numbers) != pytest.approx(4 * 5.3 * 4.1, rel=0.001)  # the control


def test_round_things_cover_their_areas():
    # a ramp over one pixel is symmetric about the rim: only the rim's bend is missed, 1 / (24 r^2)
    assert area("disc", np.array([[10.0]])) == pytest.approx(math.pi * 100, rel=0.002)
    line = capsule_numbers(np.array([[-10.0, -3.0]]), np.array([[9.0, 5.0]]), 3.0)
    assert area("capsule", line) == pytest.approx(math.hypot(19, 8) * 6 + math.pi * 9, rel=0.005)
    block = rounded_numbers(np.array([[-8.0, -5.0], [8.0, -5.0], [8.0, 5.0], [-8.0, 5.0]]), 2.0)
    assert area("rounded", block) == pytest.approx(160 + 2 * 2 * 26 + math.pi * 4, rel=0.005)
    assert area("capsule", line) != pytest.approx(math.hypot(19, 8) * 6, rel=0.005)  # the control: no round ends


def test_a_shapes_corners_may_run_either_way_round():
    corners = turned("triangle", 10.0, 0.3)
    centre = np.array([[32.0, 32.0]])
    one, other = (polygon_coverage(polygon_numbers(way)[None], centre, whole()) for way in (corners, corners[::-1]))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
    assert float(one.sum()) > 300


def test_a_penumbra_is_half_at_the_rim_and_soft_on_both_sides():
    distance = torch.tensor([[[-6.0, -5.0, -2.5, 0.0, 2.5, 5.0, 6.0]]])
    share = penumbra(distance.clone(), 10.0)[0, 0].tolist()
    assert share == pytest.approx([1.0, 1.0, 0.84375, 0.5, 0.15625, 0.0, 0.0])  # 3 u^2 - 2 u^3
    assert coverage(distance)[0, 0].tolist() == [1.0, 1.0, 1.0, 0.5, 0.0, 0.0, 0.0]


def test_light_and_srgb_are_each_others_inverse():
    srgb = np.linspace(0.0, 1.0, 256)
    np.testing.assert_allclose(encode(decode(srgb)), srgb, atol=1e-7)  # the standard's two pieces meet to 1e-8
    # half the light of white is level 188, far from the half of 255 that blending encoded values would give
    assert round(float(255 * encode(np.array([0.5]))[0])) == 188


def test_every_byte_survives_the_encoding_table():
    levels = torch.arange(256.0)
    linear = torch.from_numpy(decode(levels.numpy().astype(np.float64) / 255).astype(np.float32))
    # near black one step of the table is 255 * 12.92 / 32,768 levels = 0.1
    assert float((encode_levels(linear) - levels).abs().max()) < 0.06
    assert encode_levels(torch.tensor([1.5])).item() == 255.0  # what is too bright is white
    assert float((255 * linear - levels).abs().max()) > 50  # the control: no encoding


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_a_block_mean_is_the_mean_of_each_block(factor):
    fine = torch.from_numpy(np.random.default_rng(0).random((2, 3, 12, 24), dtype=np.float32))
    means = fine.reshape(2, 3, 12 // factor, factor, 24 // factor, factor).mean(dim=(3, 5))
    torch.testing.assert_close(block_mean(fine.clone(), factor), means, rtol=0, atol=1e-6)
