import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from encodes import clock, encode

from framefall.data.cached import prepared
from framefall.data.cached.store import CacheError, Store
from framefall.data.folder import Folder, FolderConfig, open_folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    source = tmp_path / "source"
    source.mkdir()
    for index in range(2):
        encode(source / f"{index}.mp4", clock(12, step=index + 1))
    (source / "bad.mp4").write_bytes(b"nothing")
    (source / "0.json").write_text(json.dumps({"caption": "a clock", "numbers": [[float(i)] for i in range(12)]}))
    return open_folder(source, FolderConfig(cache=str(tmp_path / "shards"), holdout=0.5))


def test_a_folder_comes_back_as_it_was_without_its_source(folder: Folder, tmp_path: Path) -> None:
    prepared.save_folder(folder, tmp_path / "shards")
    (tmp_path / "source").rename(tmp_path / "elsewhere")
    (tmp_path / "shards").rename(tmp_path / "moved")
    back = prepared.load_folder(tmp_path / "moved", len(folder.shots))
    assert back.fingerprint == folder.fingerprint and back.report == folder.report
    assert back.validation == folder.validation and back.names == folder.names
    for ours, theirs in zip(back.shots, folder.shots, strict=True):
        for name in ("key", "source", "start", "frames", "height", "width", "fps", "caption"):
            assert getattr(ours, name) == getattr(theirs, name)
        assert (ours.numbers is None) == (theirs.numbers is None)
        assert ours.numbers is None or np.array_equal(ours.numbers, theirs.numbers)
    again = open_folder(tmp_path / "elsewhere", FolderConfig(cache=str(tmp_path / "other")))
    for shot in back.shots:
        assert np.array_equal(back.read(shot, range(12)), again.read(shot, range(12)))


def test_damage_is_mended_from_the_source_or_told(folder: Folder, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    prepared.save_folder(folder, shards)
    truth = folder.read(folder.shots[0], range(12))
    array = folder.entries["0.mp4"].file
    array.write_bytes(bytes(array.stat().st_size))
    back = prepared.load_folder(shards, 2)
    assert np.array_equal(back.read(back.shots[0], range(12)), truth)  # the source is still there
    (tmp_path / "source" / "0.mp4").unlink()
    array.write_bytes(b"short")
    with pytest.raises(ValueError, match=r"shards is damaged \(.*0\.mp4.*\): prepare it again"):
        prepared.load_folder(shards, 2)


def test_frames_that_rot_in_a_prepared_folder_are_never_used(folder: Folder, tmp_path: Path) -> None:
    prepared.save_folder(folder, tmp_path / "shards")
    (tmp_path / "source").rename(tmp_path / "elsewhere")
    back = prepared.load_folder(tmp_path / "shards", 2)
    array = back.entries["0.mp4"].file
    whole = bytearray(array.read_bytes())
    whole[-1] ^= 1
    array.write_bytes(whole)
    with pytest.raises(CacheError, match="is not there any more"):
        back.read(back.shots[0], [11])


def test_what_was_prepared_is_said_and_checked(tmp_path: Path) -> None:
    assert not prepared.is_prepared(tmp_path)
    about = {"source": "fall", "data": prepared.settings(FolderConfig(looks=2)), "finished": True}
    prepared.write_about(tmp_path, about)
    assert prepared.is_prepared(tmp_path) and prepared.read_about(tmp_path) == about
    prepared.check_settings(tmp_path, about, FolderConfig(looks=2, cache="elsewhere", cache_gb=3.0))
    with pytest.raises(ValueError, match=r"data\.looks is 2 there and 4 in the recipe; --set data\.looks alike"):
        prepared.check_settings(tmp_path, about, FolderConfig())
    file = tmp_path / prepared.ABOUT
    whole = file.read_text()
    for damage in (whole.replace("fall", "foll"), whole[:-9], "[]", whole.replace('"checksum"', '"sum"')):
        file.write_text(damage)
        with pytest.raises(ValueError, match=r"prepared\.json is damaged: prepare it again"):
            prepared.read_about(tmp_path)
    file.write_text(whole.replace('"format_version": 1', '"format_version": 7'))
    with pytest.raises(ValueError, match="has format version 7, this Framefall reads 1"):
        prepared.read_about(tmp_path)


def test_a_prepared_folder_has_a_store_of_its_own_without_a_limit(folder: Folder, tmp_path: Path) -> None:
    prepared.save_folder(replace(folder, store=None), tmp_path / "shards")
    assert prepared.load_folder(tmp_path / "shards", 2).store == Store(tmp_path / "shards", None)
