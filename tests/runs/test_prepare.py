import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from framefall.data.clip import Clip
from framefall.data.folder import Folder, FolderConfig
from framefall.data.loader import Source, batches
from framefall.progress import Done, Note, Stepped
from framefall.recipes.registry import RECIPES
from framefall.runs.prepare import prepare
from framefall.runs.sources import WorldSource, open_source
from framefall.train import objective
from framefall.train.recipe import Recipe

STAGES = ["base", "temporal_sr", "spatial_sr"]
WORLD = "uniform,fall:6"


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    """The toy recipe; each scene is looked at twice."""
    plain = RECIPES["micro"]()
    return replace(plain, data=replace(plain.data, looks=2))


@pytest.fixture(scope="module")
def shards(recipe: Recipe, once: Callable) -> Path:
    """A small world prepared for all stages."""
    return once("prepared-world", lambda folder: prepare(WORLD, folder / "shards", recipe)) / "shards"


def read(source: Folder | Source, recipe: Recipe, name: str, steps: int = 5) -> list[Clip]:
    part = recipe.stages[name]
    made = batches(
        source.split("train"), objective.window(part), batch=4, seed=recipe.seed, encoder=objective.encoder(part)
    )
    return [clip for clips in islice(made, steps) for clip in clips]


def alike(one: Clip, other: Clip) -> bool:
    states = [torch.zeros(0) if clip.states is None else clip.states for clip in (one, other)]
    told = (one.key, one.caption, one.fps) == (other.key, other.caption, other.fps)
    return told and np.array_equal(one.pixels, other.pixels) and torch.equal(*states)


