import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from numbered import Counted, Letters, same

from framefall.data.cached.kept import Kept
from framefall.data.cached.shards import Shards
from framefall.data.cached.store import Store


class Reader:
    """Reads batches of four and remembers what was said and made."""

    def __init__(self, root: Path, limit: int | None = None, count: int = 20, **options: int) -> None:
        self.made: list[int] = []
        self.said: list[str] = []
        self.shards = Shards(Counted(count, (self.made,)), Store(root, limit), Letters(), largest=8)
        self.kept = Kept(self.shards, self.said.append, **options)

    def read(self, start: int, stop: int) -> list[int]:
        """The batches of these positions are the clips that they should be; which were made for it."""
        before = len(self.made)
        plain = replace(self.shards, stream=Counted(self.shards.stream.examples))
        for first in range(start, stop, 4):
            positions = list(range(first, min(first + 4, stop)))
            clips = self.kept.clips(positions)
            truth = plain.fresh([plain.stream.number(position) for position in positions])
            assert all(map(same, clips, truth)) and len(clips) == len(truth)
        return self.made[before:]

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.shards.folder.glob("*.records"))


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def test_each_clip_is_made_once_and_read_ever_after(reader: Reader, tmp_path: Path) -> None:
    assert sorted(reader.read(0, 20)) == [*range(20)]
    assert reader.files == ["000000.records", "000001.records", "000002.records"]
    assert reader.read(20, 80) == [] and Reader(tmp_path).read(0, 80) == [] and reader.said == []


def test_a_short_run_makes_little_more_than_it_reads(reader: Reader) -> None:
    assert reader.read(0, 4) == [0, 1, 2, 3] and reader.files == []
    assert Reader(reader.shards.store.root, count=2).read(0, 2) == [0, 1]


def test_a_run_that_was_stopped_in_a_shard_completes_it(tmp_path: Path) -> None:
    Reader(tmp_path).read(0, 4)  # half of the first shard, which is lost
    later = Reader(tmp_path)
    assert sorted(later.read(4, 20)) == [*range(20)] and len(later.files) == 3
    assert Reader(tmp_path).read(0, 40) == []


def test_in_shuffled_epochs_what_is_missing_comes_back_by_the_shard(reader: Reader) -> None:
    reader.read(0, 20)
    reader.shards.path(1).unlink()  # whoever shares the cache needed room
    assert reader.read(20, 40) == [*range(8, 16)] and len(reader.files) == 3


def test_a_cache_that_vanishes_while_it_is_read_costs_time_only(reader: Reader) -> None:
    reader.read(0, 20)
    shutil.rmtree(reader.shards.store.root)
    assert sorted(reader.read(20, 40)) == [*range(20)] and len(reader.files) == 3 and reader.said == []


def test_a_flipped_bit_is_said_and_never_used(reader: Reader) -> None:
    reader.read(0, 20)
    whole = reader.shards.path(0).read_bytes()
    for bit in range(3, 8 * len(whole), 8 * len(whole) // 32):  # 32 of them, all over the file
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        reader.shards.path(0).write_bytes(damaged)
        reader.said.clear()
        assert reader.read(20, 40) and len(reader.said) == 1 and "what does not check is made again" in reader.said[0]
        assert reader.shards.path(0).read_bytes() == whole


def test_without_room_clips_are_made_as_they_are_needed_and_that_is_said_once(tmp_path: Path) -> None:
    reader = Reader(tmp_path, limit=3000)  # a little more than one shard
    made = reader.read(0, 20)
    assert sorted(set(made)) == [*range(20)] and len(reader.files) == 1
    assert sorted(reader.read(20, 40)) == [*range(8, 20)] and len(reader.said) == 1
    assert f"the cache {tmp_path} has no room for more clips" in reader.said[0] and "data.cache_gb" in reader.said[0]


def test_a_cache_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    reader = Reader(tmp_path / "file")
    assert sorted(set(reader.read(0, 20))) == [*range(20)]
    reader.read(20, 40)
    assert len(reader.said) == 1 and "--set data.cache=FOLDER" in reader.said[0]


def test_two_that_read_the_same_keep_it_once(tmp_path: Path) -> None:
    one, other = Reader(tmp_path), Reader(tmp_path)
    for first in range(0, 20, 4):
        one.read(first, first + 4), other.read(first, first + 4)
    assert one.files == ["000000.records", "000001.records", "000002.records"]
    assert Reader(tmp_path).read(0, 40) == []


def test_a_rank_reads_what_is_there_and_makes_its_own_part(tmp_path: Path) -> None:
    rank = Reader(tmp_path, rank=1, world_size=2)
    clips = rank.kept.clips([1, 3])
    assert rank.made == [1, 3] and [clip.key for clip in clips] == ["counted/1", "counted/3"]
    Reader(tmp_path).read(0, 20)
    assert rank.kept.clips([1, 3]) and rank.made == [1, 3]


def test_what_killed_writers_left_is_swept_away(reader: Reader) -> None:
    left = reader.shards.folder / ".000000.records.partial-00000000-1-00000000.records"
    reader.read(0, 20)
    left.touch()
    from framefall import publish

    ours = left.with_name(left.name.replace("00000000-1-", f"{publish._MACHINE}-999999999-"))
    ours.touch()
    Reader(reader.shards.store.root)
    assert left.exists() and not ours.exists()  # another machine's may still be written
