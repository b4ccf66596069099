"""Every format gives back what was written into it: values to the bit, names, units, coordinates, times, gaps."""

import importlib.util
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from framefall.data.fields.field import DATES, Axis, Channel, Clock, Field
from framefall.data.fields.formats import FORMATS, NAMES, format_of, output, recordings, stem_of, write
from framefall.data.fields.recording import FieldError

FULL = bool(os.environ.get("FRAMEFALL_FULL"))
HAVE = all(importlib.util.find_spec(name) for name in ("xarray", "zarr", "h5netcdf", "h5py", "tifffile"))
pytestmark = pytest.mark.skipif(not HAVE, reason="needs framefall[science]")
WORDS = st.text("abcdefghij_uv", min_size=1, max_size=8).map("n".__add__)
UNITS = st.sampled_from(["m/s", "m s-1", "K", "", "µm", "1e-3 kg"])


def made(
    names: list[str], units: list[str], dtype: str, missing: int, seed: int, dates: bool, uneven: bool, absent: bool
) -> tuple[Field, np.ndarray, np.ndarray]:
    """A field, its values and its times."""
    generator = np.random.default_rng(seed)
    frames, height, width = (int(one) for one in generator.integers(1, 6, 3))
    gaps = generator.uniform(0.5, 4, frames) if uneven else np.full(frames, 2.0)
    times = np.round(np.cumsum(np.round(gaps, 3)) + (1.6e9 if dates else 0.0), 6)
    field = Field(
        channels=[Channel(name=name, units=unit) for name, unit in zip(names, units, strict=False)],
        rows=Axis(name="lat", units="degrees_north", values=sorted(generator.normal(size=height).tolist())),
        columns=Axis(name="lon", units=units[0], values=np.arange(width, dtype=float).tolist()),
        clock=Clock(units=DATES if dates else "h", step=float(np.median(np.diff(times))) if frames > 1 else 1.0),
        dtype=dtype,  # type: ignore[arg-type]
        missing=float(missing) if absent and dtype != "float32" else None,
    )
    shape = len(names), frames, height, width
    most = {"uint8": 255, "uint16": 65535, "float32": 0}[dtype]
    whole = generator.integers(0, most + 1, shape) if most else generator.normal(0, 1e3, shape)
    values = whole.astype(np.float32)
    values[values == field.missing] = np.nan
    if absent:
        values[generator.random(shape) < 0.2] = np.nan
    return field, values, times


@pytest.mark.parametrize("suffix", FORMATS)
@settings(max_examples=20 if FULL else 8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(WORDS, min_size=1, max_size=5, unique=True),
    units=st.lists(UNITS, min_size=5, max_size=5),
    dtype=st.sampled_from(["uint8", "uint16", "float32"]),
    missing=st.sampled_from([0, 7, 255]),
    seed=st.integers(0, 2**32),
    dates=st.booleans(),
    uneven=st.booleans(),
    absent=st.booleans(),
)
def test_what_is_written_is_read(suffix: str, tmp_path: Path, **drawn: Any) -> None:
    field, values, times = made(**drawn)
    path = tmp_path / f"it{suffix}"
    write(path, [values], field, times, {"comment": "made by a test"})
    (found,) = recordings(path)
    assert replace(found.field, clock=field.clock) == field
    assert found.field.clock.units == field.clock.units
    np.testing.assert_allclose(found.field.clock.step, field.clock.step if len(times) > 1 else 1.0, atol=1e-5)
    np.testing.assert_array_equal(found.at(np.arange(len(times), dtype=float)), values)
    np.testing.assert_allclose(found.times, times, atol=2e-6 if field.clock.units == DATES else 0)


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_same_is_the_same_bytes_and_is_replaced(suffix: str, tmp_path: Path) -> None:
    field = Field(channels=[Channel(name="u")], rows=Axis(name="y", values=[0, 1]), columns=Axis(name="x", values=[0]))
    path, values = tmp_path / f"it{suffix}", np.ones((1, 3, 2, 1), np.float32)
    files = []
    for _ in range(2):
        write(path, [values], field, np.arange(3.0))
        files.append([one.read_bytes() for one in sorted(tmp_path.rglob("*")) if one.is_file()])
    assert files[0] == files[1]
    own = next(one for one in sorted(tmp_path.rglob("*")) if one.is_file())
    own.write_bytes(own.read_bytes() + b" ")  # somebody's own change is not lost
    with pytest.raises(ValueError, match="Framefall made it"):
        write(path, [values], field, np.arange(3.0))


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_ensemble_is_one_file_or_is_refused(suffix: str, tmp_path: Path) -> None:
    field = Field(channels=[Channel(name="u")], rows=Axis(name="y", values=[0, 1]), columns=Axis(name="x", values=[0]))
    members = [np.full((1, 3, 2, 1), number, np.float32) for number in range(3)]
    if not FORMATS[suffix].members:
        with pytest.raises(ValueError, match="holds one member, got 3"):
            write(tmp_path / f"it{suffix}", members, field, np.arange(3.0))
        assert not list(tmp_path.iterdir())
        return
    write(tmp_path / f"it{suffix}", members, field, np.arange(3.0))
    found = recordings(tmp_path / f"it{suffix}")
    assert [one.member for one in found] == ["member=0", "member=1", "member=2"]
    for one, member in zip(found, members, strict=True):
        np.testing.assert_array_equal(one.at(np.arange(3.0)), member)


def test_names_and_suffixes() -> None:
    assert stem_of(Path("a/b.ome.tif")) == ("b", ".ome.tif")
    assert stem_of(Path("b.x.nc")) == ("b.x", ".nc")
    assert format_of("movie.mp4") is None and format_of("A.NC") is FORMATS[".nc"]
    with pytest.raises(ValueError, match="must end in one of"):
        output("movie.mp4")


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.nc").write_bytes(b"not a file of numbers")
    (tmp_path / "a.ome.tif").write_bytes(b"II*\0nothing")
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\0")
    (tmp_path / "a.zarr").mkdir()
    for suffix in (".nc", ".ome.tif", ".npy", ".zarr"):
        with pytest.raises(FieldError, match="cannot be read: ") as caught:
            recordings(tmp_path / f"a{suffix}")
        assert "\n" not in str(caught.value)
    with pytest.raises(FieldError, match="must end in one of"):
        recordings(tmp_path / "a.txt")
    with pytest.raises(FieldError, match="not there"):
        recordings(tmp_path / "b.nc")
    assert ".ome.tif" in NAMES
