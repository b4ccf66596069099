"""What a source is."""

import sys
from pathlib import Path

import fsspec
import pytest
from s3server import serving
from shards import drawn, opened, plain, reasons, same, sharded

from framefall.data.remote.kinds import is_elsewhere
from framefall.data.remote.tree import SourceError


def test_a_folder_with_videos_in_it_is_a_plain_folder(tmp_path: Path) -> None:
    folder = plain(tmp_path / "clips")
    shards = sharded(folder, tmp_path / "shards")
    assert not is_elsewhere(folder) and not is_elsewhere(tmp_path) and not is_elsewhere("fall:20")
    assert is_elsewhere(shards) and is_elsewhere(shards / "000000.tar") and is_elsewhere("a/{0..2}.tar")
    assert is_elsewhere("s3://bucket/folder")


def test_a_folder_and_shards_behind_a_url_are_what_they_are_here(tmp_path: Path) -> None:
    folder = plain(tmp_path / "clips")
    shards = sharded(folder, tmp_path / "shards")
    memory = fsspec.filesystem("memory")
    memory.put(str(folder), "/kinds/clips", recursive=True)
    memory.put(str(shards), "/kinds/shards", recursive=True)
    there = drawn(opened(folder, tmp_path / "there"))
    for number, url in enumerate(("memory://kinds/clips", "memory://kinds/shards/{000000..000002}.tar")):
        assert same(drawn(opened(url, tmp_path / str(number))), there)
    memory.pipe("/kinds/clips/0001.txt", b"other words")  # the control: what has changed there is seen here
    assert not same(drawn(opened("memory://kinds/clips", tmp_path / "0")), there)
    memory.rm("/kinds/clips/0002.mp4")
    memory.pipe("/kinds/clips/0003.mp4", b"#EXTM3U\nhttp://localhost/a.mp4")
    found = opened("memory://kinds/clips", tmp_path / "0")
    assert len(found.names) == 3 and "playlist" in reasons(found)["0003.mp4"]
    memory.rm("/kinds", recursive=True)
    with pytest.raises(SourceError, match="check its name"):
        opened("memory://kinds/clips", tmp_path / "0")


@pytest.mark.slow  # `whole/test_sources_page.py` trains from a bucket as from the folder
def test_a_bucket_is_read_as_the_folder_that_it_was_copied_from(tmp_path: Path) -> None:
    """From a real server: a folder, shards, and what goes wrong with a bucket; each in a sentence."""
    folder = plain(tmp_path / "clips")
    shards = sharded(folder, tmp_path / "shards")
    there = drawn(opened(folder, tmp_path / "there"))
    with serving():
        bucket = fsspec.filesystem("s3")
        bucket.mkdir("videos")
        bucket.put(str(folder), "videos/clips", recursive=True)
        bucket.put(str(shards), "videos/shards", recursive=True)
        sources = ("s3://videos/clips", "s3://videos/shards/{000000..000002}.tar")
        for number, url in enumerate(sources):
            assert same(drawn(opened(url, tmp_path / str(number))), there)
        again = opened("s3://videos/shards", tmp_path / "new", cache_gb=0.0)  # nothing is kept: read again and again
        assert same(drawn(again, 3, 1), there[6:])
        bucket.ls("videos/clips")  # a listing that is remembered says what was there
        bucket.pipe("videos/clips/0001.txt", b"other words")  # the control: the object has changed
        assert not same(drawn(opened("s3://videos/clips", tmp_path / "0")), there)
        with pytest.raises(SourceError, match=r"s3://nobody/clips"):
            opened("s3://nobody/clips", tmp_path / "0")
        with pytest.raises(SourceError, match=r"s3://videos/nothing"):
            opened("s3://videos/nothing", tmp_path / "0")


def test_without_its_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    with pytest.raises(SourceError, match=r"read by s3fs, which is not installed: pip install 'framefall\[s3\]'"):
        opened("s3://videos/clips", tmp_path / "0")
