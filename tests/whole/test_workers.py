"""The workers of pytest-xdist: each on one thread, and what costs much is made by one of them for all."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import pytest
import torch

from examples import examples
from process_state import shared_state


def test_a_worker_computes_on_one_thread() -> None:
    assert torch.get_num_threads() == 1 and cv2.getNumThreads() == 1
    assert os.environ["OMP_NUM_THREADS"] == "1"  # nor does a process that a test starts


def test_a_shared_folder_is_filled_once_however_many_ask(once: Callable) -> None:
    filled: list[Path] = []

    def fill(folder: Path) -> None:
        time.sleep(0.1)  # long enough for the others to ask
        filled.append(folder)
        (folder / "result").write_text("made")

    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: once("asked-by-many", fill), range(4)))
    assert len(filled) == 1 and set(folders) == set(filled)
    assert (folders[0] / "result").read_text() == "made"


def test_a_folder_whose_making_failed_is_made_again(once: Callable) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        once("made-again", fail)
    folder = once("made-again", lambda folder: (folder / "whole").touch())
    assert [file.name for file in folder.iterdir()] == ["whole"]


@pytest.mark.parametrize("what", ["FRAMEFALL_CACHE", "folder", "threads"])
def test_a_test_that_leaves_its_process_changed_would_be_noticed(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shared_state()
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "another")
    assert shared_state() == before
    try:
        if what == "FRAMEFALL_CACHE":
            monkeypatch.setenv(what, str(tmp_path))
        elif what == "folder":
            monkeypatch.chdir(tmp_path)
        else:
            torch.set_num_threads(2)
        assert {name for name, value in shared_state().items() if value != before[name]} == {what}
    finally:
        torch.set_num_threads(1)


def test_the_full_count_of_examples_is_asked_for_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FRAMEFALL_FULL", raising=False)
    assert examples(20, 1000) == 20
    monkeypatch.setenv("FRAMEFALL_FULL", "1")
    assert examples(20, 1000) == 1000
