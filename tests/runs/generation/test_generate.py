"""New clips as files: an operation that is called for its records, or read event by event and left at any time."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from examples import examples
from framefall.cascade.cascade import Cascade, SegmentStep
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import fingerprint, load_cascade
from framefall.data.media.tags import read_tags
from framefall.data.media.writer import BESIDE
from framefall.models.engine import Engine
from framefall.progress import Done, Note, Started
from framefall.runs.generation.generate import generate, numbered, with_engines
from framefall.video import to_pixels


def pixels(cascade: Cascade, request: Request) -> np.ndarray:
    """What the cascade makes of the first clip, without any file."""
    return to_pixels(cascade.sample(request)[0]).permute(1, 2, 3, 0).numpy()


def test_a_file_is_what_the_cascade_makes_and_its_record_says_so(cascade: Cascade, tmp_path: Path) -> None:
    request = Request("a man talks", seed=7, frames=9)
    (record,) = generate(request, tmp_path / "a.npy", cascade)
    assert np.array_equal(np.load(tmp_path / "a.npy"), pixels(cascade, request))
    assert (record.path, record.frames, record.height, record.width) == (str(tmp_path / "a.npy"), 9, 32, 32)
    assert record.fps == 12.0 and record.seconds.keys() == {"base", "temporal_sr", "spatial_sr"}
    assert min(record.seconds.values()) > 0 and str(record).startswith(f"{record.path}: 9 frames of 32x32 at 12 a")
    assert {path.name for path in tmp_path.iterdir()} - {"stages"} == {"a.npy", "a.npy.json"}


def test_several_clips_are_numbered_and_each_is_what_it_is_alone(cascade: Cascade, tmp_path: Path) -> None:
    request = Request(("a man talks", None), seed=3, until="base")
    records = generate(request, tmp_path / "c.npy", cascade)
    assert [Path(one.path).name for one in records] == ["c-000.npy", "c-001.npy"]
    assert [path.name for path in numbered("c.mp4", 1)] == ["c.mp4"]
    alone = [pixels(cascade, one) for one in request.one_by_one()]
    for record, expected in zip(records, alone, strict=True):
        assert np.array_equal(np.load(record.path), expected)
    assert not np.array_equal(alone[0], alone[1])  # the control
    prompts = [json.loads(one.made_with["comment"])["prompt"] for one in records]
    assert prompts == ["a man talks", None] and [one.made_with["title"] for one in records] == ["a man talks", ""]


def test_what_made_a_file_stands_in_it(trained: Path, tmp_path: Path) -> None:
    cascade = load_cascade(trained)
    (by_name,) = generate(Request(seed=5, until="base"), tmp_path / "a.npy", trained)
    comment = json.loads(by_name.made_with["comment"])
    assert comment["ai_generated"] is True and comment["seed"] == "5" and comment["quality"] == "fast"
    assert comment["model"] == "toy" and comment["model_sha256"] == fingerprint(cascade)
    (given,) = generate(Request(seed=5, until="base"), tmp_path / "b.npy", cascade)
    assert json.loads(given.made_with["comment"])["model"] == cascade.config.name
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    assert read_tags(tmp_path / "a.npy") == by_name.made_with == given.made_with


def test_read_event_by_event_it_says_every_step_and_ends_with_the_records(cascade: Cascade, tmp_path: Path) -> None:
    events = list(generate.events(Request(count=2, until="base"), tmp_path / "a.npy", cascade))
    assert events[0] == Started("generate")
    assert [type(event) for event in events[1:-1]] == 2 * [*4 * [SegmentStep], Note]
    assert isinstance(events[-1], Done) and [str(one) for one in events[-1].result] == [
        event.text for event in events if isinstance(event, Note)
    ]


@pytest.mark.parametrize("suffix", [".mp4", "", *examples([], [".npy", ".gif"])])
def test_whoever_leaves_on_the_way_leaves_no_file(suffix: str, cascade: Cascade, tmp_path: Path) -> None:
    request = Request(frames=70, count=2)  # several segments a clip
    run = generate.events(request, tmp_path / f"a{suffix}", cascade, save_stages=tmp_path / "stages")
    for event in run:
        if isinstance(event, SegmentStep) and event.stage is cascade.stages[-1] and event.video is not None:
            assert any(".partial-" in path.name for path in tmp_path.iterdir())  # it is being written
            run.close()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]  # nor a partial one of any stage
    generate(Request(frames=2), tmp_path / f"a{suffix}", cascade)  # the control: read to its end there is one
    beside = {f"a{suffix}{BESIDE}"} if suffix == ".npy" else set()
    assert {path.name for path in tmp_path.iterdir()} - {"stages"} == {f"a{suffix}"} | beside


def test_clips_that_were_finished_before_one_leaves_stay(cascade: Cascade, tmp_path: Path) -> None:
    run = generate.events(Request(count=3, until="base"), tmp_path / "a.npy", cascade)
    for event in run:
        if isinstance(event, Note):
            run.close()
    assert {path.name for path in tmp_path.iterdir()} - {"stages"} == {"a-000.npy", "a-000.npy.json"}


def test_numbers_and_sizes_that_a_model_does_not_have_are_refused(cascade: Cascade, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="takes 0 numbers, got 2"):
        generate(Request(numbers=torch.zeros(1, 1, 2)), tmp_path / "a.npy", cascade)
    with pytest.raises(ValueError, match="size must be one that the model was trained on, got 40x40; try one of 32x32"):
        generate(Request(size=(40, 40)), tmp_path / "a.npy", cascade)
    assert list(tmp_path.iterdir()) == []


def test_every_stage_can_be_kept(cascade: Cascade, tmp_path: Path) -> None:
    generate(Request(frames=5), tmp_path / "a.npy", cascade, save_stages=tmp_path / "stages")
    kept = {path.name: np.load(path) for path in (tmp_path / "stages").glob("*.npy")}
    assert kept.keys() == {"a-base.npy", "a-temporal_sr.npy", "a-spatial_sr.npy"}
    assert np.array_equal(kept["a-spatial_sr.npy"], np.load(tmp_path / "a.npy"))
    assert np.array_equal(kept["a-temporal_sr.npy"][::2], kept["a-base.npy"][:3])


@pytest.fixture
def pico() -> Cascade:
    return load_cascade("pico")


def test_only_what_is_asked_several_times_is_worth_an_engine(monkeypatch: pytest.MonkeyPatch, pico: Cascade) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)  # as if it were installed: nothing is run here
    engines = {stage.name: isinstance(stage.backbone, Engine) for stage in with_engines(pico).stages}
    assert engines == {stage.name: stage.config.best.calls > 2 for stage in pico.stages}
    assert engines["base"] and not engines["spatial_sr"]


def test_without_an_engine_a_cascade_stays_what_it_is(monkeypatch: pytest.MonkeyPatch, pico: Cascade) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for before, after in zip(pico.stages, with_engines(pico).stages, strict=True):
        assert after.backbone is before.backbone


def test_equal_requests_are_equal_files(trained: Path, cascade: Cascade, tmp_path: Path, framefall: Callable) -> None:
    """From Python and from the command line."""
    generate(Request("a man talks", seed=7), tmp_path / "a.mp4", trained)
    said = framefall("generate", "a man talks", "--seed", 7, "-o", tmp_path / "b.mp4", "--model", trained)
    assert said.code == 0 and (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    generate(Request("a man talks", seed=8), tmp_path / "c.mp4", trained)
    assert (tmp_path / "a.mp4").read_bytes() != (tmp_path / "c.mp4").read_bytes()


LONG = Request(seed=4, frames=40)  # 20 of the base: several windows


def ended(cascade: Cascade, path: Path, stop: BaseException) -> int:
    """Generates until the fifth segment, where `stop` is met; how many are finished then."""
    run, made = generate.events(LONG, path, cascade), 0
    with pytest.raises(type(stop)):
        for event in run:
            made += isinstance(event, SegmentStep) and event.video is not None
            if made == 5:
                run.throw(stop)
    return made


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), MemoryError("no memory")])
def test_a_long_clip_goes_on_from_what_was_finished_when_it_was_ended(
    stop: BaseException, cascade: Cascade, tmp_path: Path
) -> None:
    generate(LONG, tmp_path / "whole.mp4", cascade)
    made = ended(cascade, tmp_path / "a.mp4", stop)
    events = list(generate.events(LONG, tmp_path / "a.mp4", cascade))
    notes = [event.text for event in events if isinstance(event, Note)]
    assert f"{tmp_path / 'a.mp4'}: going on from {made} finished windows of a run that was ended" in notes
    segments = [event for event in events if isinstance(event, SegmentStep) and event.video is not None]
    assert sum(event.step is None for event in segments) == made < len(segments)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "whole.mp4"}


def test_another_request_does_not_go_on_from_it(cascade: Cascade, tmp_path: Path) -> None:
    ended(cascade, tmp_path / "a.mp4", RuntimeError())
    generate(Request(seed=5, frames=40), tmp_path / "whole.mp4", cascade)
    generate(Request(seed=5, frames=40), tmp_path / "a.mp4", cascade)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "whole.mp4"}


def test_a_short_clip_keeps_nothing(cascade: Cascade, tmp_path: Path) -> None:
    for event in generate.events(Request(frames=9), tmp_path / "a.mp4", cascade):
        assert not isinstance(event, SegmentStep) or not list(tmp_path.glob(".*windows*"))
    run = generate.events(LONG, tmp_path / "b.mp4", cascade)  # the control
    assert any(list(tmp_path.glob(".*windows*")) for _ in run)


@pytest.mark.slow  # `test_workload.py` says what fits and refuses what does not
def test_memory_is_kept_or_refused_before_anything_is_made(
    cascade: Cascade, trained: Path, tmp_path: Path, framefall: Callable
) -> None:
    (usual,) = generate(LONG, tmp_path / "a.mp4", cascade)
    notes = [one.text for one in generate.events(LONG, tmp_path / "b.mp4", cascade, memory="64GB")
             if isinstance(one, Note)]  # fmt: skip
    assert notes[0] == "40 frames of 32x32 are to be made; measuring how long that takes"
    assert notes[1].startswith("40 frames of 32x32: about ") and notes[1].endswith(" of memory") and usual.frames == 40
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    said = framefall("generate", "-o", tmp_path / "c.mp4", "--model", trained, "--until", "base", "--memory", "1MB")
    assert said.code == 1 and "base needs about" in said.err and "allow more (--memory" in said.err
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "b.mp4"}
