"""Looking at a folder: what `framefall prepare` says of it."""

from pathlib import Path

from serving import Served

from framefall.data.folder import open_folder
from framefall.data.summary import as_object
from framefall.recipes.registry import RECIPES


def test_a_folder_is_taken_as_the_library_takes_it(studio: Served, clips: Path) -> None:
    (root,) = studio.client.get("/api/roots").json()
    found = studio.done("look", {"folder": root["id"], "recipe": "micro"})["result"]
    wanted = as_object(open_folder(clips, RECIPES["micro"]().data))
    assert found["files"] == wanted["files"] and found["skipped"] == wanted["skipped"]
    assert found["text"].startswith("videos: 2 files are used") and found["seconds"] > 10


def test_an_empty_folder_is_refused_in_a_sentence(studio: Served) -> None:
    (root,) = studio.client.get("/api/roots").json()
    inner = studio.client.get(f"/api/folders/{root['id']}").json()["folders"][0]
    found = studio.ended(studio.job("look", {"folder": inner["id"]})["id"])
    assert found["state"] == "failed" and "inner" in found["sentence"]
    assert str(studio.place.roots.folders[0]) not in found["sentence"]
