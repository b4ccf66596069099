from dataclasses import replace
from pathlib import Path

import pytest
import torch
from numbered import Counted, Letters, same

from framefall.data.cached.records import Damaged
from framefall.data.cached.shards import Numbered, Shards, Stopped, described
from framefall.data.cached.store import Store


@pytest.fixture
def shards(tmp_path: Path) -> Shards:
    return Shards(Counted(20), Store(tmp_path), Letters(), largest=8)


def test_a_stream_is_cut_into_shards_by_number(shards: Shards) -> None:
    assert isinstance(shards.stream, Numbered)
    assert (shards.each, shards.count) == (8, 3)
    assert [list(shards.numbers(shard)) for shard in range(3)] == [[*range(8)], [*range(8, 16)], [*range(16, 20)]]
    large = Shards(Counted(1000, side=1024), shards.store)
    assert large.each == 8 and Shards(Counted(3), shards.store).each == 3


def test_a_clip_is_read_as_it_was_made_with_the_states_of_its_caption(shards: Shards) -> None:
    with pytest.raises(FileNotFoundError):
        shards.read(0)
    assert all(shards.make(shard) for shard in range(3))
    for number in range(20):
        (fresh,) = shards.fresh([number])
        assert same(shards.read(number), fresh)
        assert fresh.states is not None and fresh.states[-1, 0] == ord(str(number % 3))
    assert sorted(path.name for path in shards.folder.iterdir()) == [f"00000{n}.records" for n in range(3)]


def test_a_clip_without_caption_or_numbers_is_kept_too(tmp_path: Path) -> None:
    class Silent(Counted):
        def example(self, number: int):
            return replace(super().example(number), caption=None, numbers=None)

    silent = Shards(Silent(2), Store(tmp_path), Letters())
    assert silent.make(0) and same(silent.read(1), silent.fresh([1])[0])
    assert silent.read(1).caption is None and silent.read(1).numbers is None and silent.read(1).states is None


def test_each_distinct_caption_is_encoded_once() -> None:
    asked: list[str] = []
    clips = described([Counted().example(number) for number in range(9)], Letters(asked=(asked,)))
    assert asked == ["number 0", "number 1", "number 2"]
    assert clips[0].states is clips[3].states and torch.equal(clips[1].states, clips[4].states)


def test_other_data_another_encoder_or_another_size_are_other_shards(shards: Shards) -> None:
    others = [
        replace(shards, stream=Counted(21)),
        replace(shards, encoder=Letters("other")),
        replace(shards, encoder=None),
        replace(shards, largest=4),
    ]
    assert len({one.key for one in (shards, *others)}) == 5 and replace(shards).key == shards.key


def test_what_does_not_check_is_made_again_and_the_rest_is_kept(shards: Shards) -> None:
    assert shards.make(0)
    whole = shards.path(0).read_bytes()
    for at in (len(whole) // 2, len(whole) - 1, 50):
        damaged = bytearray(whole)
        damaged[at] ^= 4
        shards.path(0).write_bytes(damaged)
        lost = []
        for number in range(8):
            try:
                shards.read(number)
            except Damaged:
                lost.append(number)
        made: list[int] = []
        assert lost and replace(shards, stream=Counted(20, (made,))).make(0)
        assert made == lost and shards.path(0).read_bytes() == whole


def test_nothing_is_made_that_is_there(shards: Shards) -> None:
    made: list[int] = []
    counted = replace(shards, stream=Counted(20, (made,)))
    assert counted.make(1) and counted.make(1) and made == [*range(8, 16)]


def test_without_room_nothing_is_made_or_written(tmp_path: Path) -> None:
    made: list[int] = []
    poor = Shards(Counted(20, (made,)), Store(tmp_path, 100), largest=8)
    assert not poor.make(0) and made == [] and not poor.folder.exists()
    assert not poor.keep(0, {number: poor.stream.example(number) for number in range(8)})


def test_making_stops_between_two_clips_and_leaves_nothing(shards: Shards) -> None:
    answers = iter([True, True, False])
    with pytest.raises(Stopped):
        shards.make(0, lambda: next(answers))
    assert not shards.folder.exists()
