"""A scene's chances: functions of its key and of how many came before, within the rules of its split."""

import pytest

from framefall.noise import Key
from framefall.worlds.captions.bins import BINS
from framefall.worlds.scenarios.draw import Draw
from framefall.worlds.scene import BODY_COLOURS
from framefall.worlds.splits import FACTORS_OF, GRID, RESIDUES, SPLITS, held_out


def draw(split: str = "train", scenario: str = "fall", attempt: int = 0, index: int = 0) -> Draw:
    return Draw(Key(3, "test/draw", str(index)), scenario, split, attempt)


def test_a_draw_is_a_function_of_key_attempt_and_order() -> None:
    one, two, other, later = draw(), draw(), draw(index=1), draw(attempt=1)
    values = [[each.uniform(0.0, 1.0) for _ in range(5)] for each in (one, two, other, later)]
    assert values[0] == values[1]
    assert not set(values[0]) & (set(values[2]) | set(values[3])) and len(set(values[0])) == 5


def test_numbers_choices_and_chances_are_even() -> None:
    """600 draws: a share of a sixth strays by 0.015, and 0.06 is four of them."""
    dice = draw()
    thrown = [dice.integer(1, 6) for _ in range(600)]
    assert set(thrown) == {1, 2, 3, 4, 5, 6}
    assert all(abs(thrown.count(face) / 600 - 1 / 6) < 0.06 for face in set(thrown))
    assert abs(sum(dice.chance(0.25) for _ in range(600)) / 600 - 0.25) < 0.075
    assert {dice.side() for _ in range(20)} == {("left", -1.0), ("right", 1.0)}
    assert {dice.choice("abc") for _ in range(40)} == set("abc")
    assert all(2.0 <= dice.uniform(2.0, 3.0) < 3.0 for _ in range(100))


@pytest.mark.parametrize("split", SPLITS)
def test_a_radius_lies_in_its_interval_and_has_the_residue_of_its_split(split: str) -> None:
    chances = draw(split)
    for low, high in ((0.050, 0.062), (0.165, 0.185)):
        for _ in range(50):
            radius = chances.radius((low, high))
            assert low <= radius < high
            assert int(radius / GRID) % RESIDUES == SPLITS.index(split) and radius % GRID == 0


@pytest.mark.parametrize("split", ["ood-near", "ood-far"])
def test_a_split_moves_some_factors_of_a_scenario_and_never_none(split: str) -> None:
    sets = {draw(split, "projectile", index=index).moved for index in range(60)}
    assert len(sets) == 7 and () not in sets and set().union(*sets) == set(FACTORS_OF["projectile"])
    # whatever else an attempt draws, what is special in its split is the key's alone
    assert len({draw(split, "projectile", attempt).moved for attempt in range(20)}) == 1
    assert {draw("train", "projectile", index=index).moved for index in range(20)} == {()}


def test_values_come_from_the_region_that_the_split_has() -> None:
    for split, region in (("train", "train"), ("ood-near", "near"), ("ood-far", "far")):
        for index in range(20):
            chances = draw(split, "projectile", index=index)
            word, interval = chances.speed()
            assert BINS[1]["speed"][region if "speed" in chances.moved else "train"][word] == interval
            gravity = chances.gravity()
            spans = BINS[1]["gravity"][region if "gravity" in chances.moved else "train"].values()
            assert any(low <= gravity < high for low, high in spans)


def test_a_version_changes_sizes_and_no_other_chance() -> None:
    key = Key(3, "test/draw", "0")
    for split in SPLITS:
        one, two = (Draw(key, "projectile", split, version=version) for version in (1, 2))
        first, second = one.item(), two.item()
        assert first.thing == second.thing and first.radius <= second.radius  # alike where they are huge and far
        assert (one.speed(), one.gravity(), one.side()) == (two.speed(), two.gravity(), two.side())


def test_things_of_a_scene_have_colours_of_their_own_and_only_combs_first_is_of_a_held_out_triple() -> None:
    for index in range(20):
        for split in ("train", "comb"):
            chances = draw(split, "uniform", index=index)
            items = []
            for _ in range(4):
                items.append(chances.item(items))
            colours = [item.thing.colour for item in items]
            assert len(set(colours)) == 4 and set(colours) <= set(BODY_COLOURS)
            new = [held_out("uniform", item.thing.colour, item.thing.shape) for item in items]
            assert new == [split == "comb", False, False, False]


def test_an_item_becomes_a_body_at_its_place() -> None:
    item = draw().item()
    made = item.body("a", (0.2, 0.3), (0.1, 0.0), angle=0.5, release=1.0)
    assert (made.position, made.velocity, made.angle, made.release) == ((0.2, 0.3), (0.1, 0.0), 0.5, 1.0)
    assert (made.colour, made.shape, made.radius) == (item.thing.colour, item.thing.shape, item.radius)
    assert 0 < item.extent((1.0, 0.0)) <= item.reach
