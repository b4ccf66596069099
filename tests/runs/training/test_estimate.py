import math
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from examples import examples
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.config import override
from framefall.data.folder import Folder
from framefall.recipes.registry import RECIPES
from framefall.runs.sources import WorldSource
from framefall.runs.training import estimate
from framefall.train.loop import Budget, initial, train_stage
from framefall.train.outlook import BY_HEART, Outlook, needed
from framefall.train.resume import State
from framefall.worlds.world import open_world

MICRO = RECIPES["micro"]()
CPU = torch.device("cpu")


def buys(name: str, steps: int, *, kind: str | None = None, seconds: float | None = 1.0, **changes: object) -> Outlook:
    batch = MICRO.stages[name].batch
    return Outlook(stage=name, kind=kind or name, batch=batch, steps=steps, seconds=seconds, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [*MICRO.stages][: examples(1, 3)])
def test_the_estimate_is_within_a_factor_of_what_really_happens(name: str, folder: Folder, tmp_path: Path) -> None:
    """Timed before and after, because others use the cores as well; the first step is a session's start."""
    before = estimate.outlook(name, MICRO, folder, Budget(minutes=60.0), CPU)
    stage, times = initial(name, MICRO.stages[name], 0, CPU), []
    for _ in train_stage(stage, MICRO, folder, Budget(steps=9), tmp_path):
        times.append(time.monotonic())
    after = estimate.outlook(name, MICRO, folder, Budget(minutes=60.0), CPU)
    real = 3600 * (len(times) - 1) / (times[-1] - times[0])  # steps an hour
    assert real / 3 <= (before.steps * after.steps) ** 0.5 <= 3 * real
    assert before.clips == before.steps * 4 and before.minutes == pytest.approx(60.0, rel=0.02)


def test_timing_leaves_nothing_behind_that_training_would_see(folder: Folder) -> None:
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    weights = initial("base", MICRO.stages["base"], 0, CPU).backbone.state_dict()
    assert 0 < estimate.step_seconds("base", MICRO, folder, CPU) < 60
    assert torch.equal(torch.random.get_rng_state(), before)
    again = initial("base", MICRO.stages["base"], 0, CPU).backbone.state_dict()
    assert all(torch.equal(weights[key], again[key]) for key in weights)


def test_a_larger_batch_takes_longer_though_as_few_clips_are_timed(folder: Folder) -> None:
    one, many = (
        min(
            estimate.step_seconds("spatial_sr", override(MICRO, [f"stages.spatial_sr.batch={batch}"]), folder, CPU)
            for _ in range(3)
        )
        for batch in (4, 64)
    )
    assert many > 3 * one


def test_a_few_steps_are_not_timed_and_earlier_sessions_count(folder: Folder) -> None:
    few = estimate.outlook("base", MICRO, folder, Budget(steps=4), CPU)
    assert few.seconds is None and few.minutes is None and few.steps == 4 and few.clips == 16
    later = estimate.outlook("base", MICRO, folder, Budget(steps=104), CPU, before=State(step=100, minutes=3.0))
    assert later.steps == 4 and later.done == 100 and later.clips == 416
    assert estimate.outlook("base", MICRO, folder, Budget(minutes=3.0), CPU, before=State(minutes=3.0)).steps == 0


def test_pieces_are_counted_where_the_source_knows_them(folder: Folder) -> None:
    base, spatial = (estimate.pieces(folder, MICRO.stages[name], 0) for name in ("base", "spatial_sr"))
    assert base is not None and spatial is not None and 1 < base < spatial  # shorter clips are more of them
    bucketed = override(MICRO, ["stages.base.stage.task.buckets=auto"])
    assert (estimate.pieces(folder, bucketed.stages["base"], 0) or 0) > base
    world = WorldSource(open_world("fall", size=20), size=64, fps=12.0)
    assert estimate.pieces(world, MICRO.stages["base"], 0) == 20 * world.looks


def test_minutes_that_do_not_last_for_a_step_are_refused_with_those_that_would(folder: Folder) -> None:
    stages = {name: buys(name, 0, seconds=6.0) for name in MICRO.stages}
    with pytest.raises(
        ValueError, match=r"last for a step of each stage, and one of \w+ takes 6 s; got 0\.05, give"
    ) as e:
        estimate.check(MICRO, stages, 0.05)
    enough = float(str(e.value).rpartition(" ")[2])
    shares = [part.share for part in MICRO.stages.values()]
    assert enough == pytest.approx(0.1 * sum(shares) / min(shares), rel=0.1)
    estimate.check(MICRO, stages, enough)
    estimate.check(MICRO, stages, enough / 2)  # it may have been timed beside other work
    estimate.check(MICRO, {"base": buys("base", 0, done=5, seconds=6.0)}, 0.01)  # it has been trained before
    estimate.check(MICRO, stages, None)


