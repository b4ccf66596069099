"""What training writes into a card."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from framefall.cascade.about.card import StageCard
from framefall.data.folder import Folder
from framefall.runs.sources import WorldSource
from framefall.runs.training.knowledge import concluded, known_of, note, noted
from framefall.train.held_out import HeldOutLoss
from framefall.worlds.captions.parser import sentence_words
from framefall.worlds.world import World


def test_of_a_folder_its_clips_and_captions_are_known(folder: Folder) -> None:
    found = known_of(folder)
    assert (found.sources, found.clips, found.captioned) == (["0001.mp4", "0002.mp4"], 6, 1)  # takes
    assert found.captions == ["a man talks in a moving car"] and found.words["car"] == 1 and found.scenes == {}


def test_of_a_world_its_scenarios_and_the_words_of_their_grammar_are_known() -> None:
    found = known_of(WorldSource(World(("fall", "occluder"), size=500)))
    assert list(found.scenes) == ["fall", "occluder"] and found.captioned == found.clips == 500
    assert sentence_words("fall") <= set(found.scenes["fall"]) and "screen" in found.scenes["occluder"]
    assert "screen" not in found.scenes["fall"] and "red" in found.words and "tiny" not in found.words
    assert found.captions == [] and max(found.words.values()) <= 200  # of a sample


def test_of_a_world_of_few_scenes_their_values_alone_are_known() -> None:
    words = known_of(WorldSource(World(("fall",), size=1))).words
    assert len({"red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink"} & words.keys()) == 1


def test_of_another_source_nothing_but_its_name_is_known() -> None:
    @dataclass(frozen=True)
    class Other:
        names: tuple[str, ...] = ("somebody's clips",)

    assert known_of(Other()) == StageCard(sources=["somebody's clips"])  # type: ignore[arg-type]


MEASURED = HeldOutLoss("", "base", 100, (0.5, 0.7), (math.log(0.8), math.log(0.8)), kept_back=True)


def test_a_stage_that_will_not_do_has_a_known_failure() -> None:
    part = StageCard(clips=5, captioned=5, seen=50)
    poor = concluded(part, MEASURED, "base", 400)
    assert poor.seen == 450 and poor.scores == {"held_out_loss": 0.6, "held_out_error": 0.8}
    assert [one.split(" (")[0] for one in poor.failures] == ["Base has seen 450 clips and makes colours and no scene"]
    good = concluded(part, replace(MEASURED, errors=(math.log(0.1),) * 2), "base", 400)
    assert good.failures == []  # the control
    seen = concluded(part, replace(MEASURED, errors=(math.log(0.1),) * 2, kept_back=False), "base", 400)
    assert seen.failures == ["Its scores are of clips that it was trained on: none is held out."]
    assert concluded(part, None, "base", 400) == replace(part, seen=450)


def test_scores_that_are_no_numbers_are_left_out() -> None:
    bad = concluded(StageCard(captioned=1), replace(MEASURED, losses=(math.nan,), errors=()), "base", 4)
    assert bad.scores == {} and bad.failures == ["Base has seen 4 clips and makes nothing that is finite."]


def test_a_base_without_captions_says_so() -> None:
    assert "without captions" in concluded(StageCard(captioned=0), None, "base", 4).failures[0]
    assert concluded(StageCard(captioned=0), None, "spatial_sr", 4).failures == []


@pytest.mark.parametrize("part", [StageCard(), StageCard(sources=["a"], words={"é": 2}, scores={"x": 0.1})])
def test_what_is_noted_of_a_run_comes_back(part: StageCard, tmp_path: Path) -> None:
    assert noted(tmp_path) is None
    note(part, tmp_path)
    assert noted(tmp_path) == part
