from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest
import torch
from encodes import clock, encode
from numbered import Letters

from framefall.data.cached.shards import Shards
from framefall.data.cached.store import Store
from framefall.data.cached.told import Captions, captions
from framefall.data.folder import Folder, FolderConfig, open_folder
from framefall.data.loader import batches
from framefall.data.window import Window

WINDOW = Window(frames=4, height=8, width=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    root = tmp_path_factory.mktemp("told")
    (root / "source").mkdir()
    for index in range(4):
        encode(root / "source" / f"{index}.mp4", clock(8))
    rows = "file,caption\n0.mp4,a red ball\n1.mp4,a red ball\n2.mp4,a blue box\n"
    (root / "source" / "captions.csv").write_text(rows)
    return open_folder(root / "source", FolderConfig(cache=str(root / "cache")))


def read(folder: Folder, asked: list[str], steps: int = 6) -> Iterator:
    made = batches(folder, WINDOW, batch=4, seed=0, encoder=Letters(asked=(asked,)))
    return islice(made, steps)


def test_the_captions_of_a_folder_are_each_there_once(folder: Folder) -> None:
    found = captions(folder)
    assert found == Captions(("a blue box", "a red ball")) and found.examples == 2
    assert found.example(1).caption == "a red ball" and found.fingerprint != Captions(("a red ball",)).fingerprint


def test_a_caption_is_encoded_once_for_all_runs_and_given_with_every_clip(folder: Folder) -> None:
    asked: list[str] = []
    for clips in [*read(folder, asked), *read(folder, asked)]:
        for clip in clips:
            if clip.caption is None:
                assert clip.states is None
            else:
                assert torch.equal(clip.states, Letters()([clip.caption])[0])
    assert asked == ["a blue box", "a red ball"]
    shards = Shards(captions(folder), folder.store, Letters())
    assert shards.path(0).exists() and shards.count == 1


def test_without_a_place_for_them_clips_come_without_states(folder: Folder, tmp_path: Path) -> None:
    from dataclasses import replace

    (tmp_path / "file").touch()
    said: list[str] = []
    poor = replace(folder, store=Store(tmp_path / "file"))
    made: Callable = lambda: batches(poor, WINDOW, batch=4, seed=0, encoder=Letters(), say=said.append)  # noqa: E731
    first, second = islice(made(), 2)
    assert all(clip.states is None for clip in second) and len(first) == 4 and len(said) == 1


def test_nobody_who_reads_no_captions_pays_for_them(folder: Folder) -> None:
    assert all(clip.states is None for clip in next(batches(folder, WINDOW, batch=4, seed=0)))
