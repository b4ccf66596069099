"""OME-TIFF as microscopes write it."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from framefall.data.fields.ome import recordings
from framefall.data.fields.recording import FieldError

VALUES = np.random.default_rng(0).integers(0, 65535, (6, 2, 8, 9), np.uint16)


@pytest.mark.parametrize("packed", [None, "zlib"])
def test_channels_sizes_and_times_are_read(tmp_path: Path, packed: str | None) -> None:
    about = {
        "axes": "TCYX",
        "Channel": {"Name": ["GFP", "RFP"]},
        "PhysicalSizeX": 0.1,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 0.2,
        "PhysicalSizeYUnit": "µm",
        "TimeIncrement": 1.5,
        "TimeIncrementUnit": "s",
    }
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, VALUES, ome=True, photometric="minisblack", metadata=about, compression=packed)
    (found,) = recordings(path)
    rows, columns = found.field.rows, found.field.columns
    assert found.field.names == ["GFP", "RFP"] and found.field.dtype == "uint16"
    assert found.field.clock.units == "s" and found.times.tolist() == [0, 1.5, 3, 4.5, 6, 7.5]
    assert (columns.units, columns.values[1], rows.values[1]) == ("micrometre", 0.1, 0.2)
    np.testing.assert_array_equal(found.frames(slice(1, 5, 2)), VALUES[1:5:2].transpose(1, 0, 2, 3))


def test_moments_of_planes_may_be_uneven(tmp_path: Path) -> None:
    about = {"axes": "TYX", "Plane": {"DeltaT": [0.0, 1.0, 2.5]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", VALUES[:3, 0], ome=True, photometric="minisblack", metadata=about)
    (found,) = recordings(tmp_path / "a.ome.tif")
    assert found.times.tolist() == [0, 1, 2.5] and found.field.names == ["channel0"]
    np.testing.assert_array_equal(found.frames(slice(0, 3)), VALUES[None, :3, 0])


def test_depth_must_be_chosen(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.ome.tif", VALUES, ome=True, photometric="minisblack", metadata={"axes": "TZYX"})
    with pytest.raises(FieldError, match="with 2 of Z; take one plane"):
        recordings(tmp_path / "a.ome.tif")
