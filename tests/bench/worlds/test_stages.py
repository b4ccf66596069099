"""Each stage alone: super-resolution given real frames and its base's, and what a base finds likely."""

from dataclasses import replace

import pytest

from framefall.bench.worlds.stages import PAIRS, expected
from framefall.cascade.cascade import Cascade
from framefall.evaluate.worldbench.benchmark import Protocol
from framefall.progress import finish


def test_frames_that_the_base_drew_again_are_further_from_the_truth_for_all(measured) -> None:
    found = measured.scores["id"]["super_resolution"]
    for stage, plain in (("temporal_sr", "optical_flow"), ("spatial_sr", "bicubic")):
        real, redrawn = found[stage]["real"], found[stage]["redrawn"]
        for name in ("psnr", f"psnr_{plain}"):
            assert redrawn[name]["value"] < real[name]["value"] - 1
        gain = real["psnr"]["value"] - real[f"psnr_{plain}"]["value"]
        assert abs(real["gain"]["value"] - gain) < 1e-6
        assert abs(real["pooled_gain"] - gain) < 1e-4  # of one clip alone it is the same


def test_what_is_kept_of_physics_stands_beside_the_plain_ways(measured) -> None:
    kept = measured.scores["id"]["super_resolution"]["temporal_sr"]["kept"]
    assert set(kept) == {"temporal_sr", "optical_flow", "linear_blend"}


@pytest.mark.slow  # what pairs tell is in `evaluate/stages/test_likelihood.py`
def test_pairs_are_of_the_scenarios_in_turn_and_enough(toy: Cascade, protocol: Protocol) -> None:
    # what vanishes behind a screen does so in one of the two scenarios alone, which then has all pairs
    both = replace(protocol, scenarios=("projectile", "occluder"))
    found = finish(expected(toy.stages[0], both, "id", ("hidden_vanish",), 1))
    assert found["violations"]["hidden_vanish"]["n"] == found["pairs"] == PAIRS
    assert found["violation_of_expectation_error"].n == 1
