"""Bytes elsewhere, here for as long as they are needed."""

import os
import pickle
from pathlib import Path

import fsspec
import pytest

from framefall.data.media.frame import DecodeError
from framefall.data.remote.place import Cell, Piece, Place, as_values, from_values, sweep


def test_a_piece_is_here_while_the_block_runs_and_a_whole_file_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "whole").write_bytes(b"0123456789")
    url = str(tmp_path / "whole")
    part = Place("in/b.mp4", (Piece("in/b.mp4", url, 3, 4),))
    with part.here(tmp_path / "cache") as path:
        assert path.read_bytes() == b"3456" and path.suffix == ".mp4" and path.is_relative_to(tmp_path / "cache")
    assert not path.exists() and not list((tmp_path / "cache").iterdir())
    with Place("b.mp4", (Piece("b.mp4", url, 0, 10),)).here(tmp_path / "cache") as path:
        assert path == tmp_path / "whole"
    with pytest.raises(DecodeError, match="it ends 2 bytes early"), Place("b", (Piece("b", url, 8, 4),)).here(tmp_path):
        pass
    with pytest.raises(DecodeError, match="no room"), Place("b", (Piece("b", url, 8, 1 << 60),)).here(tmp_path):
        pass


def test_frames_are_a_folder_or_a_pattern(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe({"/frames/a_1.png": b"1", "/frames/a_2.png": b"2"})
    pieces = tuple(Piece(f"seq/a_{i}.png", f"memory://frames/a_{i}.png", 0, 1) for i in (1, 2))
    with Place("seq", pieces, frames=True).here(tmp_path) as path:
        assert sorted(one.name for one in path.iterdir()) == ["a_1.png", "a_2.png"]
    with Place("seq/a_%d.png", pieces, frames=True).here(tmp_path) as path:
        assert path.name == "a_%d.png" and len(list(path.parent.iterdir())) == 2
    memory.rm("/frames", recursive=True)


@pytest.mark.parametrize(
    "place",
    [
        Path("/a/b.mp4"),
        Place("b.mp4", (Piece("b.mp4", "s3://a/b.tar", 512, 7),)),
        Place("seq", (Piece("1.png", "memory://1.png", 0, 7), Piece("2.png", "memory://2.png", 0, 7)), True),
        Place("b.mp4", (Cell("b.mp4", "s3://a/b.parquet", "video", 3),)),
    ],
)
def test_a_place_comes_back_from_what_is_written_of_it(place: Path | Place) -> None:
    assert from_values(as_values(place)) == place == pickle.loads(pickle.dumps(place))


def test_what_killed_processes_left_is_removed_and_what_is_in_use_stays(tmp_path: Path) -> None:
    (tmp_path / "remote-old").mkdir()
    (tmp_path / "remote-new").mkdir()
    os.utime(tmp_path / "remote-old", (1, 1))
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["remote-new"]
