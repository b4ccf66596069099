"""Videos in tables, written by pyarrow as `datasets` lays them out, against the same clips in a plain folder."""

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from encodes import encode, textured
from shards import COUNT, drawn, opened, plain, reasons, same

from framefall.data.remote.parquet import cell
from framefall.data.remote.tree import SourceError

FEATURES = {"video": {"_type": "Video"}, "caption": {"dtype": "string", "_type": "Value"}}
HUGGINGFACE = {b"huggingface": json.dumps({"info": {"features": FEATURES}}).encode()}


def table(folder: Path, *, bare: bool = False) -> pa.Table:
    """The clips of a folder as rows; `bare`: without paths, and without what `datasets` says of columns."""
    files = sorted(folder.glob("*.mp4"))
    videos: list[object] = [file.read_bytes() for file in files]
    if not bare:
        videos = [{"bytes": content, "path": file.name} for content, file in zip(videos, files, strict=True)]
    columns = {"video": videos, "caption": [file.with_suffix(".txt").read_text() for file in files]}
    made = pa.table(columns)
    return made if bare else made.replace_schema_metadata(HUGGINGFACE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plain(tmp_path_factory.mktemp("plain") / "clips")


@pytest.fixture(scope="module")
def tables(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("tables") / "data"
    data.mkdir()
    made = table(folder)
    pq.write_table(made.slice(0, 3), data / "train-00000-of-00002.parquet", row_group_size=2)
    pq.write_table(made.slice(3), data / "train-00001-of-00002.parquet", row_group_size=2)
    return data.parent


def test_tables_give_the_clips_of_the_folder_to_the_bit(folder: Path, tables: Path, tmp_path: Path) -> None:
    there, here = opened(folder, tmp_path / "there"), opened(tables, tmp_path / "here")
    assert here.names == there.names and same(drawn(here), drawn(there))
    assert {shot.where for shot in here.shots} >= {"data/train-00000-of-00002.parquet row 1"}
    again = opened(tables, tmp_path / "new")  # killed in the middle of a group of rows, without a cache
    assert same(drawn(again, 3, 2), drawn(there, 3, 2)) and not same(drawn(again, 3, 2), drawn(there, 2, 2))


def test_what_datasets_saves_to_disk_is_read_as_well(folder: Path, tmp_path: Path) -> None:
    made = table(folder)
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "state.json").write_text("{}")
    path = str(tmp_path / "saved" / "data-00000-of-00001.arrow")
    with pa.OSFile(path, "wb") as out, pa.ipc.new_stream(out, made.schema) as writer:
        writer.write_table(made, max_chunksize=2)
    here = opened(tmp_path / "saved", tmp_path / "cache")
    assert same(drawn(here), drawn(opened(folder, tmp_path / "there")))


def test_bare_bytes_are_named_by_their_rows_and_other_columns_are_numbers(folder: Path, tmp_path: Path) -> None:
    made = table(folder, bare=True).append_column("speed", pa.array([0.5 * number for number in range(COUNT)]))
    pq.write_table(made, tmp_path / "a.parquet")
    found = opened(tmp_path / "a.parquet", tmp_path / "cache")
    assert found.names == [f"a/{number:06d}.mp4" for number in range(1, COUNT + 1)]
    assert [shot.caption for shot in found.shots] == made["caption"].to_pylist()
    assert [shot.numbers.tolist() for shot in found.shots] == [[0.5 * number] for number in range(COUNT)]
    assert "a.parquet: conditioning numbers are read from speed" in found.report.notes


def test_a_table_beside_videos_says_their_captions(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    encode(tmp_path / "clips" / "a.mp4", textured(6))
    pq.write_table(pa.table({"file_name": ["a.mp4"], "text": ["words"]}), tmp_path / "clips" / "metadata.parquet")
    (shot,) = opened(tmp_path / "clips", tmp_path / "cache").shots
    assert (shot.caption, shot.where) == ("words", "metadata.parquet row 1")


def test_hostile_rows_are_left_out_with_a_reason(folder: Path, tmp_path: Path) -> None:
    video = (folder / "0000.mp4").read_bytes()
    rows = [
        {"bytes": video, "path": "../../good.mp4"},
        {"bytes": b"#EXTM3U\nfile:///etc/passwd", "path": "list.mp4"},
        {"bytes": None, "path": "/etc/passwd"},
        {"bytes": video[:300], "path": "cut.mp4"},
        {"bytes": video, "path": "good.mp4"},
    ]
    pq.write_table(pa.table({"video": rows}), tmp_path / "a.parquet")
    found = opened(tmp_path / "a.parquet", tmp_path / "cache")
    assert len(found.names) == 2 and found.names[-1] == "good.mp4"
    left = reasons(found)
    assert "playlist" in left["list.mp4"] and "cut.mp4" in left
    assert any("row 3 has no bytes in column video" in reason for reason in left.values())


def test_what_is_no_table_of_videos_is_said_in_a_sentence(
    tmp_path: Path, tables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq.write_table(pa.table({"caption": ["a"], "url": ["b"]}), tmp_path / "words.parquet")
    with pytest.raises(ValueError, match="must have a column with the bytes of videos, has caption, url"):
        opened(tmp_path / "words.parquet", tmp_path / "cache")
    whole = (tables / "data" / "train-00000-of-00002.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"got none \(cut.parquet: it is no table that can be read, or damaged"):
        opened(tmp_path / "cut.parquet", tmp_path / "cache")
    with pytest.raises(SourceError, match="must have 4 rows, has 3"):
        cell(str(tables / "data" / "train-00000-of-00002.parquet"), "video", 3)
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as where it is not installed
    with pytest.raises(ValueError, match=r"pyarrow, which is not installed: pip install 'framefall\[sources\]'"):
        opened(tables, tmp_path / "cache")
