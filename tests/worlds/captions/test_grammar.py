"""Every pattern and every word is met, and no two sentences are alike."""

from framefall.worlds.captions.bins import BINS
from framefall.worlds.captions.grammar import PATTERNS, WORDS
from framefall.worlds.scenarios.registry import SCENARIOS, draw_scene
from framefall.worlds.scenarios.solids import SOLID_SCENARIOS
from framefall.worlds.scene import Scene
from framefall.worlds.splits import SPLITS


def _scenes(name: str, count: int) -> list[Scene]:
    return [draw_scene(7, SPLITS[index % len(SPLITS)], name, index) for index in range(count)]


def test_every_pattern_is_met() -> None:
    met = {(a.scenario, a.outcome) for name in SCENARIOS for a in (s.attributes for s in _scenes(name, 18))}
    met |= {(name, "") for name in SOLID_SCENARIOS}  # each is said and read in scenarios/test_solids
    met |= {("occluder", "one" if len(s.attributes.things) == 1 else "two") for s in _scenes("occluder", 18)}
    assert met - {("occluder", "")} == set(PATTERNS)


def test_every_word_for_size_and_speed_can_be_said() -> None:
    values = {value for kind, value in WORDS.values() if kind in ("size", "speed")}
    bins = (one[factor] for one in BINS.values() for factor in ("size", "speed"))
    assert values == {word for regions in bins for words in regions.values() for word in words}
