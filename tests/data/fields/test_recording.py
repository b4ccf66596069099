"""Uneven times are brought to even ones, and nothing is made up where too much is missing."""

from dataclasses import replace

import numpy as np
import pytest

from framefall.data.fields.field import Channel, Field, numbered
from framefall.data.fields.recording import Recording, interpolated, takes, usual_step


def recording(times: np.ndarray) -> Recording:
    """One pixel whose value is the time: linear interpolation is exact."""
    field = Field(channels=[Channel(name="t")], rows=numbered(1, "y"), columns=numbered(1, "x"))
    values = times.astype(np.float32).reshape(1, -1, 1, 1)
    return Recording(field=field, times=times, frames=lambda numbers: values[:, numbers])


def test_even_times_are_taken_as_they_are() -> None:
    times = np.array([0.0, 1.0, 2.01, 2.99, 4.0])
    assert [one.tolist() for one in takes(times, 1.0)] == [[0, 1, 2, 3, 4]]
    assert not interpolated(takes(times, 1.0))


def test_uneven_times_are_interpolated_and_gaps_part() -> None:
    times = np.array([0.0, 0.7, 2.0, 3.1, 10.0, 11.0, 12.0])
    first, second = takes(times, 1.0)
    assert interpolated([first]) and second.tolist() == [4, 5, 6]
    np.testing.assert_allclose(recording(times).at(first).ravel(), [0, 1, 2, 3], atol=0.06)
    nearest = times[np.rint(first).astype(int)]  # the naive way does not give the moments that were asked for
    assert np.abs(nearest - [0, 1, 2, 3]).max() > 0.2


def test_a_finer_recording_is_thinned_to_its_own_frames() -> None:
    (found,) = takes(np.arange(9) * 0.5, 1.0)
    assert found.tolist() == [0, 2, 4, 6, 8]


def test_what_lies_beside_a_missing_value_is_missing() -> None:
    field = Field(channels=[Channel(name="t")], rows=numbered(1, "y"), columns=numbered(1, "x"))
    values = np.array([0.0, np.nan, 2.0, 3.0], np.float32).reshape(1, 4, 1, 1)
    found = Recording(field=field, times=np.arange(4.0), frames=lambda numbers: values[:, numbers])
    np.testing.assert_array_equal(found.at(np.array([0.0, 0.5, 1.5, 2.0, 2.5])).ravel(), [0, np.nan, np.nan, 2, 2.5])


def test_times_must_increase() -> None:
    assert usual_step(np.array([0.0, 1.0, 5.0])) == 2.5
    with pytest.raises(ValueError, match="times must increase, and frame 2"):
        usual_step(np.array([0.0, 1.0, 1.0]))


def test_channels_are_found_by_their_names() -> None:
    field = Field(
        channels=[Channel(name="u"), Channel(name="T"), Channel(name="v")],
        rows=numbered(1, "y"),
        columns=numbered(1, "x"),
    )
    values = np.arange(3, dtype=np.float32).reshape(3, 1, 1, 1)
    own = Recording(field=field, times=np.zeros(1), frames=lambda numbers: values[:, numbers])
    wanted = replace(field, channels=[Channel(name="v"), Channel(name="u")])
    found = own.of(wanted, "a.nc", "the model")
    assert found.field.names == ["v", "u"] and found.frames(slice(0, 1)).ravel().tolist() == [2, 0]
    with pytest.raises(ValueError, match=r"a\.nc must have the channels of the model, w, got u, T, v"):
        own.of(replace(field, channels=[Channel(name="w")]), "a.nc", "the model")
