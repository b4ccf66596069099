"""The comparison of fusions: known answers for its arithmetic, and a tiny one through the command line."""

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from examples import examples
from framefall.progress import Started, Stepped
from framefall.runs.evaluation.compare import FUSIONS, Comparison, Cost, compare, ratio_of_means, recipe_of, shares
from framefall.runs.sources import WorldSource
from framefall.worlds.world import open_world

COSTS = {"a": Cost(1, 10.0, 100.0, 1.0), "b": Cost(1, 40.0, 100.0, 1.0)}


def test_budgets_are_equal_in_what_was_asked_for_and_fill_the_minutes() -> None:
    flops, minutes, steps = (
        shares(COSTS, Comparison(minutes=1.0, equal=equal)) for equal in ("flops", "minutes", "steps")
    )
    assert flops["a"] == 4 * flops["b"]
    assert minutes["a"] == minutes["b"] == steps["a"] == steps["b"]
    for given in (flops, minutes, steps):
        assert sum(given[name] * COSTS[name].milliseconds / 1000 for name in COSTS) == pytest.approx(60.0, rel=0.01)


def test_a_ratio_of_means_has_the_ratio_inside_its_interval() -> None:
    found = ratio_of_means([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert found.value == 2.0 and found.low < 2.0 < found.high and found.n == 3
    assert ratio_of_means([1.0, 1.0], [2.0, 2.0]).high == 0.5
    assert ratio_of_means([1.0], [0.0]).n == 0 and math.isnan(ratio_of_means([], [1.0]).value)


def test_nothing_but_the_fusion_differs() -> None:
    comparison = Comparison()
    stages = [recipe_of(name, comparison).stages["base"] for name in FUSIONS]
    assert {part.stage.backbone.kind for part in stages} == {"unet"}
    assert len({str(part).replace(f"'{name}'", "") for name, part in zip(FUSIONS, stages, strict=True)}) == 1


def test_a_comparison_that_cannot_be_made_is_refused() -> None:
    for change, sentence in (
        ({"fusions": ()}, "fusions must be some of per_frame, .*, each once; got none"),
        ({"fusions": ("joint", "joint")}, "each once; got joint, joint"),
        ({"fusions": ("magic",)}, "got magic"),
        ({"minutes": math.nan}, "minutes must be above 0, got nan; try 10"),
    ):
        with pytest.raises(ValueError, match=sentence):
            Comparison(**change)


def test_whoever_leaves_on_the_way_leaves_no_answer(tmp_path: Path) -> None:
    source = WorldSource(open_world("uniform", size=8), size=16, fps=24.0)
    comparison = Comparison(fusions=("per_frame",), minutes=0.01, size=16, frames=4, batch=2, clips=2, equal="steps")
    run = compare.events(source, comparison, tmp_path / "c")
    assert next(run) == Started("compare")
    step = next(event for event in run if isinstance(event, Stepped))
    assert step.what.startswith("per_frame, loss ") and step.done == 1
    run.close()
    assert not any((tmp_path / "c" / name).exists() for name in ("compare.json", "compare.png", "samples.png"))


@pytest.mark.slow
def test_every_way_is_trained_and_measured(
    framefall: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = partial(Comparison, frames=8, batch=2)  # the command has no options for these
    monkeypatch.setattr("framefall.runs.evaluation.compare.Comparison", small)
    ways = ["per_frame", *examples(0, 1) * ["sparse"], "joint"]
    line = ["uniform", "--minutes", 0.01, "--count", 2, "--size", 16, "--fusion", ",".join(ways)]
    said = framefall("compare", *line, "-o", tmp_path / "c")
    assert said.code == 0, said.err
    answer = json.loads((tmp_path / "c" / "compare.json").read_text())
    assert list(answer["results"]) == ways
    for row in answer["results"].values():
        assert row["steps"] >= 1 and row["gflops"] > 0 and row["mebibytes"] > 0
        assert row["held_out_loss"]["n"] == 2 and row["flicker_over_real"]["value"] > 0 and "stutter" in row
    assert set(answer["per_frame_flicker_over"]) == set(ways[1:])
    assert "per_frame flickers" in said.out
    assert all((tmp_path / "c" / name).stat().st_size > 1000 for name in ("compare.png", "samples.png"))
    again = framefall("compare", "uniform", "-o", tmp_path / "c")
    assert again.code == 1 and "is not empty" in again.err
    wrong = framefall("compare", "uniform", "--fusion", "magic", "-o", tmp_path / "d")
    assert wrong.code == 1 and "must be some of per_frame" in wrong.err
