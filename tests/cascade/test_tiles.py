from dataclasses import replace

import pytest
import torch
from torch import Tensor

from framefall.cascade import stage as stage_module
from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import Sampling
from framefall.cascade.tiles import Predict, blended, exact
from framefall.models.backbone import Condition

SIZES = [(40, 40), (16, 56), (57, 33), (8, 70)]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def told(shape: tuple[int, ...]) -> Condition:
    return Condition(
        seconds=torch.zeros(shape[0], shape[2]),
        low_res=noise(*shape, seed=1),
        low_res_noise=torch.full(shape[:1], 0.1),
        prior=noise(*shape, seed=2),
    )


def same(x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
    return x_t


def ask(predict: Predict, height: int, width: int) -> Tensor:
    shape = (2, 3, 2, height, width)
    with torch.no_grad():
        return predict(noise(*shape), torch.tensor([0.3, 0.8]), told(shape))


@pytest.fixture
def stage(configs, learned) -> Stage:
    return learned("spatial_sr", configs["spatial_sr"])


@pytest.mark.parametrize("bridge", [0.35, None])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_exact_tiles_are_the_whole_picture(stage, size, bridge):
    stage = replace(stage, config=replace(stage.config, task=replace(stage.config.task, bridge=bridge)))
    halo = stage.backbone.halo[1]
    whole, tiled = ask(stage.x0, *size), ask(exact(tile=16, halo=halo)(stage.x0), *size)
    # float32: a convolution of another size adds in another order; a pixel's step is 2 / 255
    torch.testing.assert_close(tiled, whole, rtol=1e-5, atol=1e-5)
    for less in (0, halo // 2):  # the control
        assert (ask(exact(tile=16, halo=less)(stage.x0), *size) - whole).abs().max() > 1e-3


def test_exact_tiles_in_fast_arithmetic_differ_by_less_than_a_pixels_step(stage):
    """bfloat16 rounds alike wherever a pixel lies, as long as sums are made in the same order."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        whole = ask(stage.x0, 40, 40)
        tiled = ask(exact(tile=16, halo=stage.backbone.halo[1])(stage.x0), 40, 40)
        bare = ask(exact(tile=16, halo=0)(stage.x0), 40, 40)
    assert (tiled - whole).abs().max() < 1 / 255 < (bare - whole).abs().max()


@pytest.mark.parametrize("wrap", [exact(tile=16, halo=3), blended(height=16, width=16)], ids=["exact", "blended"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_tiles_of_what_is_there_already_are_what_is_there(size, wrap):
    """A partition of unity: every pixel is covered, and its weights add up to one."""
    video = ask(same, *size)
    torch.testing.assert_close(ask(wrap(same), *size), video, rtol=1e-5, atol=1e-6)  # one division in float32


@pytest.mark.parametrize("wrap", [exact(tile=16, halo=3), blended(height=16, width=16)], ids=["exact", "blended"])
@pytest.mark.parametrize("size", [(16, 16), (1, 1), (16, 5)], ids=str)
def test_a_picture_that_fits_is_left_whole(size, wrap):
    seen: list[tuple[int, ...]] = []

    def spy(x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        seen.append(tuple(x_t.shape[-2:]))
        return x_t

    assert torch.equal(ask(wrap(spy), *size), ask(same, *size)) and seen == [size]


@pytest.mark.parametrize("wrap", [exact(tile=16, halo=4), blended(height=16, width=16)], ids=["exact", "blended"])
def test_a_tile_is_told_of_its_own_part(wrap):
    def part(x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        assert condition.low_res.shape == x_t.shape == condition.prior.shape and t.shape == (2,)
        return x_t + condition.low_res + 2 * condition.prior

    torch.testing.assert_close(ask(wrap(part), 40, 24), ask(part, 40, 24))

    def elsewhere(x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        return x_t + condition.low_res.flip(-1) + 2 * condition.prior

    assert (ask(wrap(elsewhere), 40, 24) - ask(elsewhere, 40, 24)).abs().max() > 0.1


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_no_tile_is_larger_than_it_may_be(size):
    seen: list[tuple[int, ...]] = []

    def spy(x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        seen.append(tuple(x_t.shape[-2:]))
        return x_t

    ask(exact(tile=16, halo=3)(spy), *size)
    assert max(max(one) for one in seen) <= 16 + 2 * 3
    seen.clear()
    ask(blended(height=16, width=12)(spy), *size)
    assert {one[0] for one in seen} == {min(16, size[0])} and {one[1] for one in seen} == {min(12, size[1])}


def test_blended_tiles_show_no_seam():
    """Each tile has a level of its own; blended, the levels pass into one another."""
    levels = iter(range(100))

    def level(x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        return torch.full_like(x_t, float(next(levels)))

    row = ask(blended(height=16, width=16)(level), 16, 60)[0, 0, 0, 0]
    steps = row.diff()
    assert (steps >= -1e-5).all() and steps.max() < 0.5  # a hard cut would step by one
    levels = iter(range(100))
    assert ask(exact(tile=16, halo=0)(level), 16, 60)[0, 0, 0, 0].diff().max() == 1


def test_a_large_picture_goes_through_a_stage_in_tiles(run, spatial, monkeypatch, moving, float32):
    low, sampling = moving(2, 20, 12), Sampling(steps=2)
    whole = run(spatial, low, range(2), sampling)
    monkeypatch.setattr(stage_module, "TILE", 16)
    torch.testing.assert_close(run(spatial, low, range(2), sampling), whole, rtol=0, atol=1e-4)
    spatial.backbone.halo = (spatial.backbone.halo[0], 0)
    assert (run(spatial, low, range(2), sampling) - whole).abs().max() > 10 / 255


def test_a_picture_larger_than_a_transformer_was_trained_on_is_blended(run, temporal, moving):
    low = moving(4, 24, 40)
    out = run(temporal, low, range(1, 7), Sampling(steps=2))
    assert out.shape[-2:] == (24, 40) and out.isfinite().all()
    assert torch.equal(out[:, :, 1::2], low[:, :, 1:])