def test_the_minutes_that_are_named_would_do() -> None:
    seconds = {"base": 0.5, "temporal_sr": 0.2, "spatial_sr": 0.3}
    minutes = estimate.minutes_needed(MICRO, seconds, {name: buys(name, 1) for name in MICRO.stages})
    total = sum(part.share for part in MICRO.stages.values())
    for name, part in MICRO.stages.items():
        clips = minutes * 60 * part.share / total / seconds[name] * part.batch
        assert clips >= needed(name) * (1 - 1e-9)  # type: ignore[arg-type]


def test_a_budget_that_cannot_make_a_picture_is_warned_of_with_what_would(folder: Folder) -> None:
    outlooks = {"base": buys("base", 15), "spatial_sr": buys("spatial_sr", 900)}
    remedy = estimate.remedies(MICRO, list(outlooks.values()), folder, minutes=5.0, device=CPU)
    total = sum(MICRO.stages[name].share for name in outlooks)
    need = needed("base") / MICRO.stages["base"].batch / 60 * total / MICRO.stages["base"].share
    named = re.search(r"--minutes (\d+)", remedy)
    assert named and need <= int(named[1]) <= 1.2 * need
    bought, warning = estimate.said(MICRO, outlooks, remedy)
    assert bought.startswith("micro: base 15 steps of 4 clips in 15 s; spatial_sr 900 steps")
    assert warning.startswith("this is not enough: base will see about 60 clips") and warning.endswith(remedy)
    assert "spatial_sr will" not in warning  # that one will do


def test_a_budget_that_will_do_is_not_warned_of(folder: Folder) -> None:
    outlooks = {"base": buys("base", 10_000), "spatial_sr": buys("spatial_sr", 900)}
    assert estimate.remedies(MICRO, list(outlooks.values()), folder, minutes=5.0, device=CPU) == ""
    assert len(list(estimate.said(MICRO, outlooks, ""))) == 1


def test_one_stage_alone_is_named_where_all_of_the_time_is_enough_for_it(folder: Folder) -> None:
    def remedy(minutes: float) -> str:
        outlooks = [buys("base", 40_000), buys("spatial_sr", 60, seconds=1.0)]
        return estimate.remedies(MICRO, outlooks, folder, minutes=minutes, device=CPU)

    assert "--stage spatial_sr" in remedy(6.0) and "--stage" not in remedy(2.0)


def test_steps_are_answered_with_steps(folder: Folder) -> None:
    remedy = estimate.remedies(MICRO, [buys("base", 15, seconds=None)], folder, minutes=None, device=CPU)
    assert f"--steps {math.ceil(needed('base') / MICRO.stages['base'].batch / 100) * 100}" in remedy


@pytest.mark.slow
def test_a_smaller_recipe_and_a_start_are_named_only_where_they_are_any(
    folder: Folder, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # five minutes are enough for the toy alone
    monkeypatch.setattr(estimate, "step_seconds", lambda name, recipe, *_: 0.005 if recipe.name == "micro" else 0.5)
    nano = RECIPES["nano"]()
    outlook = replace(buys("base", 15), batch=16)
    remedy = estimate.remedies(nano, [outlook], folder, minutes=5.0, device=CPU)
    assert "--recipe pico" in remedy and "--recipe micro" in remedy and "32 pixels" in remedy and "worlds" not in remedy
    small = estimate.remedies(MICRO, [buys("base", 15)], folder, minutes=5.0, device=CPU, init=load_cascade(trained))
    assert "--recipe" not in small and "--init" not in small


def test_a_start_is_a_shipped_model_whose_networks_fit() -> None:
    for name in ("pico", "worlds"):
        recipe = RECIPES[name]()
        shipped = load_cascade(name)
        for stage in shipped.stages:
            fits = estimate._fits(recipe, shipped.config.stages, [stage.name])
            assert fits == (stage.config.backbone == recipe.stages[stage.name].stage.backbone)
        assert not estimate._fits(recipe, shipped.config.stages, ["other"])


def test_few_clips_seen_often_are_said_to_be_learned_by_heart() -> None:
    def said(pieces: int) -> list[str]:
        return list(estimate.said(MICRO, {"base": buys("base", 10_000, pieces=pieces)}, ""))

    assert len(said(40_000 // BY_HEART + 1)) == 1
    _, warning = said(40_000 // BY_HEART)
    assert "by heart" in warning and "more clips would help more than more time" in warning
