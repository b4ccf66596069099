"""What big work takes is known before it begins, and the pieces that it is made in change nothing."""

import time
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from framefall import memory
from framefall.cascade.cascade import Cascade, finished
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.progress import Note, finish
from framefall.runs.generation import workload
from framefall.runs.generation.workload import Work, bounded, measured


@pytest.fixture(scope="module")
def cascade(trained: Path) -> Cascade:
    return load_cascade(trained)


def said(cascade: Cascade, limit: int | None, frames: int = 100, size: tuple[int, int] = (240, 320)) -> tuple:
    run, notes = bounded(cascade, ["spatial_sr"], size, frames, "fast", limit), []
    while True:
        try:
            event = next(run)
        except StopIteration as end:
            return end.value, notes
        assert isinstance(event, Note)
        notes.append(event.text)


def test_small_work_is_as_it_was_and_says_nothing(cascade: Cascade) -> None:
    assert said(cascade, None, 10, (16, 16)) == (cascade, [])


def test_big_work_says_frames_size_time_and_memory(cascade: Cascade) -> None:
    same, notes = said(cascade, None, 1000)
    assert notes[-1].startswith("1000 frames of 640x480: about ") and "of memory" in notes[-1]
    assert same.stage("spatial_sr").task == cascade.stage("spatial_sr").task
    assert str(Work(what="9 frames of 4x2", seconds=700, peak=3 << 30)) == (
        "9 frames of 4x2: about 12 minutes (8 minutes to 19 minutes), about 3.0 GB of memory"
    )


def test_less_memory_makes_smaller_pieces_and_too_little_is_refused(cascade: Cascade) -> None:
    usual = cascade.stage("spatial_sr")
    cost, size = measured(cascade, usual, "fast"), (960, 1280)
    forms = [workload._in_pieces(usual, *form) for form in workload._pieces(usual)]
    most, least = (f(workload._bytes(one, cost, size, "fast") for one in forms) for f in (max, min))
    beside = memory.used() + workload.BESIDE + workload.ENCODER * 960 * 1280 * 3 // 2
    small, _ = said(cascade, int(beside + (most + 3 * least) / 4), 100, (480, 640))
    stage = small.stage("spatial_sr")
    assert (stage.task.at_once, stage.tile) < (usual.task.at_once, 512)
    with pytest.raises(ValueError, match=r"spatial_sr needs about .* may take 100 MB; allow more \(--memory \d+MB\)"):
        said(cascade, 100 << 20, 100, (480, 640))


def test_pieces_change_no_bits(cascade: Cascade) -> None:
    video = torch.rand(1, 3, 9, 20, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1

    def made(at_once: int, tile: int) -> torch.Tensor:
        stage = workload._in_pieces(cascade.stage("spatial_sr"), at_once, tile)
        own = replace(cascade, stages=tuple(stage if one.name == stage.name else one for one in cascade.stages))
        return torch.cat(list(finished(own.upscale(iter([video]), stages=[stage.name], fps=12.0), stage.name)), 2)

    whole = made(32, 512)
    assert all(torch.equal(made(at_once, tile), whole) for at_once, tile in ((1, 512), (4, 16), (2, 128)))


def test_what_is_counted_is_what_is_alive() -> None:
    with workload._Live() as live:
        one = torch.zeros(1000)
        two = one + 1
        view = two[:10]
        del one, two
        three = torch.zeros(500)
    assert live.most == 8000 and live.now == 6000 and len(view) + len(three) == 510


def test_nothing_is_left_to_do_for_one_frame(cascade: Cascade) -> None:
    assert finish(bounded(cascade, ["spatial_sr", "temporal_sr"], (8, 8), 1, "fast", None)) is cascade


def announced(cascade: Cascade, request: Request, batch: int = 1, limit: int | None = None) -> list[str]:
    return [event.text for event in workload.announced(cascade, request, batch, limit) if isinstance(event, Note)]


def test_a_long_or_a_large_request_is_announced_and_a_usual_one_is_not(cascade: Cascade) -> None:
    assert announced(cascade, Request()) == []
    long = announced(cascade, Request(seconds=60_000, until="base"))
    assert long[0] == "360000 frames of 16x16 are to be made; measuring how long that takes"
    assert long[1].startswith("360000 frames of 16x16: about ") and long[1].endswith(" of memory")
    many = announced(cascade, Request(count=40_000, until="base"), batch=4)
    assert many[1].startswith("40000 clips of 8 frames of 16x16: about ")
    assert announced(cascade, Request(seconds=600, until="base")) == []
    began = time.process_time()  # as good as endless: its windows are not counted one by one
    endless = announced(cascade, Request(seconds=1e12, until="base"))
    assert endless[1].startswith("6000000000000 frames of 16x16: about ") and time.process_time() - began < 20


def test_more_windows_and_more_clips_take_more_of_the_base(cascade: Cascade, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count()
    monkeypatch.setattr(workload, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))  # a step takes 1 second
    steps = cascade.stages[0].config.fast.steps
    found = [workload._of_base(cascade, Request(frames=frames), frames, 1)[0] for frames in (8, 14, 62)]
    assert found == [steps, 2 * steps, 10 * steps]  # windows of 8 frames, of which 2 overlap
    monkeypatch.setattr(workload, "COUNTED", 4)
    assert workload._of_base(cascade, Request(frames=62), 62, 1)[0] == 10 * steps  # 4 windows make 26 of 62 frames
    (one_by_one, alone), (together, four) = (workload._of_base(cascade, Request(count=4), 8, one) for one in (1, 4))
    assert (one_by_one, together) == (4 * steps, steps) and four > 2 * alone > 0


def test_a_base_that_does_not_fit_is_refused(cascade: Cascade) -> None:
    least = memory.used() + workload.BESIDE
    with pytest.raises(ValueError, match=r"base needs .* of 16x16, and may take .*\(--memory \d+MB\), or ask for"):
        announced(cascade, Request(until="base"), limit=least // 2)
    with pytest.raises(ValueError, match=r"or make fewer clips at a time \(--batch\)"):
        announced(cascade, Request(count=2, until="base"), batch=2, limit=least // 2)
