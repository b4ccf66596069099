"""Models, recipes and prompts over HTTP."""

from serving import Served

import framefall
from framefall.recipes.registry import RECIPES


def test_the_studio_says_what_it_is(studio: Served) -> None:
    found = studio.client.get("/api/about").json()
    assert found["version"] == framefall.__version__ and found["device"] == "cpu"
    assert found["most_upload_bytes"] == 1 << 28


def test_models_and_recipes_are_listed(studio: Served, toy: str) -> None:
    models = studio.client.get("/api/models").json()
    assert [one["id"] for one in models][:2] == ["worlds", "pico"] and toy in [one["id"] for one in models]
    assert [one["name"] for one in studio.client.get("/api/recipes").json()] == list(RECIPES)


def test_a_prompt_is_answered_with_what_is_known(studio: Served) -> None:
    found = studio.client.post("/api/complete", json={"model": "pico", "prompt": "a dragon"}).json()
    assert found["known"] is False and "no 'dragon'" in found["sentence"]
    assert studio.client.post("/api/complete", json={"model": "nothing"}).status_code == 404
