"""Candidates: the best of several small clips is the one that is made whole, and is a clip like any other."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from examples import examples
from framefall.cascade.cascade import Cascade
from framefall.cascade.lengths import frame_counts
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import load_cascade, save
from framefall.cascade.stage_config import Sampling
from framefall.physics.obedience import obedience
from framefall.progress import Note, finish
from framefall.runs.generation.candidates import choose
from framefall.runs.generation.generate import generate
from framefall.runs.generation.remake import remake
from framefall.runs.generation.tags import read_made
from framefall.tracking.tracker import track
from framefall.video import to_pixels
from framefall.weights import DEFAULT
from framefall.worlds.captions.phrases import said

PROMPT = "a large red ball falls and bounces on the floor"
COUNT = 3


ASKED = Request(PROMPT, seed=7, until="base", frames=6)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model, whose base takes three steps: what it draws is worse and differs as much."""
    model = load_cascade(DEFAULT)
    base, *above = model.stages
    config = replace(base.config, fast=Sampling(steps=3, shift=3.0))
    told = replace(model.config, stages=model.config.stages | {"base": config})
    into = tmp_path_factory.mktemp("candidates") / "few"
    save(replace(model, config=told, stages=(replace(base, config=config), *above)), into)
    return into


@pytest.fixture(scope="module")
def worlds(few: Path) -> Cascade:
    return load_cascade(few)


@pytest.fixture(scope="module")
def choice(worlds: Cascade) -> tuple[Request, str]:
    """What is chosen, and what is said of it."""
    run = choose(ASKED, worlds, COUNT)
    notes: list[str] = []
    while True:
        try:
            event = next(run)
        except StopIteration as end:
            return end.value, notes[-1]
        notes += [event.text] if isinstance(event, Note) else []


def test_the_one_that_shows_most_of_the_prompt_is_chosen(worlds: Cascade, choice: tuple[Request, str]) -> None:
    chosen, note = choice
    names = ["0", *(f"0/{other}" for other in range(1, COUNT))]
    alone = worlds.sample(replace(ASKED, prompt=(PROMPT,) * COUNT, names=tuple(names))).split(1)
    ranks = [obedience(track(clip, worlds.fps("base")), said(PROMPT), 2).rank for clip in alone]
    assert len(set(ranks)) > 1 and ranks[0] < max(ranks)  # the control: not whichever comes first
    assert chosen.clips == (names[ranks.index(max(ranks))],)
    assert f"candidate {names.index(chosen.clips[0]) + 1} of {COUNT} is kept" in note and "; the first " in note
    assert (chosen.prompt, chosen.seed, chosen.frames, chosen.until) == (PROMPT, 7, 6, "base")


@pytest.mark.slow  # `test_remake.py` makes files again
def test_its_file_is_the_clip_of_its_name_and_is_made_again(
    few: Path, worlds: Cascade, choice: tuple[Request, str], tmp_path: Path
) -> None:
    (name,) = choice[0].clips
    generate(ASKED, tmp_path / "a.npy", few, candidates=COUNT)
    expected = to_pixels(worlds.sample(replace(ASKED, names=(name,)))[0]).permute(1, 2, 3, 0).numpy()
    assert np.array_equal(np.load(tmp_path / "a.npy"), expected)
    assert read_made(tmp_path / "a.npy")["request"]["names"] == [name]
    remake(tmp_path / "a.npy", tmp_path / "b.npy", few)
    assert np.array_equal(np.load(tmp_path / "b.npy"), expected)


@pytest.mark.slow
def test_each_of_several_clips_has_candidates_of_its_own(worlds: Cascade, tmp_path: Path) -> None:
    request = Request((PROMPT, "two small blue boxes fall"), seed=1, until="base", frames=4)
    records = generate(request, tmp_path / "c.npy", worlds, candidates=2, batch=2)
    for record, one in [*zip(records, request.one_by_one(), strict=True)][examples(1, 0) :]:
        assert read_made(record.path)["request"]["names"] == list(finish(choose(one, worlds, 2)).clips)


def test_where_nothing_can_be_judged_the_first_is_kept_and_that_is_said(cascade: Cascade) -> None:
    """A toy of real clips draws nothing that can be followed."""
    events = list(choose(Request("a man talks", seed=3), cascade, 2))
    (note,) = (event.text for event in events if isinstance(event, Note))
    assert note == "clip 0: in none of 2 candidates can things be followed, so the first is kept"
    assert finish(choose(Request("a man talks", seed=3), cascade, 2)).clips == ("0",)


def test_candidates_are_as_long_as_the_clip_needs_them(cascade: Cascade, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    own = Cascade.sample

    def sample(self: Cascade, request: Request) -> object:
        video = own(self, request)
        seen.append(video.shape[2])
        return video

    monkeypatch.setattr(Cascade, "sample", sample)
    for request in (Request(PROMPT, seconds=0.5), Request(PROMPT, frames=25)):
        finish(choose(request, cascade, 2))
        assert seen[-1] == frame_counts(cascade.stages, request)[0]
    assert seen[0] < seen[1] < 25  # key frames


@pytest.mark.parametrize("wrong", [0, -1, True, 1.5])
def test_their_number_is_a_whole_one(wrong: object, cascade: Cascade, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="candidates must be a whole number of at least 1, got"):
        generate(Request(PROMPT), tmp_path / "a.mp4", cascade, candidates=wrong)  # type: ignore[arg-type]
