"""The narrator: much happens, little is said, and the last of it always."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from serving import place_of

from framefall.progress import Note, Stepped
from framefall.studio.jobs.work import Progressed, Work
from framefall.studio.narrator import Narrator, draw
from framefall.studio.queue import Queue
from framefall.train.loop import TrainingStep


@pytest.fixture
def work(tmp_path: Path) -> Work:
    place = place_of(tmp_path / "home")
    queue = Queue(place.home.database)
    queue.submit("train", {})
    job = queue.claim("here")
    assert job is not None
    return Work(place=place, queue=queue, job=job, device="cpu")


def told(work: Work, name: str) -> list[dict]:
    return [event.data for event in work.queue.events(work.job.id) if event.name == name]


def test_ten_thousand_steps_are_a_curve_of_five_hundred_points(work: Work) -> None:
    narrator = Narrator(work)
    for step in range(1, 10_001):
        narrator.tell(TrainingStep(step / 10_000, 1.0, "base", "base", step, 1 / step, 5.0))
    losses = told(work, "loss")
    assert 400 <= len(losses) <= 502 and losses[-1]["step"] == 10_000
    (progress,) = told(work, "progress")
    assert progress["done"] == 1.0 and progress["step"] == 10_000 and progress["eta"] == 0


def test_a_loss_that_is_no_number_is_null(work: Work) -> None:
    Narrator(work).tell(TrainingStep(0.5, 1.0, "base", "base", 1, float("nan"), 5.0))
    assert told(work, "loss")[0]["loss"] is None


def test_notes_are_all_told_without_paths(work: Work) -> None:
    narrator = Narrator(work)
    narrator.tell(Note(f"{work.place.home.path}/uploads/a.mp4 is odd"))
    narrator.tell(Stepped(1, 2, "reading files"))
    narrator.tell(Progressed("base", "frames 0 to 7 of 8", 1, 4, 0.25))
    assert told(work, "note") == [{"text": "uploads/a.mp4 is odd"}]


def test_a_preview_moves(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((8, 12, 3), 60 * number, np.uint8)) for number in range(4)]
    draw(frames, tmp_path / "a.webp", 6.0)
    with Image.open(tmp_path / "a.webp") as found:
        assert (found.n_frames, found.size) == (4, (12, 8))
