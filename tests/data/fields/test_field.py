"""Scales, coordinates and types of a field."""

from dataclasses import replace

import numpy as np
import pytest

from framefall.config import from_json, to_json
from framefall.data.fields.field import Axis, Channel, Field, Scales, clipped, kept_dtype, numbered, stored

FIELD = Field(
    channels=[Channel(name="u", units="m/s"), Channel(name="T", units="K")],
    rows=numbered(4, "y"),
    columns=Axis(name="x", units="km", values=[0, 10, 20, 30]),
)


def test_scales_are_those_of_all_values_and_come_back() -> None:
    values = (
        np.random.default_rng(0).normal([[[[3]]], [[[280]]]], [[[[2]]], [[[0.5]]]], (2, 9, 4, 4)).astype(np.float32)
    )
    values[0, :3] = np.nan
    scales = Scales(2)
    for begin in (0, 2, 7):
        scales.add(values[:, begin : {0: 2, 2: 7, 7: 9}[begin]])
    field = scales.of(FIELD)
    for channel, own in zip(field.channels, values, strict=True):
        np.testing.assert_allclose(channel.centre, np.nanmean(own.astype(np.float64)), rtol=1e-9)
        np.testing.assert_allclose(channel.spread, 2 * np.nanstd(own.astype(np.float64)), rtol=1e-9)
    seen = field.scaled(values)
    np.testing.assert_allclose(np.nanstd(seen, axis=(1, 2, 3)), 0.5, rtol=1e-3)
    np.testing.assert_allclose(field.physical(seen), values, rtol=1e-6)
    assert FIELD.with_scale(field) == field
    with pytest.raises(ValueError, match="all of T are missing"):
        empty = Scales(2)
        empty.add(np.where(np.arange(2).reshape(2, 1, 1, 1) == 1, np.nan, values))
        empty.of(FIELD)


def test_a_field_is_json_and_back() -> None:
    assert from_json(Field, to_json(FIELD)) == FIELD
    with pytest.raises(ValueError, match="names of their own"):
        replace(FIELD, channels=[Channel(name="u"), Channel(name="u")])
    with pytest.raises(ValueError, match="a number that uint8 has"):
        replace(FIELD, dtype="uint8", missing=300.0)


def test_an_axis_at_another_resolution_covers_the_same() -> None:
    axis = Axis(name="x", values=[0, 10, 20, 30])
    assert axis.part(0.0, 4.0, 2).values == [5, 25]  # the middles of pairs
    assert axis.part(0.0, 4.0, 8).values == [-2.5, 2.5, 7.5, 12.5, 17.5, 22.5, 27.5, 32.5]
    assert axis.part(1.0, 3.0, 2).values == [10, 20]
    assert axis.part(0.0, 4.0, 4) is axis


def test_whole_numbers_keep_their_type_and_their_gaps() -> None:
    field = replace(FIELD, dtype="uint8", missing=7.0, channels=FIELD.channels[:1])
    values = np.array([-3, 6.6, np.nan, 300], np.float32).reshape(1, 1, 1, 4)
    assert stored(values, field).ravel().tolist() == [0, 8, 7, 255]  # what is there never reads as missing
    assert clipped(values, field) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="needs a number that stands for it"):
        stored(values, replace(field, missing=None))
    assert [kept_dtype(np.dtype(one)) for one in ("u1", "u2", "i2", "f8")] == ["uint8", "uint16", "float32", "float32"]
    with pytest.raises(ValueError, match="not real numbers"):
        kept_dtype(np.dtype(complex))


def test_other_channels_and_times_are_refused() -> None:
    other = replace(FIELD, channels=[replace(FIELD.channels[0], units="knots"), FIELD.channels[1]])
    with pytest.raises(ValueError, match=r"got u \(knots\), T \(K\)"):
        FIELD.check_alike(other, "a.nc", "the model")
    with pytest.raises(ValueError, match="must tell time as the model does, in h, got s"):
        hours, seconds = (replace(FIELD, clock=replace(FIELD.clock, units=unit)) for unit in ("h", "s"))
        hours.check_alike(seconds, "a.nc", "the model")
    FIELD.check_alike(FIELD, "a.nc", "the model")
