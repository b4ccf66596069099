import os
import shutil
from fractions import Fraction

import pytest
from encodes import clock, encode, number_of
from PIL import Image

from framefall.data import cache
from framefall.data.cache import Settings, content_hash, entry
from framefall.data.decode import DecodeError
from framefall.data.folder import FolderConfig, open_folder


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


def opened(source, **settings):
    return open_folder(source, FolderConfig(cache=str(source.parent / "cache"), **settings))


def test_a_second_opening_reads_the_cache_and_a_damaged_entry_is_decoded_again(source):
    encode(source / "a.mp4", clock(20))
    (shot,) = opened(source).shots
    (array,) = (source.parent / "cache").glob("*.npy")
    whole = array.read_bytes()
    marked = bytearray(whole)
    marked[-1] = whole[-1] ^ 255  # what no decoder would give
    array.write_bytes(marked)
    assert opened(source).read(shot, [19])[2, 0, -1, -1] == marked[-1]
    array.write_bytes(whole[:-1])
    assert opened(source).read(shot, [19])[2, 0, -1, -1] == whole[-1]
    assert array.read_bytes() == whole
    array.with_suffix(".json").write_text("{")
    assert opened(source).read(shot, [19])[2, 0, -1, -1] == whole[-1]
    array.write_bytes(marked)
    encode(source / "a.mp4", clock(20, step=5))  # other content, other entry
    assert opened(source).read(shot, [19])[2, 0, -1, -1] not in (marked[-1], whole[-1])


def test_other_settings_are_other_entries(source):
    encode(source / "a.mp4", clock(20))
    for settings in ({}, {"size": 16}, {"fps": 12.0}, {"channels": 1}):
        opened(source, **settings)
    assert len(list((source.parent / "cache").glob("*.npy"))) == 4


def test_an_entry_that_shrinks_while_it_is_used_is_an_error_and_not_a_crash(source):
    encode(source / "a.mp4", clock(20))
    folder = opened(source)
    (array,) = (source.parent / "cache").glob("*.npy")
    os.truncate(array, 1000)
    with pytest.raises(ValueError, match="has shrunk"):
        folder.read(folder.shots[0], [19])


def test_a_jump_in_time_ends_a_shot(source):
    stamps = [*range(0, 40, 4), *range(140, 180, 4)]  # a second is missing
    encode(source / "a.mkv", clock(20), 25, stamps=stamps, base=Fraction(1, 100))
    folder = opened(source, scene_cuts=False)
    assert len(folder.shots) == 2
    numbers = [number_of(f) for s in folder.shots for f in folder.read(s, range(s.frames)).transpose(1, 2, 3, 0)]
    assert numbers == sorted(set(numbers))


def test_an_entry_is_named_for_content_and_settings_and_not_for_the_file(source, tmp_path):
    one = encode(source / "a.mp4", clock(3))
    other = shutil.copy(one, source / "b.mp4")
    assert content_hash(one) == content_hash(source / "b.mp4") != content_hash(encode(source / "c.mp4", clock(4)))
    first, again = (entry(tmp_path / "cache", path, content_hash(path), Settings()) for path in (one, other))
    assert first == again and first.shape == (3, 32, 48, 3) and first.starts == (0,)
    with pytest.raises(ValueError, match="frame must be 0 to 2, got 3"):
        first.read([3])


def test_a_folder_of_frames_is_hashed_in_order_with_its_rate(source):
    for index, image in enumerate(clock(3)):
        Image.fromarray(image).save(source / f"{index}.png")
    hashes = {content_hash(source)}
    (source / "fps.txt").write_text("12")
    hashes.add(content_hash(source))
    os.rename(source / "0.png", source / "9.png")
    hashes.add(content_hash(source))
    assert len(hashes) == 3


def test_the_cache_lies_where_one_says(monkeypatch, tmp_path):
    monkeypatch.setenv("FRAMEFALL_CACHE", str(tmp_path / "named"))
    assert cache.root() == tmp_path / "named" and cache.root(tmp_path) == tmp_path
    monkeypatch.delenv("FRAMEFALL_CACHE")
    assert cache.root().parts[-2:] == (".cache", "framefall")


def test_a_full_disk_is_told_before_anything_is_decoded(source, monkeypatch):
    encode(source / "a.mp4", clock(3))
    monkeypatch.setattr(cache, "RESERVE", 1 << 62)
    with pytest.raises(DecodeError, match=r"its frames need 0\.0 GB, and the cache's disk has"):
        entry(source.parent / "cache", source / "a.mp4", "content", Settings())
    assert not list((source.parent / "cache").glob("*.npy"))
