"""Arrays in `.npy`, with a description beside them or without one."""

import json
from pathlib import Path

import numpy as np
import pytest

from framefall.data.fields.arrays import recordings
from framefall.data.fields.recording import FieldError


def test_a_bare_array_has_numbered_channels_and_frames(tmp_path: Path) -> None:
    values = np.arange(3 * 4 * 5 * 2, dtype=np.uint16).reshape(3, 4, 5, 2)
    np.save(tmp_path / "a.npy", values)
    (found,) = recordings(tmp_path / "a.npy")
    assert found.field.names == ["channel0", "channel1"] and found.field.dtype == "uint16"
    assert found.times.tolist() == [0, 1, 2] and found.size == (4, 5)
    np.testing.assert_array_equal(found.frames(slice(0, 3)), values.transpose(3, 0, 1, 2))
    np.save(tmp_path / "b.npy", values[..., 0])
    assert recordings(tmp_path / "b.npy")[0].field.names == ["channel0"]


def test_a_description_that_a_person_writes(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([0, 7, 9], np.uint8).reshape(3, 1, 1))
    about = {"channels": [{"name": "T", "units": "K"}], "clock": {"units": "h"}, "times": [0, 3, 6], "missing": 7}
    (tmp_path / "a.npy.json").write_text(json.dumps({"field": about, "author": "me"}))
    (found,) = recordings(tmp_path / "a.npy")
    assert found.field.quantities == ["T (K)"] and found.field.clock.step == 3.0
    np.testing.assert_array_equal(found.frames(slice(0, 3)).ravel(), [0, np.nan, 9])


def test_what_is_no_array_of_numbers_says_why(tmp_path: Path) -> None:
    for name, array in (("text", np.array(["a"])), ("flat", np.zeros((3, 3))), ("objects", np.array([{}], object))):
        np.save(tmp_path / f"{name}.npy", array, allow_pickle=True)
        with pytest.raises(FieldError, match="cannot be read: it"):
            recordings(tmp_path / f"{name}.npy")
