"""Estimates: what a training would say before its first step."""

from serving import Served


def test_what_minutes_buy_is_said_stage_by_stage(studio: Served) -> None:
    (root,) = studio.client.get("/api/roots").json()
    asked = {"folder": root["id"], "recipe": "micro", "minutes": 0.1, "stages": ["base"]}
    found = studio.done("estimate", asked)["result"]
    (base,) = found["stages"]
    assert base["stage"] == "base" and base["steps"] > 0 and base["seconds_a_step"] > 0 and base["minutes"] <= 0.11
    assert found["enough"] is False and any("this is not enough" in one for one in found["sentences"])
