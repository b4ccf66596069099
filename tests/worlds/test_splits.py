"""The six splits are disjoint, and each draws from a box of its own."""

import dataclasses
import math
from itertools import product

import pytest
from split_checks import is_compound, moved_factors, region_of, split_of, word_of

from examples import examples
from framefall.worlds.captions.bins import BINS
from framefall.worlds.scenarios.registry import SCENARIOS, draw_scene
from framefall.worlds.scene import BODY_COLOURS, Scene
from framefall.worlds.splits import (
    FACTORS_OF,
    FAR,
    GRID,
    SHAPES,
    SPLITS,
    held_out,
    scene_key,
    version_of,
)

EACH = examples(6, 30)  # scenes of each scenario and split: 468, or 2,340


@pytest.fixture(scope="module", params=BINS)
def drawn(request: pytest.FixtureRequest) -> dict[tuple[str, str], list[Scene]]:
    """Every test below holds in every version."""
    return {
        (split, name): [draw_scene(0, split, name, index, request.param) for index in range(EACH)]
        for split, name in product(SPLITS, SCENARIOS)
    }


def test_every_radius_has_the_residue_of_its_split(drawn: dict[tuple[str, str], list[Scene]]) -> None:
    for (split, _), scenes in drawn.items():
        for scene in scenes:
            assert split_of(scene) == split
            assert all(body.radius % GRID == 0 for body in scene.bodies)


def test_no_two_scenes_of_two_splits_begin_alike(drawn: dict[tuple[str, str], list[Scene]]) -> None:
    """Not even by chance: the residues leave no first radius in common."""
    radii = {
        split: {scene.bodies[0].radius for (s, _), found in drawn.items() if s == split for scene in found}
        for split in SPLITS
    }
    assert len(set().union(*radii.values())) == sum(map(len, radii.values()))


def test_a_key_says_of_which_version_its_scene_is() -> None:
    assert scene_key(3, "ood-near", "occluder_bounce", 17) == "3/ood-near/occluder_bounce/17"
    for version in (1, 2, 12):
        assert version_of(scene_key(0, "train", "fall", 5, version)) == version
    assert version_of("mine@2") == version_of("") == 1  # nobody's world


def test_a_radius_of_no_split_is_refused() -> None:
    scene = draw_scene(0, "train", "fall", 0)
    for radius in (0.1, 6 * GRID + 800 * GRID):
        alien = dataclasses.replace(scene.bodies[0], radius=radius)
        with pytest.raises(ValueError, match="of no split"):
            split_of(dataclasses.replace(scene, bodies=(alien,)))


def test_training_boxes_are_kept_and_left(drawn: dict[tuple[str, str], list[Scene]]) -> None:
    for (split, name), scenes in drawn.items():
        for scene in scenes:
            moved = moved_factors(scene)
            assert bool(moved) == (split in FAR), (split, scene)
            assert set(moved) <= set(FACTORS_OF[name])


def test_near_and_far_lie_where_they_should(drawn: dict[tuple[str, str], list[Scene]]) -> None:
    for (split, _), scenes in drawn.items():
        for scene in scenes:
            regions = {region_of("size", body.radius, version_of(scene.key)) for body in scene.bodies}
            regions |= {region_of("gravity", scene.gravity)} if scene.gravity else set()
            speeds = [math.hypot(*body.velocity) for body in scene.bodies]
            regions |= {region_of("speed", speed) for speed in speeds if speed}
            assert regions <= {"train", FAR.get(split, "train")}


@pytest.mark.parametrize("split", FAR)
def test_one_some_and_all_factors_are_moved(split: str) -> None:
    for name, factors in FACTORS_OF.items():
        sets: set[tuple[str, ...]] = set()
        for index in range(40):  # of three factors all seven sets are met in 20 draws or so
            if len(sets) < 2 ** len(factors) - 1:
                sets.add(moved_factors(draw_scene(0, split, name, index)))
        assert len(sets) == 2 ** len(factors) - 1, name


def test_a_scene_moved_out_of_its_box_is_noticed(drawn: dict[tuple[str, str], list[Scene]]) -> None:
    """The control: one value of a training scene, moved by hand."""
    scene = drawn["train", "projectile"][0]
    body = scene.bodies[0]
    assert moved_factors(dataclasses.replace(scene, gravity=2.6)) == ("gravity",)
    for factor, change in (("size", {"radius": 0.07}), ("speed", {"velocity": (0.9, 0.0)})):
        changed = dataclasses.replace(scene, bodies=(dataclasses.replace(body, **change),))
        assert moved_factors(changed) == (factor,)


def test_held_out_triples_are_met_in_comb_and_nowhere_else(drawn: dict[tuple[str, str], list[Scene]]) -> None:
    for (split, name), scenes in drawn.items():
        for scene in scenes:
            new = [held_out(name, body.colour, body.shape) for body in scene.bodies]
            if split != "comb":
                assert not any(new) and not is_compound(scene)
            else:
                assert new[0] or is_compound(scene)


def test_compounds_leave_the_triples_as_in_training(drawn: dict[tuple[str, str], list[Scene]]) -> None:
    """So that a model's failure there is the compound's."""
    compounds = [scene for name in ("ramp", "collision") for scene in drawn["comb", name] if is_compound(scene)]
    assert len(compounds) >= EACH // 2
    for scene in compounds:
        assert not any(held_out(scene.attributes.scenario, body.colour, body.shape) for body in scene.bodies)


def test_about_one_triple_in_eight_is_held_out() -> None:
    for name, shapes in SHAPES.items():
        triples = [held_out(name, colour, shape) for colour in BODY_COLOURS for shape in shapes]
        assert 1 <= sum(triples) == len(triples) // 8
    # other ones for each scenario, so that every colour and every shape is seen in training
    kept = {(c, s) for n in ("fall", "uniform", "light") for c in BODY_COLOURS for s in SHAPES[n] if held_out(n, c, s)}
    assert len(kept) > 8


def test_words_of_attributes_are_words_of_values(drawn: dict[tuple[str, str], list[Scene]]) -> None:
    for scenes in drawn.values():
        for scene in scenes:
            said = scene.attributes
            assert [thing.size for thing in said.things] == [
                word_of("size", body.radius, version_of(scene.key)) for body in scene.bodies
            ]
            speeds = [math.hypot(*body.velocity) for body in scene.bodies]
            assert {word_of("speed", speed) for speed in speeds if speed} == ({said.speed} if said.speed else set())
