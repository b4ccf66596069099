import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from framefall.train.journal import Journal
from framefall.train.recipe import Recipe


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard itself reads."""
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_numbers_go_to_json_lines_and_to_tensorboard(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.write(1, loss=0.5, note="é")
        journal.write(2, loss=float("nan"), clips=["a", "b"])
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    times = [row.pop("time") for row in rows]
    assert rows == [{"step": 1, "loss": 0.5, "note": "é"}, {"step": 2, "loss": None, "clips": ["a", "b"]}]
    assert times == sorted(times)
    found = scalars(tmp_path)
    assert list(found) == ["loss"] and found["loss"][0] == (1, 0.5) and found["loss"][1][0] == 2


def test_a_resumed_run_goes_on_below_and_log_and_tensorboard_have_each_step_once(tmp_path: Path) -> None:
    for start, values in ((0, (1.0, 2.0, 3.0)), (2, (30.0, 40.0))):  # stopped at 3, gone on from 2
        with Journal(tmp_path, start) as journal:
            for index, value in enumerate(values):
                journal.write(start + index + 1, loss=value)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(row["step"], row["loss"]) for row in rows] == [(1, 1.0), (2, 2.0), (3, 30.0), (4, 40.0)]
    assert scalars(tmp_path)["loss"][-2:] == [(3, 30.0), (4, 40.0)]


def test_a_row_is_on_disk_before_the_next_step(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(1, loss=1.0)
    assert json.loads((tmp_path / "log.jsonl").read_text())["loss"] == 1.0  # it is not closed yet
    journal.__exit__(None, None, None)


def test_no_thread_stands_between_a_number_and_the_disk(tmp_path: Path) -> None:
    """An interrupt while a number is handed to a writer's thread left that thread, and the run, waiting for ever."""
    before = threading.active_count()
    with Journal(tmp_path) as journal:
        journal.write(1, loss=0.5, cooling=True, losses=[0.25, 0.75])
        assert threading.active_count() == before and scalars(tmp_path) == {"loss": [(1, 0.5)]}
    with SummaryWriter(str(tmp_path / "control")):
        assert threading.active_count() == before + 1


def test_a_run_writes_what_its_reader_sees(recipe: Recipe, go: Callable, tmp_path: Path) -> None:
    ran = go(recipe, "spatial_sr", tmp_path, steps=3)
    assert [(row["step"], row["loss"]) for row in ran.log] == list(ran.losses.items())
    assert all(row["gradient"] > 0 and row["clips_a_second"] > 0 and row["learning_rate"] > 0 for row in ran.log)
    found = scalars(tmp_path)
    assert set(found) == {"loss", "gradient", "clips_a_second", "learning_rate"}
    assert [value for _, value in found["loss"]] == pytest.approx(list(ran.losses.values()))
