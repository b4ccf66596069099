"""The world benchmark on one scenario, with a toy cascade that goes on from given frames."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from framefall.bench.registry import Options, benchmark
from framefall.bench.table import lines
from framefall.bench.worlds import bench, copies, sheets
from framefall.bench.worlds.table import BESIDE, QUANTITIES
from framefall.jsonable import json_text
from framefall.worlds.violations.registry import VIOLATIONS

SPLITS = ("id", "horizon")


@pytest.fixture(scope="module")
def measured(toy_world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """A whole run with sheets, cut down to one scenario, two splits and two kinds of violation."""
    folder = tmp_path_factory.mktemp("worlds") / "sheets"
    with pytest.MonkeyPatch.context() as patch:
        small = bench.Protocol(scenarios=("projectile",), training=20)
        patch.setattr(bench, "Protocol", lambda **values: replace(small, **values))
        patch.setattr(bench, "SPLITS", SPLITS)
        patch.setattr(bench, "VIOLATIONS", {name: VIOLATIONS[name] for name in ("vanish", "gravity_half")})
        patch.setattr(bench, "FEW_KINDS", ("vanish",))
        patch.setattr(copies, "LOOKED", 30)
        patch.setattr(sheets, "CLIPS", 5)
        scores = benchmark("worlds", Options(model=str(toy_world), clips=2, picture=folder))
    return json.loads(json_text(scores)), folder


def test_the_renderer_is_above_and_a_fresh_model_below(measured: tuple[dict[str, Any], Path]) -> None:
    scores, _ = measured
    assert scores["protocol"]["version"] == 2  # what the model was trained on
    for split in SPLITS:
        rows = scores[split]["references"]
        assert set(rows) >= {"renderer", "nearest_training", "copy_last", "inertia", "per_frame", "model"}
        assert rows["renderer"]["physics_score"]["value"] > rows["copy_last"]["physics_score"]["value"]
        assert rows["model"]["physics_score"]["value"] < rows["renderer"]["physics_score"]["value"]
        assert rows["renderer"]["flicker_over_real"]["value"] == pytest.approx(1.0)
        for name in BESIDE:  # every key that the design promises, in every split
            assert set(scores[split][name]) == {"value", "low", "high", "n"}, name
        assert scores[split]["violations"].keys() <= {"vanish", "gravity_half"}
        assert scores[split]["text"]["references"]["renderer"]["adherence"]["value"] > 0.5
    assert scores["id"]["violation_of_expectation_error"]["n"] > 0 and scores["id"]["pairs"] >= 8


def test_finished_clips_and_each_stage_are_measured_beside_the_renderer(measured: tuple[dict[str, Any], Path]) -> None:
    here = measured[0]["id"]
    assert here["whole"]["references"]["renderer"]["sharpness_over_real"]["value"] == pytest.approx(1.0)
    assert here["whole"]["sharpness_over_real"]["n"] == 1
    for name in ("temporal_sr", "spatial_sr"):
        real, redrawn = here["super_resolution"][name]["real"], here["super_resolution"][name]["redrawn"]
        # what a fresh base drew again is far from the truth, and whoever is given it as well
        assert redrawn["psnr"]["value"] < real["psnr"]["value"]
    assert set(here["super_resolution"]["temporal_sr"]["kept"]) == {"temporal_sr", "optical_flow", "linear_blend"}


def test_every_quantity_is_printed_with_what_it_must_reach(measured: tuple[dict[str, Any], Path]) -> None:
    scores, _ = measured
    text = "\n".join(lines(scores))
    rows = {row["quantity"]: row for row in scores["table"]}
    assert list(rows) == [one.words for one in QUANTITIES]
    assert all(one.words in text for one in QUANTITIES)
    assert rows["permanence"]["renderer"] == "1.00" and rows["permanence"]["at least"] == ">= 0.95"
    assert rows["physics score"]["reached"] == "NO" and "physics score" in scores["fails"]
    assert rows["relative velocity error, collision"]["reached"] == "not measured"  # of scenes that are not asked for
    assert "horizon" in scores["beside"][0]


def test_sheets_show_as_many_clips_as_were_asked_for(measured: tuple[dict[str, Any], Path]) -> None:
    _, folder = measured
    assert sorted(path.name for path in folder.iterdir() if path.suffix != ".json") == [
        "captions.txt",
        "projectile.png",
        "projectile.webp",
    ]
    assert len((folder / "captions.txt").read_text().splitlines()) == 1 + 5
    with Image.open(folder / "projectile.webp") as moving:
        assert moving.n_frames == 8 and moving.size == (8 * sheets.SIDE, sheets.SIDE)
        filled = [moving.convert("RGB").crop((at * 64, 0, at * 64 + 64, 64)).getextrema() for at in range(8)]
    assert [max(high for _, high in one) > 40 for one in filled] == [True] * 5 + [False] * 3


def test_sheets_are_refused_where_other_things_lie(toy_world: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(ValueError, match="holds other things than contact sheets"):
        benchmark("worlds", Options(model=str(toy_world), clips=1, picture=tmp_path))
    assert (tmp_path / "mine.txt").read_text() == "kept"
