"""Clips: those of the library, bit for bit, with all that was asked for beside them."""

from pathlib import Path
from typing import Any

import pytest
from serving import Served

from framefall import publish
from framefall.cascade.request import Request
from framefall.runs.evaluation.evaluate import assess
from framefall.runs.generation.generate import generate


def content(studio: Served, file: str) -> bytes:
    answer = studio.client.get(f"/api/files/{file}")
    assert answer.status_code == 200
    return answer.content


def test_clips_are_those_of_the_library_and_their_scores_too(
    studio: Served, generated: dict[str, Any], trained: Path, tmp_path: Path
) -> None:
    clips = generated["result"]["clips"]
    names = {one["name"]: one for one in generated["outputs"]}
    generate(Request("a man talks", seed=3, count=2), tmp_path / "clips" / "clip.mp4", trained)
    for clip in clips:
        ours = content(studio, clip["video"])
        (tmp_path / "ours.mp4").write_bytes(ours)
        assert ours == (tmp_path / "clips" / clip["name"]).read_bytes()
        assert names[clip["name"]]["sha256"] == publish.sha256(tmp_path / "ours.mp4")
        assert list(clip["stages"]) == ["base", "temporal_sr", "spatial_sr"] and clip["sheet"] and clip["tracks"]
        assert studio.client.get(f"/api/files/{clip['tracks']}").json()["width"] == clip["width"]
    rows = {row.metric: row for row in assess(tmp_path / "clips").rows}
    assert [one["metric"] for one in generated["result"]["scores"]] == list(rows)
    for one in generated["result"]["scores"]:
        row = rows[one["metric"]]
        assert one["n"] == row.n and (one["value"] is None or one["value"] == row.value)


def test_a_job_made_again_has_the_same_bits(studio: Served, toy: str) -> None:
    first = studio.done("generate", {"model": toy, "seed": 5, "frames": 3, "candidates": 2})
    answer = studio.client.post(f"/api/jobs/{first['id']}/again")
    assert answer.status_code == 202
    again = studio.ended(answer.json()["id"])
    assert again["again"] == first["id"] and again["result"]["same"] is True
    other = studio.done("generate", {"model": toy, "seed": 6, "frames": 3})
    assert [one["sha256"] for one in other["outputs"]] != [one["sha256"] for one in first["outputs"]]


def test_what_a_model_cannot_be_asked_is_one_sentence(studio: Served, toy: str) -> None:
    found = studio.ended(studio.job("generate", {"model": toy, "until": "nothing"})["id"])
    assert found["state"] == "failed" and found["outputs"] == []
    assert found["sentence"].startswith("a stage must be one of base, temporal_sr, spatial_sr; got 'nothing'")


@pytest.fixture(scope="module")
def picture(studio: Served, generated: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from PIL import Image

    path = tmp_path_factory.mktemp("picture") / "red.png"
    Image.new("RGB", (32, 32), (200, 30, 30)).save(path)
    return studio.upload(path)


@pytest.mark.parametrize("use", ["images", "extend", "end", "mask", "strength", "loop"])
def test_every_use_of_the_library_can_be_asked_for(
    studio: Served, toy: str, generated: dict[str, Any], picture: dict[str, Any], tmp_path: Path, use: str
) -> None:
    (tmp_path / "clip.mp4").write_bytes(content(studio, generated["result"]["clips"][0]["video"]))
    clip = studio.upload(tmp_path / "clip.mp4")
    asked: dict[str, Any] = {
        "images": {"images": [{"upload": picture["id"], "second": 0.0}]},
        "extend": {"video": clip["id"], "extend": "after"},
        "end": {"video": clip["id"], "end": picture["id"]},
        "mask": {"video": clip["id"], "mask": picture["id"]},
        "strength": {"video": clip["id"], "strength": 0.5},
        "loop": {"loop": True},
    }[use]
    length = {"frames": 14} if use == "loop" else {}
    found = studio.done("generate", {"model": toy, "use": asked, "until": "temporal_sr", **length})
    assert found["result"]["clips"][0]["frames"] >= 2
