"""What models know: as the library says it."""

from pathlib import Path

from serving import place_of

from framefall.cascade.about.card import words_of
from framefall.recipes.registry import RECIPES
from framefall.runs.models import about_model
from framefall.studio.knowledge import about_models, about_recipes, completed
from framefall.weights import SHIPPED


def test_every_model_is_said_as_the_library_says_it(tmp_path: Path, trained: Path) -> None:
    found = {one.id: one for one in about_models(place_of(tmp_path, (trained,)))}
    assert {"pico", "worlds"} < set(found) and len(found) == 3
    pico = about_model("pico")
    assert found["pico"].words == pico.words and [one.name for one in found["pico"].stages] == list(pico.stages)
    assert found["pico"].sizes == [(64, 64), (64, 64), (256, 256)] and found["worlds"].scenes
    toy = next(one for one in found.values() if one.origin == "given")
    assert toy.name == "toy" and str(trained) not in toy.model_dump_json()


def test_a_damaged_model_hides_no_other(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "manifest.json").write_text("{}")
    assert [one.id for one in about_models(place_of(tmp_path / "home", (broken,)))] == ["worlds", "pico"]


def test_recipes_are_those_of_the_library() -> None:
    assert [one.name for one in about_recipes()] == list(RECIPES)
    assert all(one.about and one.stages for one in about_recipes())


def test_prompts_go_on_as_captions_of_training_do() -> None:
    found = completed(SHIPPED / "pico", "people w")
    assert found.completions[0] == "people walk across a square seen from above"
    worlds = completed(SHIPPED / "worlds", "a red b")
    assert worlds.known and "a red ball" in worlds.completions
    assert all({"red"} <= set(words_of(one)) for one in worlds.completions)


def test_a_prompt_that_leaves_what_is_known_is_told_so_and_the_nearest() -> None:
    found = completed(SHIPPED / "worlds", "a dragon falls")
    assert not found.known and "no 'dragon'" in found.sentence and set(found.words) == {"dragon"}
    assert completed(SHIPPED / "worlds", "").known and completed(SHIPPED / "worlds", "").completions
