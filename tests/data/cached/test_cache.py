import dataclasses
import json
import os
import shutil

import numpy as np
import pytest
from children import program
from encodes import clock, encode

from framefall.data import origin
from framefall.data.cached import cache
from framefall.data.cached.cache import entry
from framefall.data.cached.store import CacheError, Store
from framefall.data.folder import FolderConfig, open_folder
from framefall.data.origin import Settings, content_hash


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


def opened(source, **settings):
    return open_folder(source, FolderConfig(cache=str(source.parent / "cache"), **settings))


def arrays(source):
    return sorted((source.parent / "cache").glob("*.npy"))


def test_a_second_opening_reads_the_cache_and_decodes_nothing(source, monkeypatch):
    encode(source / "a.mp4", clock(20))
    first = opened(source)
    (array,) = arrays(source)
    changed = array.stat().st_mtime_ns
    monkeypatch.setattr(origin, "decode", lambda *_, **__: pytest.fail("decoded again"))
    again = opened(source)
    assert np.array_equal(again.read(again.shots[0], range(20)), first.read(first.shots[0], range(20)))
    assert array.stat().st_mtime_ns == changed


def test_an_entry_without_its_record_or_its_end_is_decoded_again(source):
    encode(source / "a.mp4", clock(20))
    (shot,) = opened(source).shots
    (array,) = arrays(source)
    whole = array.read_bytes()
    for damage in (lambda: array.write_bytes(whole[:-1]), lambda: array.with_suffix(".json").write_text("{")):
        damage()
        assert opened(source).read(shot, [19])[2, 0, -1, -1] == whole[-1] and array.read_bytes() == whole


