"""Bytes of files, whole and in ranges; folders by their ids."""

from typing import Any

import pytest
from serving import Served

from framefall.studio.routes.files import _range


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (None, (0, 100)),
        ("bytes=0-", (0, 100)),
        ("bytes=0-0", (0, 1)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-500", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes=100-", None),
        ("bytes=-0", None),
        ("bytes=20-10", (0, 100)),  # not understood: all of it
        ("bytes=0-1,5-6", (0, 100)),
        ("bytes=a-b", (0, 100)),
        ("lines=1-2", (0, 100)),
        ("bytes=", (0, 100)),
        ("bytes=-", (0, 100)),
    ],
)
def test_ranges_are_read_as_rfc_9110_has_them(said: str | None, wanted: tuple[int, int] | None) -> None:
    assert _range(said, 100) == wanted


def test_a_clip_comes_whole_or_in_parts(studio: Served, generated: dict[str, Any]) -> None:
    url = generated["outputs"][0]["url"]
    whole = studio.client.get(url)
    assert whole.status_code == 200 and whole.headers["content-type"] == "video/mp4"
    assert len(whole.content) == generated["outputs"][0]["bytes"] and whole.headers["accept-ranges"] == "bytes"
    part = studio.client.get(url, headers={"range": "bytes=5-14"})
    assert part.status_code == 206 and part.content == whole.content[5:15]
    assert part.headers["content-range"] == f"bytes 5-14/{len(whole.content)}"
    beyond = studio.client.get(url, headers={"range": f"bytes={len(whole.content)}-"})
    assert beyond.status_code == 416 and beyond.headers["content-range"] == f"bytes */{len(whole.content)}"


def test_folders_are_opened_by_ids(studio: Served) -> None:
    (root,) = studio.client.get("/api/roots").json()
    top = studio.client.get(f"/api/folders/{root['id']}").json()
    assert top["name"] == "videos" and top["media"] == 2 and [one["name"] for one in top["folders"]] == ["inner"]
    inner = studio.client.get(f"/api/folders/{top['folders'][0]['id']}").json()
    assert inner["parent"] == root["id"] and [one["name"] for one in inner["folders"]] == ["deeper"]
    assert studio.client.get("/api/folders/MC8.0123").status_code == 404
