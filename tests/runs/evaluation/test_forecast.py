"""Forecasts on disk against what came: scores as the ensemble deserves them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("xarray")
pytest.importorskip("h5netcdf")

from framefall.data.fields.field import Channel, Clock, Field, numbered
from framefall.data.fields.formats import write
from framefall.runs.evaluation.forecast import assess_forecasts

FIELD = Field(
    channels=[Channel(name="u", units="m/s"), Channel(name="v", units="m/s")],
    rows=numbered(8, "y"),
    columns=numbered(8, "x"),
    clock=Clock(units="h", step=3.0),
)
GIVEN, FRAMES, MEMBERS = 2, 5, 8


def world(folder: Path, spread: float, count: int = 6) -> Path:
    """Forecasts of a random walk from 2 given frames, and what came; calibrated with spread 1."""
    generator = np.random.default_rng(3)
    for number in range(count):
        start = generator.normal(size=(2, GIVEN, 8, 8))

        def walk(spread: float, start: np.ndarray = start) -> np.ndarray:
            steps = spread * generator.normal(size=(2, FRAMES - GIVEN, 8, 8))
            return np.concatenate([start, start[:, -1:] + steps.cumsum(axis=1)], axis=1).astype(np.float32)

        for kind in ("forecasts", "came"):
            (folder / kind).mkdir(exist_ok=True)
        times = 3.0 * np.arange(FRAMES)
        longer = np.concatenate([walk(1.0), np.zeros((2, 3, 8, 8), np.float32)], axis=1)
        write(folder / "came" / f"{number}.nc", [longer], FIELD, 3.0 * np.arange(FRAMES + 3))
        write(folder / "forecasts" / f"{number}.nc", [walk(spread) for _ in range(MEMBERS)], FIELD, times)
    return folder


def test_a_calibrated_ensemble_is_told_from_one_too_sure(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    (tmp_path / "sure").mkdir()
    good, sure = (
        assess_forecasts(world(tmp_path / name, spread) / "forecasts", tmp_path / name / "came")
        for name, spread in (("good", 1.0), ("sure", 0.4))
    )
    assert (good.members, good.forecasts, good.given) == (MEMBERS, 6, GIVEN)
    for ours, theirs in zip(good.channels, sure.channels, strict=True):
        assert ours.units == "m/s" and 0.9 < ours.scores.spread_skill < 1.1 and theirs.scores.spread_skill < 0.5
        assert ours.scores.crps < theirs.scores.crps
        assert ours.scores.crps < ours.scores.mean_error and ours.persistence is not None
        assert ours.persistence == pytest.approx(np.sqrt(2 / np.pi) * np.mean(np.sqrt([1, 2, 3])), rel=0.05)
        assert ours.by_lead == sorted(ours.by_lead) and len(ours.by_lead) == 3
    assert "6 forecasts of 8 members; the first 2 frames are given" in str(good)


def test_the_command_line_scores_them(tmp_path: Path, framefall: Callable) -> None:
    world(tmp_path, 1.0, 2)
    said = framefall("evaluate", tmp_path / "forecasts", "--reference", tmp_path / "came", "--json")
    assert said.code == 0 and '"spread_skill"' in said.out, said.err
    said = framefall("evaluate", tmp_path / "forecasts")
    assert said.code and "scored against what came: give --reference" in said.err
    (tmp_path / "came" / "1.nc").unlink()
    said = framefall("evaluate", tmp_path / "forecasts", "--reference", tmp_path / "came")
    assert said.code and "none named 1.nc" in said.err


def test_what_cannot_be_scored_says_why(tmp_path: Path) -> None:
    world(tmp_path, 1.0, 1)
    ours, came = tmp_path / "forecasts" / "0.nc", tmp_path / "came" / "0.nc"
    late, same = tmp_path / "late.nc", tmp_path / "same.nc"
    values = np.zeros((2, FRAMES, 8, 8), np.float32)
    write(late, [values], FIELD, 100 + 3.0 * np.arange(FRAMES))
    write(same, [values, values], FIELD, 3.0 * np.arange(FRAMES))
    knots = replace(FIELD, channels=[replace(one, units="knots") for one in FIELD.channels])
    write(tmp_path / "knots.nc", [values], knots, 3.0 * np.arange(FRAMES))
    for forecast, truth, sentence in (
        (ours, late, "must have times in common"),
        (same, came, "members must differ"),
        (ours, tmp_path / "knots.nc", "knots.nc must have the channels of 0.nc"),
        (ours, ours, "must be one recording, and has 8 members"),
        (ours, tmp_path / "nothing.txt", "is no field"),
    ):
        with pytest.raises(ValueError, match=sentence):
            assess_forecasts(forecast, truth)
