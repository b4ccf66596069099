"""What a plan says, against counts by hand and against a run's own log."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from examples import examples
from framefall.models.counted import counted
from framefall.models.experts import ExpertsConfig
from framefall.models.transformer import TransformerConfig
from framefall.models.unet import UNetConfig
from framefall.recipes.presets import micro, nano, worlds
from framefall.recipes.systems import imagen_video, sora_like
from framefall.runs.training.plan import FIRST, plan
from framefall.train.objective import noisiest
from framefall.train.recipe import Recipe


@pytest.mark.parametrize("recipe", [pytest.param(imagen_video, marks=pytest.mark.slow), sora_like])
def test_more_devices_take_less_time_and_no_less_money_for_the_same_clips(recipe) -> None:  # type: ignore[no-untyped-def]
    whole = recipe()
    first, part = next(iter(whole.stages.items()))
    small = replace(whole, stages={first: replace(part, batch=1024)})
    found = [plan(small, machine).stages[first] for machine in ("8xH100", "64xH100", "1024xH100")]
    assert [one.steps * one.batch for one in found] == [found[0].steps * 1024] * 3
    assert found[0].hours[1] > found[1].hours[1] > found[2].hours[1]
    for one in found:
        low, middle, high = one.hours
        assert low < middle < high and one.cost is not None and one.cost[0] < one.cost[1] < one.cost[2]
        assert one.flops > 3 * 2 * 1024 * 1e9
    assert found[2].cost[1] >= found[0].cost[1] * 0.99  # type: ignore[index]


def test_what_does_not_fit_is_split_and_what_fits_is_not() -> None:
    recipe = imagen_video()
    one = {"base": recipe.stages["base"]}
    large, small = plan(replace(recipe, stages=one), "8xL40S").stages["base"], plan(micro(), "8xL40S").stages["base"]
    assert large.sharded and not small.sharded and small.fits
    assert large.weights * 8 == pytest.approx(4 * large.parameters)
    assert small.weights == 4 * small.parameters


def test_a_plan_says_what_it_takes_for_granted() -> None:
    sentences = " ".join(plan(nano(), "64xA100", steps=10).assumptions)
    for word in ("312 TFLOP/s", "US dollars an hour", "assumption", "autoencoder", "half of a step's computing"):
        assert word in sentences


def test_the_first_steps_of_a_run_take_the_place_of_what_was_expected(tmp_path: Path) -> None:
    part = micro()
    only = replace(part, stages={"base": part.stages["base"]})
    (tmp_path / "base").mkdir()
    rows = [{"step": at + 1, "clips_a_second": 1.0 if at < 3 else 4.0} for at in range(FIRST)]
    rows += [{"step": FIRST + 1 + at, "clips_a_second": 400.0} for at in range(50)]  # later ones do not count
    (tmp_path / "base" / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"torn')
    before, after = plan(only, "1xH100"), plan(only, "1xH100", run=tmp_path)
    batch = part.stages["base"].batch
    assert after.stages["base"].measured and not before.stages["base"].measured
    assert after.stages["base"].step_seconds[1] == pytest.approx(batch / 4.0)
    assert before.stages["base"].step_seconds[1] < 0.1
    with pytest.raises(ValueError, match=r"--run must be MODEL\.training of a run"):
        plan(only, "1xH100", run=tmp_path / "nothing")


@pytest.mark.slow  # the shares are reckoned with in `test_probe.py`
def test_experts_are_planned_by_the_share_of_the_times_that_are_each_ones() -> None:
    part = worlds().stages["base"]
    whole = part.stage.backbone
    assert isinstance(whole, ExpertsConfig)
    assert isinstance(whole.reader, TransformerConfig) and isinstance(whole.clean, UNetConfig)
    noisy = replace(whole.reader, depth=1)  # of the same kinds, and quickly counted
    network = replace(whole, noisy=noisy, clean=replace(whole.clean, multipliers=(1, 2), blocks=(1, 1), spatial_from=1))

    def of(backbone: ExpertsConfig) -> Recipe:
        return Recipe(name="one", stages={"base": replace(part, stage=replace(part.stage, backbone=backbone))})

    def flops(backbone: ExpertsConfig) -> float:
        return plan(of(backbone), "1xH100").stages["base"].flops / part.batch

    times, grid = noisiest(part), (16, 32, 32)
    two = ExpertsConfig(noisy=noisy, clean=network.clean)
    one, other = (3 * counted(each, grid)[1] for each in (two.noisy, two.clean))
    for split in examples((0.5,), (0.3, 0.5, 0.7)):
        share = sum(time >= split for time in times) / len(times)
        assert 0.3 < share < 1 and flops(replace(two, split=split)) == pytest.approx(share * one + (1 - share) * other)
    three = replace(two, noisy=replace(two, split=0.7))
    shares = [len(own) / len(times) for _, own in three.asked(times)]
    each = [3 * counted(one, grid)[1] for one, _ in three.asked(times)]
    assert len(each) == 3 and flops(three) == pytest.approx(sum(a * b for a, b in zip(shares, each, strict=True)))
    shares = [len(own) / len(times) for _, own in network.asked(times)]
    said = " ".join(plan(of(network), "1xH100").assumptions)
    assert f"{' + '.join(f'{share:.0%}' for share in shares)} of the clips of base are its experts'" in said
    assert "expert" not in " ".join(plan(micro(), "1xH100").assumptions)
