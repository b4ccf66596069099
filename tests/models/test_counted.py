import pytest

from framefall.models.counted import counted
from framefall.models.experts import ExpertsConfig
from framefall.models.transformer import TransformerConfig
from framefall.models.unet import UNetConfig


def test_a_call_is_counted_without_being_computed() -> None:
    network = TransformerConfig(dim=64, depth=2, heads=1, patch=(1, 4, 4))
    parameters, flops, kept = counted(network, (2, 16, 16))
    tokens = 2 * 4 * 4
    block = 2 * tokens * sum(a * b for a, b in ((64, 192), (64, 64), (64, 384), (192, 64))) + 4 * tokens**2 * 64
    assert 2 * block < flops < 2.5 * block and kept > 0 and parameters > 2 * 64 * 640
    assert counted(network, (4, 16, 16))[1] > 2 * flops  # what all see grows faster than the clip


def test_two_experts_cost_what_each_calls_time_says_and_keep_what_the_larger_one_keeps() -> None:
    noisy = TransformerConfig(dim=64, depth=1, heads=1, patch=(1, 8, 8))
    clean = UNetConfig(dim=32, multipliers=(1, 1), blocks=(1, 1), unshuffle=2, spatial_from=1)
    grid, both = (2, 16, 16), ExpertsConfig(split=0.4, noisy=noisy, clean=clean)
    one, other = counted(noisy, grid), counted(clean, grid)
    parameters, flops, kept = counted(both, grid, times=[1.0, 0.4, 0.39, 0.1, 0.0])
    assert parameters == one[0] + other[0] and kept == max(one[2], other[2])
    assert flops == pytest.approx(0.4 * one[1] + 0.6 * other[1])
    assert counted(both, grid, times=[0.5])[1:] == one[1:] and counted(both, grid, times=[0.1])[1:] == other[1:]
    assert abs(flops / one[1] - 1) > 0.1  # the control: the noisy one's alone is another number
