"""The world benchmark on one scenario, with a toy cascade that goes on from given frames."""

from pathlib import Path
from types import ModuleType

import pytest

from examples import examples
from framefall.bench.registry import Options, benchmark
from framefall.bench.table import lines
from framefall.bench.worlds.table import BESIDE, QUANTITIES


def test_every_split_has_every_key_of_the_benchmark(measured) -> None:
    assert measured.scores["protocol"]["version"] == 2  # what the model was trained on
    for split in examples(("id",), ("id", "ood_far")):
        here = measured.scores[split]
        for name in BESIDE:
            assert set(here[name]) == {"value", "low", "high", "n"}, name
        assert here["predictor"] == "model" and set(here["references"]) >= {"per_frame", "inertia", "model"}
    assert measured.scores["id"]["violations"]["colour_switch"]["n"] >= 8
    assert measured.scores["id"]["copies"]["content"]["nearer"]["n"] == 4


def test_the_renderer_is_above_and_a_fresh_model_below(measured) -> None:
    rows = measured.scores["id"]["references"]
    assert rows["renderer"]["physics_score"]["value"] > rows["copy_last"]["physics_score"]["value"]
    assert rows["model"]["physics_score"]["value"] < rows["renderer"]["physics_score"]["value"]
    assert (
        rows["renderer"]["relative_velocity_error"]["value"]
        < rows["nearest_training"]["relative_velocity_error"]["value"]
    )


def test_every_quantity_is_printed_with_what_it_must_reach(measured) -> None:
    text = "\n".join(lines(measured.scores))
    rows = {row["quantity"]: row for row in measured.scores["table"]}
    assert list(rows) == [one.words for one in QUANTITIES]
    assert all(one.words in text for one in QUANTITIES) and "ood far" not in text
    assert ("ood_far" in text) == bool(examples(0, 1))  # a split that is measured in full alone
    assert rows["permanence"]["renderer"] == "1.00" and rows["permanence"]["at least"] == ">= 0.95"
    assert rows["physics score"]["reached"] == "NO" and "physics score" in measured.scores["fails"]
    assert rows["relative velocity error, collision"]["reached"] == "not measured"  # a scenario that was not run


def test_sheets_are_refused_where_other_things_lie(toy_world: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(ValueError, match="holds other things than contact sheets"):
        benchmark("worlds", Options(model=str(toy_world), clips=1, picture=tmp_path))
    assert (tmp_path / "mine.txt").read_text() == "kept"


def test_the_page_takes_its_tables_from_a_measurement(measured, worlds_page: ModuleType, tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "worlds.md").read_text()
    for name, rows in worlds_page.tables(measured.scores).items():
        page = worlds_page.filled(page, name, rows)
        assert f"<!-- {name} -->\n\n{rows[0]}" in page
    assert "| permanence |" in page and page.count("<!-- table -->") == 1
    with pytest.raises(SystemExit, match="must have <!-- table -->"):
        worlds_page.filled("a page without marks", "table", ["| a |"])
