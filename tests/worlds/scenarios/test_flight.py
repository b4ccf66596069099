"""Fall, projectile, double drop and uniform motion happen, in view, as their captions say."""

import pytest
from scenario_events import assert_late, assert_missed_where_nothing_moves, assert_shown

from examples import examples
from framefall.worlds.splits import SPLITS

NAMES = ("fall", "projectile", "double_drop", "uniform")
EACH = examples(3, 4)  # scenes of each scenario and split


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", NAMES)
def test_a_scene_shows_what_its_caption_says(name: str, split: str) -> None:
    assert_shown(name, split, EACH)


@pytest.mark.parametrize("name", NAMES)
def test_the_event_is_missed_where_nothing_moves(name: str) -> None:
    assert_missed_where_nothing_moves(name, EACH)


@pytest.mark.parametrize("name", NAMES)
def test_something_still_happens_in_the_second_half_of_a_long_clip(name: str) -> None:
    assert_late(name, EACH)
