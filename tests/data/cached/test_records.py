import os
from pathlib import Path

import numpy as np
import pytest

from framefall.data.cached import records
from framefall.data.cached.records import Damaged

HELD = [b"first", b"", bytes(range(256)), b"last"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    records.write(tmp_path / "some.records", "letters", HELD)
    return tmp_path / "some.records"


def found(path: Path) -> list[bytes | None]:
    """Each record, or nothing where it does not check."""
    got: list[bytes | None] = []
    for number in range(len(HELD)):
        try:
            got.append(records.read(path, "letters", number))
        except Damaged:
            got.append(None)
    return got


def test_what_is_written_is_read(file: Path) -> None:
    assert found(file) == HELD


def test_every_flipped_bit_of_the_file_shows_where_it_matters(file: Path) -> None:
    """No bit anywhere, header and table included, can be flipped so that another record is read than was written."""
    whole, unnoticed = file.read_bytes(), []
    for bit in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        file.write_bytes(changed)
        got = found(file)
        assert all(one in (None, held) for one, held in zip(got, HELD, strict=True)), f"bit {bit} gave other bytes"
        if None not in got:
            unnoticed.append(bit)
    assert unnoticed == []


def test_without_the_checksum_flipped_bits_are_read_as_if_they_were_data(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_checksum", lambda *_: 0)  # the control: a cache that checks nothing
    records.write(file, "letters", HELD)
    whole = bytearray(file.read_bytes())
    whole[-1] ^= 1
    file.write_bytes(whole)
    assert found(file) == [*HELD[:-1], b"lasu"]


@pytest.mark.parametrize("left", [0, 10, 45, 60, 119, -1])
def test_a_file_that_was_cut_off_is_damaged_and_no_crash(file: Path, left: int) -> None:
    os.truncate(file, left if left >= 0 else file.stat().st_size + left)
    got = found(file)
    assert None in got and all(one in (None, held) for one, held in zip(got, HELD, strict=True))


def test_a_file_of_other_records_is_refused(file: Path) -> None:
    with pytest.raises(Damaged, match="does not begin as a file of records of numbers"):
        records.read(file, "numbers", 0)
    with pytest.raises(Damaged, match="has no record 4"):
        records.read(file, "letters", 4)
    with pytest.raises(FileNotFoundError):
        records.read(file.with_name("none"), "letters", 0)


def test_values_and_arrays_come_back_as_they_were() -> None:
    arrays = {
        "bytes": np.arange(6, dtype=np.uint8).reshape(1, 2, 3),
        "wide": np.array([1, 65535], np.uint16),
        "none": np.zeros((0, 384), np.int16),
        "turned": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    }
    values, back = records.unpack(records.pack({"caption": "a ball é", "fps": 23.976, "numbers": None}, arrays))
    assert values == {"caption": "a ball é", "fps": 23.976, "numbers": None}
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype and np.array_equal(back[name], array) and back[name].flags.writeable
