"""NetCDF and Zarr as other people write them, and what strangers could put into them."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

xarray = pytest.importorskip("xarray")
h5py = pytest.importorskip("h5py")
pytest.importorskip("zarr")
pytest.importorskip("h5netcdf")

from framefall.data.fields import gridded  # noqa: E402
from framefall.data.fields.field import DATES  # noqa: E402
from framefall.data.fields.recording import FieldError  # noqa: E402


def test_a_file_as_a_weather_service_writes_it(tmp_path: Path) -> None:
    packed = np.array([[[100, -32768], [300, 400]]] * 3, np.int16)
    time = ("time", np.array(["2020-01-01T00", "2020-01-01T06", "2020-01-01T18"], "datetime64[ns]"))
    dataset = xarray.Dataset(
        {
            "t2m": (("time", "latitude", "longitude"), packed, {"units": "K", "_FillValue": np.int16(-32768)}),
            "mask": (("latitude", "longitude"), np.zeros((2, 2), np.int8)),
            "wind": (("time", "level", "latitude", "longitude"), np.ones((3, 2, 2, 2), np.float32)),
        },
        {"time": time, "latitude": [50.0, 40.0], "longitude": [0.0, 10.0]},
    )
    dataset["t2m"].attrs |= {"scale_factor": 0.01, "add_offset": 270.0}
    dataset.latitude.attrs["units"] = "degrees_north"
    for path in (tmp_path / "a.nc", tmp_path / "classic.nc"):
        if path.name == "a.nc":
            dataset.to_netcdf(path, engine="h5netcdf")
        else:
            dataset.to_netcdf(path, engine="scipy", format="NETCDF3_CLASSIC")
        (found,) = gridded.recordings(path)
        assert found.field.quantities == ["t2m (K)"]
        assert (found.field.dtype, found.field.clock.units) == ("float32", DATES)
        assert (found.field.rows.name, found.field.rows.values) == ("latitude", [50.0, 40.0])
        assert np.diff(found.times).tolist() == [6 * 3600, 12 * 3600]
        values = found.frames(slice(0, 3))
        np.testing.assert_allclose(values[0, 0], [[271.0, np.nan], [273.0, 274.0]], rtol=1e-6)
        left_out = {note.partition(":")[0] for note in found.notes}
        assert left_out == {"its variable mask is left out", "its variable wind is left out"}


def test_channels_may_be_an_axis(tmp_path: Path) -> None:
    values = np.arange(2 * 3 * 4 * 4, dtype=np.float32).reshape(2, 3, 4, 4)
    dataset = xarray.Dataset({"flow": (("channel", "t", "y", "x"), values, {"units": "m/s"})}, {"channel": ["u", "v"]})
    dataset.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    (found,) = gridded.recordings(tmp_path / "a.nc")
    assert found.field.quantities == ["u (m/s)", "v (m/s)"]
    np.testing.assert_array_equal(found.frames(slice(0, 3)), values)


def test_a_pickle_in_a_zarr_folder_is_never_opened(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return open, (str(tmp_path / "boom"), "w")

    path = tmp_path / "a.zarr"
    dataset = xarray.Dataset({"u": (("time", "y", "x"), np.zeros((2, 2, 2), np.float32))})
    dataset.to_zarr(path, zarr_format=2, consolidated=False)
    about = json.loads((path / "u" / ".zarray").read_text())
    about |= {"filters": [{"id": "pickle", "protocol": 5}], "compressor": None}
    (path / "u" / ".zarray").write_text(json.dumps(about))
    (path / "u" / "0.0.0").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(FieldError, match="data is damaged"):  # zarr 3 has no codec that unpickles
        gridded.recordings(path)[0].frames(slice(0, 2))
    assert not (tmp_path / "boom").exists()
    pickle.loads((path / "u" / "0.0.0").read_bytes()).close()  # what would have happened
    assert (tmp_path / "boom").exists()


def test_numbers_in_other_files_are_never_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(np.arange(8, dtype=np.float32).tobytes())
    with h5py.File(tmp_path / "outside.nc", "w") as file:
        file.create_dataset("u", (2, 2, 2), np.float32, external=[(str(tmp_path / "secret"), 0, 32)])
    with h5py.File(tmp_path / "link.nc", "w") as file:
        file["u"] = h5py.ExternalLink(str(tmp_path / "outside.nc"), "/u")
    for name in ("outside.nc", "link.nc"):
        with pytest.raises(FieldError, match="not opened"):
            gridded.recordings(tmp_path / name)
        with h5py.File(tmp_path / name, "r") as file:  # what would have been read
            assert float(file["u"][1, 1, 1]) == 7.0


def test_what_is_no_field_says_why(tmp_path: Path) -> None:
    dataset = xarray.Dataset({"u": (("level", "y", "x"), np.zeros((2, 2, 2), np.float32))})
    dataset.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with pytest.raises(FieldError, match=r"must be over time and two axes of space .* level, y, x"):
        gridded.recordings(tmp_path / "a.nc")
