"""Training: stopped, gone on with, and then a model to generate with."""

import time

from serving import Served


def test_a_training_that_is_stopped_goes_on_and_its_model_can_be_asked(studio: Served) -> None:
    (root,) = studio.client.get("/api/roots").json()
    asked = {"folder": root["id"], "recipe": "micro", "minutes": 0.1, "stages": ["base"]}
    job = studio.job("train", asked)
    until = time.monotonic() + 60
    while not (losses := studio.client.get(f"/api/jobs/{job['id']}").json()["losses"]):
        assert time.monotonic() < until
        time.sleep(0.05)
    stopped = studio.client.post(f"/api/jobs/{job['id']}/cancel").json()
    assert stopped["state"] == "cancelled" and losses[0]["stage"] == "base"
    last = stopped["losses"][-1]["step"]
    model = studio.place.home.model(job["id"])
    checkpoints = model.with_name(f"{model.name}.training") / "base" / "checkpoints"
    while not (saved := sorted(checkpoints.glob("0*"))):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert int(saved[-1].name) >= last and int(saved[-1].name) % 20  # no step is lost, and it is none of every twenty
    answer = studio.client.post(f"/api/jobs/{job['id']}/resume")
    assert answer.status_code == 202 and answer.json()["request"]["resume"] == job["id"]
    found = studio.ended(answer.json()["id"])
    assert found["state"] == "done", found["sentence"]
    result = found["result"]
    assert result["model"] == f"job.{job['id']}" and result["stages"][0]["steps"] > 0 and result["says"]
    assert [one["kind"] for one in found["outputs"]].count("picture") >= 1 and found["losses"]
    models = {one["id"]: one for one in studio.client.get("/api/models").json()}
    assert models[result["model"]]["origin"] == "trained"
    clip = studio.done("generate", {"model": result["model"], "until": "base", "frames": 4})
    assert clip["result"]["clips"][0]["frames"] == 4
    assert studio.client.delete(f"/api/models/{result['model']}").status_code == 204
    assert result["model"] not in [one["id"] for one in studio.client.get("/api/models").json()]


def test_only_a_training_that_has_ended_goes_on(studio: Served, toy: str) -> None:
    clip = studio.done("generate", {"model": toy, "until": "base", "frames": 2})
    assert studio.client.post(f"/api/jobs/{clip['id']}/resume").status_code == 409
