"""What guidance buys, on a toy cascade of one scenario; and the verdicts on made-up clips."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from framefall.bench import guidance as bench
from framefall.bench.guidance import MEASURES, ROWS, Clips, edges, guidance_bench, measured, verdict
from framefall.bench.table import lines
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.diffusion.guidance_config import Guidance
from framefall.evaluate.worldbench.benchmark import Case, Protocol, cases
from framefall.recipes.registry import RECIPES
from framefall.runs.sources import WorldSource
from framefall.runs.training.train import train
from framefall.worlds.world import open_world


@pytest.fixture(scope="module")
def knowing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base that can be given first frames, trained for a moment."""
    recipe = RECIPES["micro"]()
    base = recipe.stages["base"]
    stage = replace(
        base.stage,
        task=replace(base.stage.task, known=3),
        backbone=replace(base.stage.backbone, low_res_channels=4),
        best=replace(base.stage.best, steps=3, sampler="euler"),
    )
    folder = tmp_path_factory.mktemp("knowing") / "model"
    world = WorldSource(open_world("projectile@2", size=40))
    train(world, folder, replace(recipe, stages={"base": replace(base, stage=stage)}), steps=3)
    return folder


@pytest.fixture(scope="module")
def case() -> Case:
    return next(cases(Protocol(scenarios=("projectile",), version=2), "id"))


@pytest.mark.slow
def test_every_kind_is_on_in_one_clip_and_off_in_the_other(knowing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(Protocol(), scenarios=("projectile",))
    monkeypatch.setattr(bench, "Protocol", lambda **values: replace(small, **values))
    found = guidance_bench(str(knowing), 2, weaker=str(knowing))
    assert found["results"].keys() == ROWS.keys() and found["protocol"]["clips"] == 2
    assert found["protocol"]["version"] == 2
    for name, row in found["results"].items():
        assert row["on"] != row["off"] or name == "weaker"
        assert row.keys() >= {*MEASURES, "seconds", "buys", "costs", "verdict"}
        for measure in MEASURES:
            assert row[measure].keys() == {"on", "off", "gain"} and row[measure]["gain"].n <= 2
        assert row["seconds"]["on"].value > 0
    assert found["results"]["weaker"]["blur"]["gain"].value == 0  # no weaker than itself
    text = list(lines({"name": "guidance", **found}))
    assert any(line.startswith("threshold ") for line in text) and "verdict" in text[text.index("") + 1]
    alone = guidance_bench(str(knowing), 1, rows={name: ROWS[name] for name in ("classifier_free", "weaker")})
    assert alone["results"].keys() == {"classifier_free"}  # no weaker model is named


def test_a_row_is_another_guidance_and_a_model_by_default_has_none_of_it() -> None:
    for name, row in ROWS.items():
        assert row.on != row.off and row.on.given == row.off.given, name
        assert row.off.guidance.threshold is None and row.off.guidance.oscillate is None and not row.off.weaker
    assert {row.on.guidance.temporal_scale for row in ROWS.values()} > {1.0}
    assert {row.on.guidance.history_scale for row in ROWS.values()} > {1.0}
    assert ROWS["classifier_free"].off.guidance == Guidance()


def test_a_clip_is_worth_most_when_it_is_the_right_one(case: Case) -> None:
    real, flat = measured(case, case.video), measured(case, torch.zeros_like(case.video))
    assert real["blur"] == 0 and real["beyond_range"] == 0 and real["adherence"] > 0.5
    assert flat["blur"] > 1 and not flat["adherence"] > 0.5 and math.isnan(flat["stutter"])
    soft = F.avg_pool2d(case.video[0], 3, stride=1, padding=1, count_include_pad=False)[None]
    assert edges(soft) < edges(case.video) and measured(case, soft)["blur"] > 0.05
    grain = case.video + 0.2 * torch.randn(case.video.shape, generator=torch.Generator().manual_seed(0))
    assert measured(case, grain)["blur"] > 0.05  # more than there is is as wrong
    assert measured(case, 2 * case.video)["beyond_range"] > 0.01
    future = measured(case, case.video, given=True)
    assert future["physics"] > 0.9 > measured(case, case.video.flip(2), given=True)["physics"]


def test_what_is_better_is_bought_what_is_worse_costs_and_chance_is_nothing() -> None:
    def clips(better: float, noise: float) -> Clips:
        generator = torch.Generator().manual_seed(round(noise * 100))
        draws = torch.randn(40, generator=generator).mul(noise).tolist()
        values = {name: [better + draw for draw in draws] for name in MEASURES}
        return Clips(values=values, seconds=[2.0] * 40)

    row, off = ROWS["classifier_free"], clips(0.0, 0.0)
    more, none = bench._compared(row, clips(0.3, 0.1), off), bench._compared(row, clips(0.0, 0.1), off)
    assert more["buys"] == [name for name, one in MEASURES.items() if one.better > 0]  # more is better of these
    assert more["costs"] == [name for name, one in MEASURES.items() if one.better < 0]
    assert not none["buys"] and not none["costs"] and none["verdict"] == "buys nothing: off"
    slight = bench._compared(row, clips(0.001, 0.0), off)
    assert not slight["buys"] and slight["adherence"]["gain"].low > 0  # sure, and nothing to anybody


def test_a_verdict_says_what_is_bought_and_what_it_costs() -> None:
    assert verdict([], [], 1.0) == "buys nothing: off"
    assert verdict([], ["stutter"], 2.0) == "buys nothing, costs even frames, time: off"
    assert verdict(["adherence"], ["blur"], 1.8) == "buys caption obedience; costs sharpness, time"
    assert verdict([], [], 0.6) == "buys time"


def test_the_default_model_can_do_every_row() -> None:
    base = load_cascade(bench.MODEL).stages[0]
    assert base.task.most_given(base.config.shape.frames) >= Protocol().given
    for row in ROWS.values():
        for setting in (row.on, row.off):
            base.config.check(replace(base.config.best, guidance=setting.guidance))
