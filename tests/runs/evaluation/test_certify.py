"""The attribution matrix: on simulated scenes a part of it, on a user's clip what pixels alone allow."""

from pathlib import Path

import numpy as np
import pytest

from examples import examples
from framefall.data.media.decode import decode
from framefall.data.media.writer import write
from framefall.evaluate.certify.bands import BANDS
from framefall.evaluate.certify.validity import Cell
from framefall.evaluate.metrics.suite import METRICS
from framefall.runs.evaluation import certify
from framefall.runs.evaluation.certify import BETTER, Certificate, as_json, certify_metrics, trusted, validate
from framefall.worlds.damage.corruptions import CORRUPTIONS
from framefall.worlds.damage.placebos import PLACEBOS


@pytest.mark.slow  # on a clip of one's own below, with a placebo
def test_what_is_hidden_is_detected_and_placebos_are_quiet() -> None:
    """A part of the matrix; `make validity` runs all of it on more clips. Bands need eight clips: of all metrics."""
    damages = ("hidden_colour", "hidden_vanish")[: examples(1, 2)]
    certificate = certify_metrics(examples(2, 8), damages=damages, placebos=("noise", "jpeg_85")[: examples(1, 2)])
    if examples(0, 1):
        assert [f"{cell.damage} / {cell.metric}: {cell}" for cell in certificate.out_of_band] == []
    by_place = {(cell.damage, cell.metric): cell for cell in certificate.cells}
    assert by_place["hidden_colour", "reappearance_identity (scene)"].detection >= 0.9
    assert by_place["hidden_colour", "flicker"].detection < 0.5  # smoothness alone does not see it
    assert trusted(certificate)["pendulum_energy (scene)"] == "not measurable here"


def test_every_promise_is_of_a_metric_that_is_measured() -> None:
    assert {metric for _, metric in BANDS} <= set(BETTER)


def cell(damage: str, metric: str, auroc: float, detection: float, band: str = "free", n: int = 12) -> Cell:
    return Cell(damage, metric, auroc, detection, n, band)  # type: ignore[arg-type]


def test_a_metric_is_trusted_for_what_it_sees_if_it_is_quiet_elsewhere() -> None:
    cells = [
        cell("freeze", "good", 1.0, 1.0),
        cell("noise", "good", 0.5, 0.0, "must_not_react"),
        cell("freeze", "loud", 1.0, 1.0),
        cell("noise", "loud", 1.0, 1.0, "must_not_react"),
        cell("freeze", "blind", 0.5, 0.0),
        cell("freeze", "absent", float("nan"), float("nan"), n=0),
        cell("shuffle", "vain", 1.0, 1.0),
        cell("freeze", "vain", 0.0, 0.0),
    ]
    said = trusted(Certificate(cells, 12))
    assert said == {
        "good": "trusted for freeze",
        "loud": "not trusted: moved by noise",
        "blind": "sees none of the damage",
        "absent": "not measurable here",
        "vain": "trusted for shuffle; prefers freeze",
    }
    values = as_json(Certificate(cells, 12))
    assert values["cells"] == 8 and values["cells_out_of_band"] == ["noise / loud"]
    assert values["matrix"]["freeze"]["absent"]["auroc"] is None


def test_a_clip_must_be_long_enough(tmp_path: Path) -> None:
    write(tmp_path / "short.mkv", [np.zeros((30, 16, 16, 3), np.uint8)], 24.0)
    with pytest.raises(ValueError, match="got 30"):
        validate(str(tmp_path / "short.mkv"))


def test_a_users_clip_says_which_metrics_hold_on_it(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three kinds of damage, one placebo and five metrics; under `make test-full` all that pixels allow."""
    names = ["longest_still", "luminance_flicker", "stutter", "cadence", "flicker"]
    monkeypatch.setattr(certify, "_BLIND", certify._BLIND if examples(0, 1) else names)
    frames = np.stack([frame.pixels[::16, ::16] for frame in decode(clips / "0002.mp4")][:144])
    write(tmp_path / "small.mkv", [np.ascontiguousarray(frames)], 25.0)
    part = {} if examples(0, 1) else {"damages": ("freeze", "brightness_flicker", "pairs"), "placebos": ("noise",)}
    certificate = validate(str(tmp_path / "small.mkv"), **part)
    values = as_json(certificate)
    assert values["clips"] == 6
    matrix = values["matrix"]
    assert matrix["freeze"]["longest_still"]["auroc"] == 1.0
    assert matrix["brightness_flicker"]["luminance_flicker"]["auroc"] > 0.9
    assert matrix["pairs"]["stutter"]["auroc"] == matrix["pairs"]["cadence"]["auroc"] == 1.0
    assert matrix["noise"]["stutter"]["inside"] and matrix["pairs"]["flicker"]["auroc"] < 0.35  # which likes them
    assert matrix["freeze"]["flicker"]["auroc"] < 0.35  # smoothness prefers a frozen clip: why there are gates
    assert set(trusted(certificate)) <= set(METRICS)
    assert len(matrix) == (len(CORRUPTIONS) if examples(0, 1) else 3) + len(matrix.keys() & PLACEBOS.keys())
