"""Folders and worlds as something to train on."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from framefall.data.cached.store import Store
from framefall.data.cached.store import root as cache_root
from framefall.data.folder import Folder
from framefall.data.loader import Source, batches, validation
from framefall.data.window import Window
from framefall.models.text import CaptionEncoder, encode
from framefall.progress import Done, Note, Stepped
from framefall.recipes.registry import RECIPES
from framefall.runs.sources import WorldSource, _log, _shuffled, names_a_world, open_source
from framefall.worlds.captions.parser import parse
from framefall.worlds.world import open_world

WHOLE = Window(frames=16, fps=6.0, height=32, width=32)
CROP = Window(frames=4, fps=24.0, height=48, width=40, view="crop")


@pytest.fixture(scope="module")
def source() -> WorldSource:
    return WorldSource(open_world("projectile,occluder,fall", size=30), size=96)


def test_a_world_is_a_source(source: WorldSource) -> None:
    assert isinstance(source, Source)


@pytest.mark.parametrize("window", [WHOLE, CROP], ids=["whole", "crop"])
def test_clips_have_the_windows_size_and_say_what_they_show(source: WorldSource, window: Window) -> None:
    for clip in next(batches(source, window, batch=6, seed=0)):
        assert clip.pixels.shape == (3, window.frames, window.height, window.width)
        assert clip.pixels.dtype == np.uint8
        assert clip.fps == window.fps
        attributes = clip.truth["log"].scene.attributes
        assert parse(clip.caption).things == attributes.things
        assert clip.numbers.tolist() == pytest.approx([clip.truth["log"].scene.gravity, clip.numbers[1]])


def test_batches_do_not_depend_on_where_they_begin_or_on_the_rank(source: WorldSource) -> None:
    whole = list(islice(batches(source, WHOLE, batch=4, seed=3), 4))
    later = next(batches(source, WHOLE, batch=4, seed=3, start=3))
    ranks = [next(batches(source, WHOLE, batch=4, seed=3, start=3, rank=r, world_size=2)) for r in range(2)]
    threads = list(islice(batches(source, WHOLE, batch=4, seed=3, workers=2), 4))
    for ours, theirs, threaded in zip(whole[3], later, threads[3], strict=True):
        assert ours.key == theirs.key == threaded.key
        assert np.array_equal(ours.pixels, theirs.pixels)
        assert np.array_equal(ours.pixels, threaded.pixels)
        assert ours.caption == threaded.caption
    assert [clip.key for clip in whole[3]] == [ranks[place % 2][place // 2].key for place in range(4)]


def test_scenes_come_in_turn_while_looks_are_new_and_then_shuffled(source: WorldSource) -> None:
    stream, _ = replace(source, looks=2).streams(WHOLE, 3)
    assert stream.examples == 60
    epochs = [[stream.number(30 * epoch + place) for place in range(30)] for epoch in range(5)]
    assert epochs[:2] == [[*range(30)], [*range(30, 60)]]
    for epoch, numbers in enumerate(epochs):
        assert sorted(numbers) == [30 * (epoch % 2) + index for index in range(30)]
        assert stream.in_order(30 * epoch) == (epoch < 2)
    assert epochs[2] != epochs[0] and epochs[4] not in (epochs[0], epochs[2])


def test_another_look_at_a_scene_is_another_clip_of_it(source: WorldSource) -> None:
    stream, _ = source.streams(replace(WHOLE, frames=8), 0)
    looks = [stream.example(look * 30 + 5) for look in range(source.looks)]
    assert len({clip.key for clip in looks}) == 4 and len({clip.key.partition("#")[0] for clip in looks}) == 1
    assert len({clip.pixels.tobytes() for clip in looks}) > 1 and len({clip.caption for clip in looks}) > 1


def test_kept_clips_are_those_that_are_drawn_as_they_are_needed(source: WorldSource, tmp_path: Path) -> None:
    window, encoder = replace(WHOLE, frames=4, image_share=0.25), CaptionEncoder(48)
    few = replace(source, world=replace(source.world, size=6), looks=2)
    kept = replace(few, store=Store(tmp_path))
    plain = list(islice(batches(few, window, batch=4, seed=3), 16))
    for _ in range(2):  # made, and then read
        for ours, theirs in zip(plain, batches(kept, window, batch=4, seed=3, encoder=encoder), strict=False):
            for one, other in zip(ours, theirs, strict=True):
                assert (one.key, one.caption, one.fps) == (other.key, other.caption, other.fps)
                assert np.array_equal(one.pixels, other.pixels) and np.array_equal(one.numbers, other.numbers)
                live, _ = encode([one.caption], words=48, dtype=torch.bfloat16)
                assert torch.equal(live[0, : len(other.states)], other.states.float())
    assert len(list(tmp_path.rglob("*.records"))) == 2
    later = next(batches(kept, window, batch=4, seed=3, start=9, encoder=encoder))
    assert [clip.key for clip in later] == [clip.key for clip in plain[9]]


def test_memory_does_not_grow_with_the_clips_that_were_seen(source: WorldSource) -> None:
    assert _log.cache_info().maxsize <= 64


def test_an_epoch_has_every_example_once_and_the_next_one_another_order() -> None:
    for size in (1, 30, 30_000):
        orders = [[_shuffled(5, epoch, place, size) for place in range(min(size, 2000))] for epoch in range(2)]
        assert all(len(set(order)) == len(order) for order in orders)
        if size == 30:
            assert sorted(orders[0]) == list(range(30))
        if size > 1:
            assert orders[0] != orders[1]


def test_the_validation_side_is_another_split_and_never_changes(source: WorldSource) -> None:
    side = source.split("validation")
    assert side.world.split == "id"
    first, more = validation(side, WHOLE, 2, seed=0), validation(side, WHOLE, 4, seed=0)
    assert [clip.key for clip in first] == [clip.key for clip in more[:2]]
    assert not {clip.key for clip in more} & {clip.key for clip in next(batches(source, WHOLE, batch=30, seed=0))}


def test_the_fingerprint_tells_worlds_apart(source: WorldSource) -> None:
    others = [replace(source, size=128), replace(source, fps=12.0), source.split("validation")]
    others += [replace(source, world=replace(source.world, seed=1)), replace(source, looks=1)]
    assert len({one.fingerprint for one in (source, *others)}) == 6
    assert replace(source).fingerprint == source.fingerprint


def test_most_crops_have_a_body_in_them(source: WorldSource) -> None:
    clips = next(batches(source, CROP, batch=24, seed=0))
    spread = [np.ptp(clip.pixels.reshape(3, -1), axis=1).max() for clip in clips]
    assert np.mean(np.array(spread) > 60) > 0.6


def test_a_window_longer_than_a_scene_is_refused(source: WorldSource) -> None:
    with pytest.raises(ValueError, match=r"17 frames at 6 a second needs 2.66667 s and a scene lasts 2.5 s"):
        next(batches(source, replace(WHOLE, frames=17), batch=1, seed=0))
    with pytest.raises(ValueError, match=r"crops of 128x128 must fit into a picture of 96x96"):
        next(batches(source, replace(CROP, height=128, width=128), batch=1, seed=0))


def test_a_cascade_trains_on_a_world_by_its_name(framefall: Callable, tmp_path: Path) -> None:
    options = ["--recipe", "micro", "--stage", "base", "--steps", "2"]
    said = framefall("train", "uniform", "-o", tmp_path / "m", *options)
    assert said.code == 0, said.err
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    assert config["trained_on"] == ["worlds:uniform/train/30000"]
    said = framefall("train", "uniform", "-o", tmp_path / "m", *options[:-1], "3", "--resume", "--json")
    assert json.loads(said.out)["stages"]["base"]["steps"] == 3
    said = framefall("train", "fall", "-o", tmp_path / "m", *options[:-1], "4", "--resume")
    assert said.code == 1  # another world is other data
    assert "data was" in said.err


def test_a_source_is_a_folder_that_is_there_or_else_a_world(clips: Path, tmp_path: Path) -> None:
    config = RECIPES["micro"]().data
    events = list(open_source.events(clips, config))
    assert isinstance(events[-1], Done) and isinstance(events[-1].result, Folder)
    steps = [(event.done, event.total) for event in events if isinstance(event, Stepped)]
    assert steps == [(1, 2), (2, 2)] and any(isinstance(event, Note) for event in events)
    world = open_source("fall,occluder:12", config)
    assert isinstance(world, WorldSource) and (world.size, world.fps, world.world.size) == (64, 12.0, 12)
    assert world.looks == config.looks == 4 and world.store == Store(cache_root(), 20_000_000_000)
    with pytest.raises(ValueError, match="the source must be a folder of videos or images"):
        open_source(tmp_path / "nowhere", config)


def test_names_of_worlds_are_told_from_paths() -> None:
    assert all(map(names_a_world, ("fall", "all", "fall,occluder", "all:6k", "all@2", "all:6k@2", "fall,snow")))
    assert not any(map(names_a_world, ("my_clips", "./fall/", "falls", "")))
