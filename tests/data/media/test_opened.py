"""One open file as frames in this process, and what its errors say."""

from pathlib import Path

import pytest
from encodes import clock, encode

from framefall.data.media import opened
from framefall.data.media.frame import DecodeError, Limits, open_source


def test_a_file_is_read_from_its_descriptor_wherever_that_stands(tmp_path: Path) -> None:
    with open_source(encode(tmp_path / "a.mp4", clock(6))) as source:
        for _ in range(2):
            assert opened.probe(source, "mov", Limits()).frames == 6
            tick, frames = opened.read(source, "mov", None, 3, Limits())
            assert tick > 0 and [frame.source for frame in frames] == list(range(6))
        assert opened.size(source, Limits()) is None  # no picture


@pytest.mark.parametrize("ask", [opened.probe, opened.tags])
def test_what_is_damaged_is_a_decode_error(ask, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(40))
    with open_source(tmp_path / "a.mp4") as source, pytest.raises(DecodeError):
        ask(source, "mov", Limits()) if ask is opened.probe else ask(source, "mov")


def test_errors_in_words() -> None:
    assert "memory" in opened.plain(MemoryError())
    assert "another file" in opened.plain(PermissionError(13, "x"))
    assert opened.plain(IndexError()) == "its data is damaged (IndexError)"
