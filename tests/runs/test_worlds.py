"""Worlds as folders on disk."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from framefall.config import to_json
from framefall.data.folder import open_folder
from framefall.data.media.decode import decode
from framefall.progress import Done, Started, Stepped
from framefall.recipes.registry import RECIPES
from framefall.runs.worlds import WorldFormat, Written, read_scene, write_scene, write_world
from framefall.worlds.world import open_world

SMALL = WorldFormat(size=16, frames=3, suffix=".npy")


def test_a_written_world_is_a_folder_that_training_reads(framefall: Callable, tmp_path: Path) -> None:
    out = tmp_path / "clips"
    line = "--count 2 --size 64 --split id --violation twins --format .mkv --masks --json"
    said = framefall("worlds", "occluder,projectile", "-o", out, *line.split())
    assert said.code == 0, said.err
    written = json.loads(said.out)["clips"]
    assert len(written) == 4
    assert sum(bool(one["violation"]) for one in written) == 2
    for one in written:
        path = Path(one["path"])
        truth = json.loads(path.with_suffix(".json").read_text())
        frames = np.stack([frame.pixels for frame in decode(path)])
        assert frames.shape == (61, 64, 64, 3)
        assert truth["caption"] == one["caption"]
        assert truth["log"]["violation"] == one["violation"]
        with np.load(path.with_suffix(".npz")) as masks:
            assert masks["visible"].shape[1:] == (61, 64, 64)
            assert masks["flow"].shape == (2, 60, 64, 64)
    folder = open_folder(out, RECIPES["micro"]().data)
    assert len({shot.source for shot in folder.shots}) == 4
    assert {shot.caption for shot in folder.shots} == {one["caption"] for one in written}
    assert all(shot.numbers is not None and len(shot.numbers) == 2 for shot in folder.shots)


def test_a_scene_file_of_ones_own_is_simulated_and_written(framefall: Callable, tmp_path: Path) -> None:
    scene = open_world("fall").scene(0)
    (tmp_path / "mine.json").write_text(to_json(scene))
    said = framefall("worlds", tmp_path / "mine.json", "-o", tmp_path / "out", "--frames", 5, "--size", 32)
    assert said.code == 0, said.err
    (video,) = (tmp_path / "out").glob("*.mp4")
    assert len(list(decode(video))) == 5


def test_clips_are_numbered_from_where_one_begins_and_each_says_that_it_is_there(tmp_path: Path) -> None:
    world = open_world("uniform", split="id")
    events = list(write_world.events(world, tmp_path / "all", SMALL, count=3))
    assert events[0] == Started("write_world") and isinstance(events[-1], Done)
    steps = [event for event in events if isinstance(event, Stepped)]
    assert [(step.done, step.total) for step in steps] == [(1, 3), (2, 3), (3, 3)]
    paths = [Path(one.path).name for one in events[-1].result]
    assert paths == [f"uniform-id-{index:06d}.npy" for index in range(3)]
    (last,) = write_world(world, tmp_path / "last", SMALL, count=1, start=2)
    assert isinstance(last, Written) and last.violation == ""
    assert np.array_equal(np.load(last.path), np.load(tmp_path / "all" / Path(last.path).name))
    assert not np.array_equal(np.load(last.path), np.load(tmp_path / "all" / paths[0]))  # the control


def test_whoever_leaves_between_two_clips_leaves_whole_ones(tmp_path: Path) -> None:
    run = write_world.events(open_world("uniform"), tmp_path, SMALL, count=50)
    for event in run:
        if isinstance(event, Stepped) and event.done == 2:
            run.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"uniform-train-{index:06d}{suffix}" for index in (0, 1) for suffix in (".json", ".npy")]


def test_a_scene_comes_back_from_its_file(tmp_path: Path) -> None:
    scene = open_world("fall").scene(0)
    (tmp_path / "mine.json").write_text(to_json(scene))
    assert read_scene(tmp_path / "mine.json") == scene
    (written,) = write_scene(read_scene(tmp_path / "mine.json"), tmp_path / "out", SMALL)
    assert Path(written.path).name == f"{scene.key.replace('/', '-')}.npy" and len(np.load(written.path)) == 3


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"frames": 0}, "frames must be at least 1, got 0"),
        ({"size": 7}, "size must be from 8 to 4096 pixels, got 7"),
        ({"fps": float("nan")}, "fps must be above 0 and at most 1000, got nan"),
        ({"suffix": ".mpeg"}, "the kind of file must be one of .mp4, .*; got '.mpeg'"),
    ],
)
def test_clips_that_cannot_be_written_are_refused(change: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        WorldFormat(**change)


def test_what_is_no_scene_and_no_violation_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{}")
    for path, sentence in ((tmp_path / "none.json", "cannot be read"), (tmp_path / "bad.json", "does not fit Scene")):
        with pytest.raises(ValueError, match=sentence):
            read_scene(path)
    with pytest.raises(ValueError, match=r"a violation must be twins or one of .*; got 'magic'"):
        write_world(open_world("fall"), tmp_path / "out", SMALL, count=1, violation="magic")
    assert not (tmp_path / "out").exists()