def flips(path, count=32):
    """The file with one bit flipped, again and again, all over it."""
    whole = path.read_bytes()
    for bit in range(5, 8 * len(whole), 8 * len(whole) // count):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        yield
    path.write_bytes(whole)


@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_every_flipped_bit_is_found_before_it_is_used(source, suffix):
    encode(source / "a.mp4", clock(20))
    folder = opened(source)
    truth = folder.read(folder.shots[0], range(20))
    (array,) = arrays(source)
    whole = array.read_bytes()
    for _ in flips(array.with_suffix(suffix)):
        again = opened(source)
        assert again.shots[0].fps == folder.shots[0].fps and again.fingerprint == folder.fingerprint
        assert np.array_equal(again.read(again.shots[0], range(20)), truth) and array.read_bytes() == whole


def test_a_cache_without_checksums_uses_flipped_bits(source, monkeypatch):
    """The control: the same reading without the comparison."""
    encode(source / "a.mp4", clock(20))
    folder = opened(source)
    truth = folder.read(folder.shots[0], range(20))
    (array,) = arrays(source)

    class Blind:
        @staticmethod
        def crc32(data):
            return 0

    monkeypatch.setattr(cache, "zlib", Blind)
    blind = dataclasses.replace(folder.entries["a.mp4"], checksums=(0,) * 20)
    used = sum(not np.array_equal(blind.read(range(20)), truth.transpose(1, 2, 3, 0)) for _ in flips(array))
    assert used >= 31  # one may fall into the header


def test_an_old_entry_without_checksums_is_decoded_again(source):
    encode(source / "a.mp4", clock(20))
    (shot,) = opened(source).shots
    (array,) = arrays(source)
    record = array.with_suffix(".json")
    values = json.loads(record.read_text())
    del values["checksums"], values["checksum"]
    record.write_text(json.dumps(values))
    assert opened(source).read(shot, [0]).shape == (3, 1, 32, 48)
    assert len(json.loads(record.read_text())["checksums"]) == 20


def test_other_settings_are_other_entries(source):
    encode(source / "a.mp4", clock(20))
    for settings in ({}, {"size": 16}, {"fps": 12.0}, {"channels": 1}):
        opened(source, **settings)
    assert len(list((source.parent / "cache").glob("*.npy"))) == 4


@pytest.mark.parametrize("harm", ["shrinks", "vanishes", "changes"])
def test_an_entry_that_goes_while_it_is_used_is_decoded_again(source, harm):
    encode(source / "a.mp4", clock(20))
    folder = opened(source)
    truth = folder.read(folder.shots[0], [19])
    (array,) = arrays(source)
    if harm == "shrinks":
        os.truncate(array, 1000)
    elif harm == "vanishes":
        shutil.rmtree(array.parent)
    else:
        array.write_bytes(bytes(array.stat().st_size))
    assert np.array_equal(folder.read(folder.shots[0], [19]), truth) and array.exists()


@pytest.mark.parametrize("gone", [True, False])
def test_if_the_video_is_gone_too_the_cache_is_named_and_not_the_video_blamed(source, gone):
    encode(source / "a.mp4", clock(20))
    folder = opened(source)
    shutil.rmtree(source.parent / "cache")
    if gone:
        (source / "a.mp4").unlink()
    else:
        encode(source / "a.mp4", clock(20, step=5))
    wanted = f"frames in the cache {source.parent / 'cache'} are damaged or gone.*{'not there' if gone else 'changed'}"
    with pytest.raises(CacheError, match=wanted):
        folder.read(folder.shots[0], [19])


def test_frames_that_there_is_no_room_for_are_decoded_when_they_are_needed(source):
    encode(source / "a.mp4", clock(20))
    truth = opened(source)
    small = open_folder(source, FolderConfig(cache=str(source.parent / "small"), cache_gb=1e-5))
    assert not list((source.parent / "small").glob("*.npy"))
    (note,) = small.report.notes
    assert f"the cache {source.parent / 'small'} has no room for the frames of 1 files (it may hold 1e-05 GB)" in note
    assert "data.cache_gb" in note and small.fingerprint == truth.fingerprint
    assert np.array_equal(small.read(small.shots[0], [3, 19, 3]), truth.read(truth.shots[0], [3, 19, 3]))
    (source / "a.mp4").unlink()
    with pytest.raises(CacheError, match=r"came from, cannot be read \(it is not there"):
        small.read(small.shots[0], [3])


def test_a_place_that_cannot_be_written_ends_it_in_a_sentence(source):
    encode(source / "a.mp4", clock(3))
    (source.parent / "file").touch()
    with pytest.raises(CacheError, match=r"the cache .*file must be a folder with room.*--set data\.cache=FOLDER"):
        open_folder(source, FolderConfig(cache=str(source.parent / "file")))


OPEN = """
import sys
from framefall.data.folder import FolderConfig, open_folder
print(open_folder(sys.argv[1], FolderConfig(cache=sys.argv[2])).fingerprint)
"""


def test_two_processes_that_open_the_same_folder_decode_it_once(source):
    for index in range(6):
        encode(source / f"{index}.mp4", clock(20, step=index + 1))
    there = [str(source), str(source.parent / "cache")]
    said = [source.parent / f"said-{index}" for index in range(2)]
    children = [program(OPEN, *there, output=one) for one in said]
    for child in children:
        child.join(120)
    assert [child.exitcode for child in children] == [0, 0] and said[0].read_text() == said[1].read_text() != ""
    names = {path.name for path in (source.parent / "cache").iterdir()}
    assert len([name for name in names if name.endswith(".npy")]) == 6 and not [n for n in names if "partial" in n]


def test_an_entry_is_named_for_content_and_settings_and_not_for_the_file(source, tmp_path):
    one = encode(source / "a.mp4", clock(3))
    other = shutil.copy(one, source / "b.mp4")
    assert content_hash(one) == content_hash(source / "b.mp4") != content_hash(encode(source / "c.mp4", clock(4)))
    home = Store(tmp_path / "cache")
    first, again = (entry(home, path, content_hash(path), Settings()) for path in (one, other))
    assert (
        first.file == again.file
        and first.checksums == again.checksums
        and first.shape == (3, 32, 48, 3)
        and first.starts == (0,)
    )
    with pytest.raises(ValueError, match="frame must be 0 to 2, got 3"):
        first.read([3])
