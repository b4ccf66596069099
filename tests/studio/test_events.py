"""Events: all of them once and in order, from wherever a page has stopped reading."""

from typing import Any

from serving import Served

from framefall.studio.events import NAMES


def test_a_page_that_comes_back_hears_the_rest_and_nothing_twice(studio: Served, generated: dict[str, Any]) -> None:
    told = list(studio.events(generated["id"]))
    numbers = [number for number, _, _ in told]
    assert numbers == sorted(set(numbers)) and {name for _, name, _ in told} <= set(NAMES)
    assert [name for _, name, _ in told][-1] == "end"
    for at in (0, len(told) // 2, len(told) - 2):
        assert list(studio.events(generated["id"], numbers[at])) == told[at + 1 :]
    assert [name for _, name, _ in studio.events(generated["id"], numbers[-1])] == ["end"]


def test_a_job_is_followed_while_it_runs(studio: Served, toy: str) -> None:
    job = studio.job("generate", {"model": toy, "quality": "best"})
    told = list(studio.events(job["id"]))
    states = [data["state"] for _, name, data in told if name == "state"]
    assert states == ["queued", "running", "done"]
    progress = [data for _, name, data in told if name == "progress"]
    assert {one["stage"] for one in progress} & {"base", "temporal_sr", "spatial_sr"}
    assert all(0 <= one["done"] <= 1 for one in progress if one["done"] is not None)


def test_there_is_nothing_to_follow_of_no_job(studio: Served) -> None:
    assert studio.client.get("/api/jobs/nothing/events").status_code == 404
    answer = studio.client.get("/api/jobs/nothing/events", headers={"last-event-id": "x"})
    assert answer.status_code == 422 and answer.json()["sentence"].startswith("header.Last-Event-ID")
