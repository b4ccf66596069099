import json
from collections.abc import Callable

import pytest

REFUSED = [
    ("bench nothing", 1, "name must be one of attention, backbones"),
    ("bench backbones", 1, "--peers must name a folder with the packages to compare with"),
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
