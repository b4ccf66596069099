"""The questions that `evaluate` and `bench` answer, through the command line, on real and simulated clips."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from framefall.bench.timing import in_turns, ratio
from framefall.evaluate.certify.bands import BANDS, WHERE
from framefall.evaluate.metrics.suite import METRICS
from framefall.progress import finish
from framefall.runs.certify import BETTER, trusted, validity_bench
from framefall.runs.worlds import Look, write_world
from framefall.worlds.damage.corruptions import CORRUPTIONS
from framefall.worlds.violations.registry import VIOLATIONS
from framefall.worlds.world import open_world


def _simulated(folder: Path, start: int) -> Path:
    look = Look(size=48, frames=25)
    list(write_world(open_world("projectile,uniform", split="id"), folder, look, count=8, start=start))
    return folder


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight simulated clips on disk."""
    return _simulated(tmp_path_factory.mktemp("generated"), 0)


def test_every_damage_has_a_scene_and_a_promise_and_every_promise_a_metric() -> None:
    assert set(WHERE) == {*VIOLATIONS, *CORRUPTIONS, "independent"}
    assert {damage for damage, _ in BANDS} == set(WHERE) - {"reverse"}  # reversed, these scenes are physical
    assert {metric for _, metric in BANDS} <= set(BETTER)


def test_what_is_hidden_is_detected_and_placebos_are_quiet() -> None:
    """A part of the matrix; `make validity` runs all of it on more clips."""
    certificate = finish(validity_bench(8, damages=("hidden_vanish", "hidden_colour"), placebos=("noise", "jpeg_85")))
    assert [f"{cell.damage} / {cell.metric}: {cell}" for cell in certificate.out_of_band] == []
    by_place = {(cell.damage, cell.metric): cell for cell in certificate.cells}
    assert by_place["hidden_colour", "flicker"].detection < 0.5  # smoothness alone does not see it
    said = trusted(certificate)
    assert said["pendulum_energy (scene)"] == "not measurable here"
    assert "trusted for" in said["reappearance (scene)"]


def test_scores_of_clips_go_to_a_page_and_to_json(generated: Path, framefall: Callable, tmp_path: Path) -> None:
    (generated / "broken.mp4").write_bytes(b"no video")
    line = ["--html", tmp_path / "r.html", "--json", tmp_path / "r.json", "--reference", generated]
    line += ["--rival", generated]
    said = framefall("evaluate", generated, *line)
    assert said.code == 0, said.err
    assert "skipped broken.mp4" in said.err
    values = json.loads((tmp_path / "r.json").read_text())
    assert set(values["metrics"]) == set(METRICS)
    assert values["metrics"]["psnr"]["value"] == 100.0  # each clip is its own reference
    assert values["distances"]["motion_distance"]["value"] is None  # 8 clips are too few
    assert "psnr: generated0 and generated0 are not ranked, their intervals overlap." in values["ranking"]
    page = (tmp_path / "r.html").read_text()
    assert "are not ranked" in page
    assert page.count("<video") >= 4
    assert "broken.mp4 was skipped" in page
    assert "https://" not in page.replace("https://matplotlib.org", "")
    (generated / "broken.mp4").unlink()


def test_copies_of_training_clips_are_told(generated: Path, framefall: Callable, tmp_path: Path) -> None:
    held_out = _simulated(tmp_path / "held_out", 100)
    said = framefall("evaluate", generated, "--training", generated, "--reference", held_out, "--json", "-")
    assert said.code == 0, said.err
    spaces = {space["space"]: space for space in json.loads(said.out)["spaces"]}
    assert spaces["content"]["flagged"]["value"] == 1.0


def test_stages_are_held_against_real_clips(trained: Path, clips: Path, framefall: Callable, tmp_path: Path) -> None:
    line = ["--model", trained, "--blame", "--count", 3, "--json", tmp_path / "b.json"]
    said = framefall("evaluate", clips, *line)
    assert said.code == 0, said.err
    values = json.loads((tmp_path / "b.json").read_text())
    assert {row["stage"] for row in values["rows"]} == {"base", "temporal_sr", "spatial_sr"}
    assert "base" in {verdict["stage"] for verdict in values["verdicts"]}  # trained for seconds


def test_a_ratio_is_of_turns_taken_side_by_side() -> None:
    taken = in_turns({"slow": lambda: sum(range(40_000)) and None, "fast": lambda: sum(range(4_000)) and None}, 0.2)
    found = ratio(taken["slow"], taken["fast"])
    assert 3 < found["low"] <= found["median"] <= found["high"]
    assert all(math.isfinite(value) for value in found.values())
