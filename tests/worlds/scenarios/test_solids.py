"""Scenes with depth: drawn from a key, apart, in their split, and said in captions that can be read back."""

import json
from dataclasses import replace
from itertools import product

import pytest
from solid_scenes import drawn

from examples import examples
from framefall.worlds.captions.bins import BINS
from framefall.worlds.captions.grammar import PARAPHRASES
from framefall.worlds.captions.parser import parse
from framefall.worlds.captions.sentences import describe, stated
from framefall.worlds.engines.registry import simulate
from framefall.worlds.render.truth import body_truth
from framefall.worlds.scenarios.solids import SOLID_SCENARIOS, draw_solid
from framefall.worlds.scene import Scene
from framefall.worlds.state import frame_times
from framefall.worlds.world import open_world


@pytest.mark.parametrize("split", ["train", "ood-near", "ood-far"])
@pytest.mark.parametrize("scenario", list(SOLID_SCENARIOS))
def test_solids_begin_apart_from_each_other(scenario: str, split: str) -> None:
    def meet(scene: Scene) -> bool:
        """Whether two solids touch in the first two steps."""
        return any(c.second != "floor" for c in simulate(replace(scene, seconds=0.001)).contacts)

    scenes = [draw_solid(0, split, scenario, index, v) for v, index in product(BINS, range(examples(3, 12)))]
    assert not any(map(meet, scenes))
    if scenario in ("solid_orbit", "solid_collision"):  # the control: of three times the size they do
        swollen = [replace(s, bodies=tuple(replace(b, radius=3 * b.radius) for b in s.bodies)) for s in scenes]
        assert any(map(meet, swollen))


@pytest.mark.parametrize("name", SOLID_SCENARIOS)
def test_scenes_with_depth_are_part_of_a_world_and_their_captions_can_be_read_back(name: str) -> None:
    world = open_world(name)
    assert world.scene(0) == drawn(name).scene
    for index in range(examples(2, 20)):
        scene = world.scene(index)
        for paraphrase in range(PARAPHRASES):
            for numeric in (False, True):
                assert parse(describe(scene, paraphrase, numeric)) == stated(scene.attributes, numeric)
    truth = json.loads(json.dumps(body_truth(drawn(name), frame_times(3, 6.0))))
    assert len(truth["frames"][0]["bodies"][0]["position"]) == 3
    with pytest.raises(ValueError, match="scenes with depth have no comb split"):
        open_world(name, split="comb")
