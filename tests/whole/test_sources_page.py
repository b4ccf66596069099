"""What docs/sources.md says can be done: its commands run, on data that the libraries themselves have written."""

import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.parquet as pq
import pytest
from s3server import serving
from shards import opened, plain, sharded
from test_lerobot import v30
from test_parquet import table

from framefall.recipes.registry import RECIPES
from framefall.runs.training.train import train

PAGE = Path(__file__).parents[2] / "docs" / "sources.md"


def commands() -> list[list[str]]:
    """The words after `framefall` in every line of shell on the page, in order."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [shlex.split(line)[1:] for line in "".join(blocks).splitlines()]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that holds what the page speaks of, and a bucket."""
    here = tmp_path_factory.mktemp("page")
    clips = plain(here / "clips")
    sharded(clips, here / "shards")
    (here / "tables").mkdir()
    pq.write_table(table(clips), here / "tables" / "train-00000-of-00001.parquet")
    v30(here / "robot")
    shutil.make_archive(str(here / "clips"), "zip", clips)
    with serving():
        bucket = fsspec.filesystem("s3")
        bucket.mkdir("videos")
        bucket.put(str(here / "shards"), "videos/shards", recursive=True)
        yield here


def weights(model: Path) -> dict[str, bytes]:
    """The files of a model's weights, of its stages and of nothing else."""
    found = {path.name: path.read_bytes() for path in sorted(model.rglob("*.safetensors"))}
    assert found
    return found


def test_every_command_of_the_page_does_what_it_says(
    place: Path, framefall: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is trained from shards, from tables and from a bucket is what is trained from the folder, to the bit."""
    monkeypatch.chdir(place)
    for line in commands():
        said = framefall(*line)
        assert said.code == 0, (line, said.err)
    plainly = framefall("train", "clips", "-o", "from_clips", "--recipe", "micro", "--stage", "base", "--steps", "1")
    assert plainly.code == 0, plainly.err
    wanted = weights(place / "from_clips")
    for name in ("from_shards", "from_ready", "from_tables", "from_s3"):
        assert weights(place / name) == wanted
    more = framefall("train", "clips", "-o", "more", "--recipe", "micro", "--stage", "base", "--steps", "2")
    assert more.code == 0 and weights(place / "more") != wanted  # the control: another step, other weights


@pytest.mark.slow  # `data/remote/test_tars.py` begins a stream within a shard
def test_a_training_that_was_stopped_within_a_shard_ends_as_an_unbroken_one(place: Path, tmp_path: Path) -> None:
    recipe = RECIPES["micro"]()
    recipe = replace(recipe, save_every=1, data=replace(recipe.data, cache=str(tmp_path / "cache")))
    train(place / "shards", tmp_path / "whole", recipe, stages=["base"], steps=4)
    events = train.events(place / "shards", tmp_path / "broken", recipe, stages=["base"], steps=4)
    for event in events:
        if getattr(event, "step", 0) >= 2:
            break
    events.close()
    assert not (tmp_path / "broken").exists()
    shutil.rmtree(tmp_path / "cache")  # not even what was decoded is there
    train(place / "shards", tmp_path / "broken", recipe, stages=["base"], steps=4, resume=True)
    assert weights(tmp_path / "broken") == weights(tmp_path / "whole")
    assert opened(place / "shards", tmp_path / "cache").names
