"""Questions about a model's stages, copies, likelihood and the metrics, on real and simulated clips."""

import math
from pathlib import Path

import pytest

from framefall.cascade.cascade import Cascade
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.data.folder import Folder
from framefall.progress import Note
from framefall.runs.evaluation import diagnose
from framefall.worlds.violations.registry import VIOLATIONS


@pytest.fixture(scope="module")
def cascade(trained: Path) -> Cascade:
    return load_cascade(trained)


def test_super_resolution_is_held_against_the_plain_method(cascade: Cascade, folder: Folder) -> None:
    answer = diagnose.superres(cascade, folder, 2)
    metrics = answer.values["metrics"]
    assert {name.partition(".")[0] for name in metrics} == {"temporal_sr", "spatial_sr"}
    ours, plain = (metrics[f"spatial_sr.psnr{name}"]["value"] for name in ("", "_bicubic"))
    assert metrics["spatial_sr.psnr_gain_over_bicubic"]["value"] == pytest.approx(ours - plain)
    assert "temporal_sr.psnr_gain_over_linear_blend" in answer.text


@pytest.mark.slow  # faults of every stage are in `evaluate/stages/test_blame.py`
def test_a_base_that_was_trained_for_seconds_is_to_blame(cascade: Cascade, folder: Folder) -> None:
    answer = diagnose.blame(cascade, folder, 2)
    assert {row["stage"] for row in answer.values["rows"]} == {"base", "temporal_sr", "spatial_sr"}
    assert "base" in {verdict["stage"] for verdict in answer.values["verdicts"]}
    assert "base adds" in answer.text


def test_copies_of_training_clips_are_told(generated: Path, unseen: Path, tmp_path: Path) -> None:
    events = list(diagnose.copies.events(generated, generated, unseen))
    spaces = {space["space"]: space for space in events[-1].result.values["spaces"]}
    assert spaces["content"]["flagged"]["value"] == 1.0
    assert "content: 100% are nearer to a training clip" in events[-1].result.text
    assert not [event for event in events if isinstance(event, Note)]
    # the control: held-out clips of the same kind are no copies
    fresh = diagnose.copies(unseen, generated, unseen)
    assert fresh.values["spaces"][0]["flagged"]["value"] < 0.5


@pytest.mark.slow  # `evaluate/stages/test_likelihood.py` asks the toy
def test_what_a_denoiser_expects_is_asked_of_one_stage(cascade: Cascade, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnose, "VIOLATIONS", {"teleport": VIOLATIONS["teleport"]})
    answer = diagnose.likelihood(cascade, 2)
    assert answer.values["stage"] == "base" and answer.values["violations"].keys() == {"teleport"}
    found = answer.values["violations"]["teleport"]
    assert found["rejected"] or 0 <= found["low"] <= found["value"] <= found["high"] <= 1
    assert ("teleport" in answer.text and "base prefers" in answer.text) or "nothing can be said" in answer.text
    with pytest.raises(ValueError, match="a stage must be one of"):
        diagnose.likelihood(cascade, 2, stage="sr")


def test_scenarios_and_violations_can_be_chosen(cascade: Cascade) -> None:
    found = diagnose.expectations(cascade.stages[0], 1, scenarios=("uniform",), violations=("teleport",))
    assert [one.violation for one in found] == ["teleport"] and found[0].trials == 1
    assert "8 are needed" in found[0].rejected and math.isnan(found[0].error.value)
