"""What a caption states, read back from the tracks, word by word."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from examples import examples
from framefall.physics.adherence import attribute_checks
from framefall.physics.evidence import gather
from framefall.physics.laws import laws
from framefall.physics.truth import project
from framefall.tracking.tracker import track
from framefall.video import from_pixels
from framefall.worlds.render.renderer import View, render
from framefall.worlds.scene import SCENERY_COLOURS, Attributes, Thing
from framefall.worlds.state import frame_times
from framefall.worlds.world import open_world

WORDS = {"fall": (), "projectile": ("direction", "speed"), "uniform": ("direction", "speed"), "stack": ("outcome",)}


@pytest.mark.parametrize("scenario", list(WORDS))
def test_what_a_caption_says_is_read_back_from_the_tracks(clip: Callable[..., tuple], scenario: str) -> None:
    for index in range(examples(2, 4)):
        log, truth = clip(scenario, index)
        found = attribute_checks(gather(truth.ideal, None, log.scene.attributes))
        assert {"count", "colour", "size", "shape", *WORDS[scenario]} <= set(found)
        assert all(found.values()), (index, found)


WRONG: dict[str, Callable[[Attributes], Attributes]] = {
    "colour": lambda said: _changed(said, colour="pink" if said.things[0].colour != "pink" else "green"),
    "shape": lambda said: _changed(said, shape="ball" if said.things[0].shape != "ball" else "triangle"),
    "size": lambda said: _changed(said, size="small" if said.things[0].size != "small" else "large"),
    "count": lambda said: replace(said, things=(*said.things, Thing("pink", "ball", "small"))),
    "direction": lambda said: replace(said, direction="left" if said.direction != "left" else "right"),
    "speed": lambda said: replace(said, speed="slow" if said.speed != "slow" else "fast"),
}


@pytest.mark.parametrize("word", list(WRONG))
def test_one_wrong_word_is_wrong_and_the_others_stay_right(clip: Callable[..., tuple], word: str) -> None:
    log, truth = clip("uniform", 1)
    found = attribute_checks(gather(truth.ideal, None, WRONG[word](log.scene.attributes)))
    assert not found[word]
    if word != "count":
        assert [name for name, right in found.items() if not right] == [word]


def test_sizes_are_judged_by_the_words_of_their_version() -> None:
    """A scene knows its version; without one it is said. The control: version 1 has other words for these sizes."""
    wrong = 0
    for index in range(6):
        log = open_world("uniform@2", "id").log(index)
        truth = project(log, 16, 6.0, 64, 64)
        said = log.scene.attributes
        assert attribute_checks(gather(truth.ideal, truth))["size"]
        assert attribute_checks(gather(truth.ideal, None, said, version=2))["size"]
        assert laws(truth.ideal, None, said, ("adherence",), version=2)["adherence"].value == 1.0
        wrong += not attribute_checks(gather(truth.ideal, None, said))["size"]
    assert wrong


def test_captions_of_other_clips_are_mostly_wrong(clip: Callable[..., tuple]) -> None:
    clips = [clip("projectile", index) for index in range(6)]
    own = [laws(t.ideal, None, log.scene.attributes, ("adherence",))["adherence"].value for log, t in clips]
    shuffled = [
        laws(truth.ideal, None, clips[(index + 1) % 6][0].scene.attributes, ("adherence",))["adherence"].value
        for index, (_, truth) in enumerate(clips)
    ]
    assert min(own) == 1.0
    assert np.mean(shuffled) < 0.8


def test_a_caption_of_an_empty_clip_has_everything_wrong(clip: Callable[..., tuple]) -> None:
    log, truth = clip("uniform", 1)
    empty = replace(truth.ideal, objects=(), events=(), coverage=0.0)
    assert laws(empty, None, log.scene.attributes)["adherence"].value == 0.0


def _changed(said: Attributes, **changes: str) -> Attributes:
    return replace(said, things=(replace(said.things[0], **changes), *said.things[1:]))


def test_a_screen_is_seen_in_its_colour_and_missed_where_there_is_none() -> None:
    for index in range(examples(4, 24)):
        log = open_world("occluder@2", "id").log(index)
        said, view = log.scene.attributes, View(64, round(64 * log.scene.width))
        other = replace(said, occluder=next(colour for colour in SCENERY_COLOURS if colour != said.occluder))
        bare = replace(log, scene=replace(log.scene, fixtures=()))
        shown, missing = (track(from_pixels(render([one], [frame_times(16, 6.0)], view)), 6.0) for one in (log, bare))
        assert attribute_checks(gather(shown, None, said))["screen"], index
        assert not attribute_checks(gather(shown, None, other))["screen"]
        assert not attribute_checks(gather(missing, None, said))["screen"]
        assert "screen" not in attribute_checks(gather(replace(shown, screens=None), None, said))