@pytest.mark.parametrize("name", STAGES)
def test_a_prepared_world_gives_the_clips_and_captions_of_the_world(
    name: str, recipe: Recipe, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = open_source(WORLD, replace(recipe.data, cache=str(tmp_path)))
    truth = read(plain, recipe, name)
    opened = open_source(shards, recipe.data)
    assert isinstance(opened, WorldSource) and opened.fingerprint == plain.fingerprint and opened.names == plain.names
    monkeypatch.setattr("framefall.runs.sources.render", lambda *_: pytest.fail("a clip was drawn"))
    assert all(map(alike, read(opened, recipe, name), truth))


def test_what_was_prepared_is_told(recipe: Recipe, tmp_path: Path) -> None:
    events = list(prepare.events(WORLD, tmp_path / "shards", recipe, stages=["base"]))
    last = events[-1]
    assert isinstance(last, Done) and last.result.clips == {"base": 24}  # two looks at six scenes, moving and still
    assert last.result.nbytes == sum(path.stat().st_size for path in (tmp_path / "shards").rglob("*") if path.is_file())
    assert last.result.used == ("worlds:uniform/train/6", "worlds:fall/train/6") and last.result.skipped == {}
    assert [event.text for event in events if isinstance(event, Note)] == [
        f"{WORLD} is taken as a simulated world: no folder of that name is here",
        "clips with the states of their captions take about base 0.00 GB",
    ]
    assert [(step.done, step.total) for step in events if isinstance(step, Stepped)] == [(1, 2), (2, 2)]


def test_a_prepared_folder_gives_the_clips_and_captions_of_the_folder_which_is_gone(
    clips: Path, recipe: Recipe, tmp_path: Path
) -> None:
    source = shutil.copytree(clips, tmp_path / "source")
    (source / "bad.mp4").write_bytes(b"")
    truth = {name: read(open_source(source, recipe.data), recipe, name, 3) for name in STAGES}
    done = prepare(source, tmp_path / "shards", recipe)
    assert done.used == ("0001.mp4", "0002.mp4") and done.skipped == {"bad.mp4": "it is empty (0 bytes)"}
    assert done.captions == {"base": 1, "temporal_sr": 0, "spatial_sr": 0} and done.clips == {}
    shutil.rmtree(source)
    opened = open_source(tmp_path / "shards", recipe.data)
    assert isinstance(opened, Folder)
    for name in STAGES:
        assert all(map(alike, read(opened, recipe, name, 3), truth[name]))


def test_one_that_was_stopped_is_refused_and_goes_on(recipe: Recipe, tmp_path: Path, shards: Path) -> None:
    run = prepare.events(WORLD, tmp_path / "shards", recipe)
    while not isinstance(next(run), Stepped):
        pass
    run.close()
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.records")}
    assert len(made) == 1
    with pytest.raises(ValueError, match="must be wholly prepared, and was stopped before; go on with: framefall prep"):
        open_source(tmp_path / "shards", recipe.data)
    prepare(WORLD, tmp_path / "shards", recipe)
    assert all(path.stat().st_mtime_ns == changed for path, changed in made.items())
    ours, theirs = ({path.name: path.read_bytes() for path in root.rglob("*.records")} for root in (tmp_path, shards))
    assert ours == theirs
    assert open_source(tmp_path / "shards", recipe.data).fingerprint


@pytest.mark.usefixtures("forked")
def test_workers_make_the_same_files(recipe: Recipe, tmp_path: Path, shards: Path) -> None:
    prepare(WORLD, tmp_path / "shards", replace(recipe, workers=2))
    ours = {path.relative_to(tmp_path / "shards"): path.read_bytes() for path in tmp_path.rglob("*.records")}
    assert ours == {path.relative_to(shards): path.read_bytes() for path in shards.rglob("*.records")}


def test_only_the_same_source_for_the_same_recipe_goes_on_in_a_folder(
    recipe: Recipe, shards: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="be the same source prepared for the same data settings, but its source is"):
        prepare("fall:6", shards, recipe)
    with pytest.raises(ValueError, match="but its data is"):
        prepare(WORLD, shards, replace(recipe, data=replace(recipe.data, size=32)))
    with pytest.raises(ValueError, match=r"data\.looks is 2 there and 4 in the recipe"):
        open_source(shards, FolderConfig(size=64, fps=12.0))
    with pytest.raises(ValueError, match="must not be prepared already"):
        prepare(shards, tmp_path / "again", recipe)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(ValueError, match="is not empty and was not made by framefall prepare"):
        prepare(WORLD, tmp_path / "mine", recipe)
    with pytest.raises(ValueError, match="a stage must be one of base"):
        prepare(WORLD, tmp_path / "new", recipe, stages=["sr"])


def test_more_than_the_disk_holds_is_refused_before_anything_is_made(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"clips of about \d+.* must fit on the disk.*take a smaller world"):
        prepare("all:10000k", tmp_path / "shards", replace(recipe, data=replace(recipe.data, looks=100)))
    assert not list(tmp_path.rglob("*.records"))


def test_of_two_at_once_on_one_folder_the_second_is_told_who_is_at_work(recipe: Recipe, tmp_path: Path) -> None:
    first = prepare.events(WORLD, tmp_path / "shards", recipe, stages=["base"])
    while not isinstance(next(first), Stepped):
        pass
    for other in (WORLD, "occluder:6"):
        with pytest.raises(ValueError, match=rf"shards is being prepared by process {os.getpid()}; wait for its end"):
            prepare(other, tmp_path / "shards", recipe, stages=["base"])
    *_, last = first
    assert isinstance(last, Done)
    once = prepare(WORLD, tmp_path / "other", recipe, stages=["base"])
    assert once.clips == last.result.clips
    found = [
        sorted((p.name, p.read_bytes()) for p in (tmp_path / name).rglob("*.records")) for name in ("shards", "other")
    ]
    assert found[0] == found[1] and not (tmp_path / "shards" / "preparing").exists()
    prepare(WORLD, tmp_path / "shards", recipe, stages=["base"])  # the control: nobody is at work any more


def test_a_folder_of_somebody_else_is_left_as_it_was(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("keep these")
    with pytest.raises(ValueError, match="is not empty and was not made by framefall prepare"):
        prepare(WORLD, tmp_path, recipe)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
