import json
from collections.abc import Callable

import pytest

REFUSED = [
    ("bench nothing", 1, "name must be one of attention, backbones"),
    ("bench backbones", 1, "--peers must name a folder with the packages to compare with"),
    ("bench train --recipe tiny", 1, "recipe must be one of nano, pico, gen1_pico, worlds, micro"),
    ("bench train --recipe micro --stage first", 1, "--stage must be one of base, temporal_sr, spatial_sr"),
    ("bench train --recipe micro --set stages.base.size=8", 1, "setting 'stages.base.size' is unknown"),
    ("bench generate --model nothing", 1, "a model must be a folder or a shipped name"),
    ("bench render --seconds 0", 2, "Invalid value for '--seconds'"),
    ("bench", 2, "Missing argument"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_a_refusal_is_one_sentence_and_an_exit_code(line: str, code: int, sentence: str, refused: Callable) -> None:
    refused(line, code, sentence)


def test_presets_are_a_table_and_one_json_object(framefall: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    from framefall.bench import presets
    from framefall.recipes.registry import RECIPES

    monkeypatch.setattr(presets, "RECIPES", {"micro": RECIPES["micro"]})
    table, values = framefall("bench", "presets"), framefall("bench", "presets", "--json")
    assert table.code == values.code == 0, table.err
    head, *lines = table.out.split("\n\n")[1].splitlines()
    assert "parameters" in head and [line.split()[:2] for line in lines] == [
        ["micro", "base"], ["micro", "temporal_sr"], ["micro", "spatial_sr"]
    ]  # fmt: skip
    found = json.loads(values.out)
    assert found["name"] == "presets" and found["results"]["micro"]["base"]["parameters"] > 0 and found["commit"]


@pytest.mark.slow  # the command's table and object are above, the measurement in `bench/speed/test_train.py`
def test_a_stage_of_a_recipe_is_measured(framefall: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    from framefall.bench.speed import train

    monkeypatch.setattr(train, "CLIPS", 4)
    line = ["bench", "train", "--recipe", "micro", "--stage", "spatial_sr", "--seconds", "0.1"]
    said = framefall(*line, "--set", "stages.spatial_sr.batch=1", "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["name"] == "train" and found["results"]["micro"]["spatial_sr"]["batch"] == 1
    assert set(found["ratios"]["step_over_matmul_floor"]["micro"]["spatial_sr"]) == {"median", "low", "high"}
