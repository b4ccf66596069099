"""Places: what an operator gives, and what of it is ever said."""

from pathlib import Path

import pytest
from serving import place_of

from framefall.studio.place import Place
from framefall.studio.queue import Refused


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "videos").mkdir()
    return place_of(tmp_path / "home", (tmp_path / "my model",), (tmp_path / "videos",))


def test_the_worker_reads_the_place_that_the_server_has_written(place: Place) -> None:
    assert Place.read(place.text()) == place


def test_models_are_found_by_ids_and_never_by_paths(place: Place, tmp_path: Path) -> None:
    ids = {id: folder for id, _, folder in place.known_models()}
    assert {"pico", "worlds"} <= set(ids) and tmp_path / "my model" in ids.values()
    assert all(place.model(id) == folder for id, folder in ids.items())
    for wrong in ("nano", str(tmp_path / "my model"), "../pico", "given.0.00000000"):
        with pytest.raises(Refused) as error:
            place.model(wrong)
        assert error.value.status == 404


def test_sentences_lose_the_places_of_this_machine(place: Place) -> None:
    home, videos = place.home, place.roots.folders[0]
    said = f"{home.attempt('0123456789abcdef', 2)}/clips/clip.mp4: 15 frames, of {videos}/a.mp4"
    assert place.public(said) == "clip.mp4: 15 frames, of videos/a.mp4"
