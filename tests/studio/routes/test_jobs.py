"""Jobs over HTTP: accepted once, listed, cancelled, deleted."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from serving import Served


def test_one_key_sent_by_many_at_once_is_one_job(studio: Served, toy: str) -> None:
    body = {"kind": "generate", "request": {"model": toy, "until": "base", "frames": 2}}

    def send(_: int) -> str:
        answer = studio.client.post("/api/jobs", json=body, headers={"idempotency-key": "a-key"})
        assert answer.status_code == 202
        return str(answer.json()["id"])

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(send, range(24)))) == 1
    other = {**body, "request": {**body["request"], "seed": 9}}
    answer = studio.client.post("/api/jobs", json=other, headers={"idempotency-key": "a-key"})
    assert answer.status_code == 409 and "another request" in answer.json()["sentence"]
    assert studio.client.post("/api/jobs", json=body, headers={"idempotency-key": "x" * 201}).status_code == 422


def test_a_job_that_waits_is_cancelled_at_once_and_deleted_when_it_has_ended(studio: Served, toy: str) -> None:
    first = studio.job("generate", {"model": toy, "count": 8})
    waiting = studio.job("generate", {"model": toy})
    assert studio.client.delete(f"/api/jobs/{waiting['id']}").status_code == 409
    assert studio.client.post(f"/api/jobs/{waiting['id']}/cancel").json()["state"] == "cancelled"
    assert studio.client.post(f"/api/jobs/{first['id']}/cancel").json()["state"] == "cancelled"
    assert studio.client.delete(f"/api/jobs/{waiting['id']}").status_code == 204
    assert studio.client.get(f"/api/jobs/{waiting['id']}").status_code == 404


def test_a_deleted_job_takes_its_files_with_it(studio: Served, toy: str) -> None:
    found = studio.done("generate", {"model": toy, "until": "base", "frames": 2})
    url = found["outputs"][0]["url"]
    assert studio.client.get(url).status_code == 200
    assert studio.client.delete(f"/api/jobs/{found['id']}").status_code == 204
    assert studio.client.get(url).status_code == 404 and not studio.place.home.job(found["id"]).exists()


def test_jobs_are_listed_the_newest_first_page_by_page(studio: Served, generated: dict[str, Any], toy: str) -> None:
    made = [studio.job("generate", {"model": toy, "until": "base", "frames": 1})["id"] for _ in range(3)]
    page = studio.client.get("/api/jobs", params={"most": 2}).json()
    assert [one["id"] for one in page["jobs"]] == made[:0:-1]
    following = studio.client.get("/api/jobs", params={"most": 2, "before": page["before"]}).json()
    assert following["jobs"][0]["id"] == made[0]
    for job in made:
        studio.client.post(f"/api/jobs/{job}/cancel")


def test_nothing_but_ids_are_taken(studio: Served, generated: dict[str, Any], toy: str) -> None:
    output = generated["outputs"][0]["id"]  # a file, and no upload
    answer = studio.client.post("/api/jobs", json={"kind": "measure", "request": {"uploads": [output]}})
    assert answer.status_code == 404
