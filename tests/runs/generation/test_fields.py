"""Fields through the whole cascade: what goes in as metres a second comes out so, with its coordinates and its gaps."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from framefall.cascade.saved.checkpoint import load_cascade
from framefall.data.fields.field import Axis, Channel, Clock, Field
from framefall.data.fields.formats import output, recordings, write
from framefall.recipes.registry import RECIPES
from framefall.runs.training.train import train

FIELD = Field(
    channels=[Channel(name="u", units="m/s"), Channel(name="T", units="K")],
    rows=Axis(name="lat", units="degrees", values=[60.0 - 0.5 * one for one in range(32)]),
    columns=Axis(name="lon", units="degrees", values=[0.5 * one for one in range(32)]),
    clock=Clock(units="h", step=6.0),
)
TIMES = 100.0 + 6.0 * np.arange(32)


def flow(frames: int = 32, gaps: bool = True) -> np.ndarray:
    """A wave in both channels, far from each other in size; a corner of the second is missing."""
    frame, row, column = np.meshgrid(np.arange(frames), np.arange(32), np.arange(32), indexing="ij")
    wave = np.sin(0.2 * frame + 0.3 * row + 0.1 * column)
    values = np.stack([3 + wave, 280 + 20 * wave]).astype(np.float32)
    if gaps:
        values[1, :, :4, :4] = np.nan
    return values


@pytest.fixture(scope="module")
def model(once: Callable) -> Path:
    """The three toy stages, trained on two channels for two steps."""

    def fill(folder: Path) -> None:
        (folder / "source").mkdir()
        write(folder / "source" / "flow.npy", [flow()], FIELD, TIMES)
        train(folder / "source", folder / "model", replace(RECIPES["micro"](), save_every=2), steps=2)

    return once("fields", fill) / "model"


@pytest.fixture(scope="module")
def given(once: Callable) -> Path:
    """Some frames to go on from."""
    return once("given", lambda folder: write(folder / "now.npy", [flow()[:, :7]], FIELD, TIMES[:7])) / "now.npy"


def test_a_model_says_what_its_channels_are(model: Path) -> None:
    cascade = load_cascade(model)
    assert cascade.config.field is not None and cascade.config.field.quantities == ["u (m/s)", "T (K)"]
    assert [stage.config.shape.channels for stage in cascade.stages] == [2, 2, 2]
    first, second = cascade.config.field.channels
    assert (round(first.centre), round(second.centre)) == (3, 280) and 10 < second.spread / first.spread < 30
    with pytest.raises(ValueError, match="must have as many channels, got 2"):
        replace(cascade.config, field=replace(cascade.config.field, channels=[first]))


def test_a_forecast_goes_on_from_what_is_given(model: Path, given: Path, framefall: Callable, tmp_path: Path) -> None:
    said = framefall("generate", "--model", model, "-o", tmp_path / "next.npy", "--video", given, "--frames", 15)
    assert said.code == 0, said.err
    assert "missing values of now.npy are given to the networks as their channel's mean" in said.err
    (made,) = recordings(tmp_path / "next.npy")
    assert made.field.quantities == ["u (m/s)", "T (K)"] and made.field.clock.units == "h"
    np.testing.assert_allclose(made.times, 100.0 + 6.0 * np.arange(15))
    assert made.field.rows == FIELD.rows and made.field.columns == FIELD.columns
    values = made.at(np.arange(15.0))
    assert np.isnan(values[1, :, :4, :4]).all()
    assert np.isfinite(values[0]).all() and np.isfinite(values[1, :, 4:]).all()
    np.testing.assert_allclose(values[:, :7], flow()[:, :7], rtol=1e-5)  # what is given is kept
    assert 1 < values[0, 7:].mean() < 5 and 200 < np.nanmean(values[1, 7:]) < 360  # each in its own unit


def test_clips_of_a_seed_differ_and_come_again(model: Path, framefall: Callable, tmp_path: Path) -> None:
    for name in ("a", "b"):
        said = framefall("generate", "--model", model, "-o", tmp_path / f"{name}.npy", "--count", 2, "--until", "base")
        assert said.code == 0, said.err
    first, second = (np.load(tmp_path / f"a-00{number}.npy") for number in range(2))
    assert first.shape == (8, 16, 16, 2) and not np.array_equal(first, second)
    assert (tmp_path / "a-001.npy").read_bytes() == (tmp_path / "b-001.npy").read_bytes()
    (made,) = recordings(tmp_path / "a-000.npy")
    assert made.field.rows.values[:2] == [59.75, 58.75]  # twice as coarse as the data, over the same


def test_super_resolution_of_a_field_keeps_what_it_is_given(
    model: Path, given: Path, framefall: Callable, tmp_path: Path
) -> None:
    said = framefall("upscale", given, "-o", tmp_path / "large.npy", "--model", model, "--time", 2, "--space", 2)
    assert said.code == 0, said.err
    (made,) = recordings(tmp_path / "large.npy")
    np.testing.assert_allclose(made.times, 100.0 + 3.0 * np.arange(13))
    assert made.size == (64, 64) and made.field.clock.step == 3.0
    assert made.field.columns.values[:2] == [-0.125, 0.125]
    values = made.at(np.arange(13.0))
    assert np.isnan(values[1, :, :8, :8]).all() and np.isfinite(values[:, :, 8:]).all()
    assert abs(values[0].mean() - 3) < 1 and abs(np.nanmean(values[1]) - 280) < 20


def test_what_cannot_be_is_one_sentence(model: Path, given: Path, framefall: Callable, tmp_path: Path) -> None:
    other = replace(FIELD, channels=[replace(FIELD.channels[0], units="knots"), FIELD.channels[1]])
    write(tmp_path / "knots.npy", [flow()[:, :4]], other, TIMES[:4])
    write(tmp_path / "gap.npy", [flow()[:, :4]], FIELD, np.array([0.0, 6, 60, 66]))
    (tmp_path / "a.png").touch()
    for arguments, sentence in (
        (("-o", tmp_path / "a.mp4"), "a.mp4 shows one quantity in colours, and this model makes 2, u, T; write .nc"),
        (("-o", tmp_path / "a.npy", "--video", tmp_path / "knots.npy"), "must have the channels of the model, u (m/s)"),
        (("-o", tmp_path / "a.npy", "--video", tmp_path / "gap.npy"), "must be without gaps in time, gap.npy has 2"),
        (("-o", tmp_path / "a.npy", "--image", tmp_path / "a.png"), "goes on from recordings of them"),
        (("-o", tmp_path / "a.npy", "--report"), "--report reads the clip back"),
        (("-o", given, "--video", given), "is read for what is made"),
    ):
        said = framefall("generate", "--model", model, *arguments)
        assert said.code in (1, 2) and sentence in said.err and "Traceback" not in said.err, said.err
    assert not (tmp_path / "a.npy").exists()
    said = framefall("prepare", given.parent, "-o", tmp_path / "prepared")
    assert said.code and "fields are read from their own files" in said.err


def test_one_quantity_is_a_film_in_colours(framefall: Callable, tmp_path: Path) -> None:
    recipe = RECIPES["micro"]()
    recipe = replace(recipe, stages={"base": recipe.stages["base"]})
    field = replace(FIELD, channels=FIELD.channels[1:], dtype="uint16", missing=0.0)
    (tmp_path / "source").mkdir()
    write(tmp_path / "source" / "flow.npy", [np.rint(flow()[1:])], field, TIMES)
    model = tmp_path / "model"
    train(tmp_path / "source", model, recipe, steps=1)
    assert framefall("generate", "--model", model, "-o", tmp_path / "a.mp4").code == 0
    assert framefall("generate", "--model", model, "-o", tmp_path / "a.npy").code == 0
    made = np.load(tmp_path / "a.npy")
    assert made.dtype == np.uint16 and 200 < made.mean() < 360  # 16 bits went in, and come out


def test_an_ensemble_is_one_file_and_is_scored(model: Path, given: Path, framefall: Callable, tmp_path: Path) -> None:
    pytest.importorskip("h5netcdf")
    xarray = pytest.importorskip("xarray")
    truth = tmp_path / "truth.nc"
    write(truth, [flow()], FIELD, TIMES)
    asked = ("--video", given, "--frames", 9, "--count", 3, "--batch", 3, "--until", "base")
    said = framefall("generate", "--model", model, "-o", tmp_path / "out.nc", *asked)
    assert said.code == 0 and "3 members of 9 frames" in said.err
    with xarray.open_dataset(tmp_path / "out.nc") as found:
        assert found.u.dims == ("member", "time", "lat", "lon") and found.sizes["member"] == 3
        assert found.u.attrs["units"] == "m/s" and found.lat.attrs["units"] == "degrees"
        assert bool(np.isnan(found.T.values[:, :, :2, :2]).all())
        assert '"seed"' in found.attrs["comment"]
    small = flow().reshape(2, 32, 16, 2, 16, 2)
    write(output(truth, overwrite=True), [small.mean(axis=(3, 5))], half(FIELD), TIMES)
    said = framefall("evaluate", tmp_path / "out.nc", "--reference", truth)
    assert said.code == 0, said.err
    assert "1 forecasts of 3 members; the first" in said.out and "u (m/s)" in said.out


def half(field: Field) -> Field:
    """The same on half as many rows and columns."""
    return replace(field, rows=field.rows.part(0.0, 32.0, 16), columns=field.columns.part(0.0, 32.0, 16))
