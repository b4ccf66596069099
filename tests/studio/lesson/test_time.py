"""Time breaks naive extrapolation: the meters, and who notices damage."""

import math

import pytest
import torch

from framefall.studio.lesson.basics import a_case
from framefall.studio.lesson.examples import examples
from framefall.studio.lesson.time import DAMAGES, SHOWN, _damaged, _drawn, _measured, meters
from framefall.worlds.world import World


@pytest.fixture(scope="module")
def video():
    return a_case("fall", 2).video


def test_meters_say_of_each_frame_what_the_metrics_say_of_the_clip(video):
    found = meters(video)
    assert len(found) == video.shape[2]
    assert (
        math.isnan(found[0]["flicker"]) and math.isnan(found[0]["light"]) and found[0]["likeness"] == pytest.approx(1)
    )
    shipped = examples()["time-fusion"]["scenes"][1]["clips"]["simulated"]["meters"]
    for mine, theirs in zip(found, shipped, strict=True):
        for name, value in theirs.items():
            assert math.isnan(mine[name]) if value is None else mine[name] == pytest.approx(value, rel=1e-3, abs=1e-5)


@pytest.mark.slow
def test_a_flash_moves_the_meters_at_its_frame_alone(video):
    flashed = video.clone()
    flashed[:, :, 8] = (flashed[:, :, 8] + 0.5).clamp(-1, 1)
    before, after = meters(video), meters(flashed)
    assert after[8]["flicker"] > 20 * before[8]["flicker"]
    assert after[8]["light"] > 0.1 and after[9]["light"] > 0.1
    assert after[4]["flicker"] == pytest.approx(before[4]["flicker"])  # elsewhere nothing has changed


def test_frames_made_one_by_one_flicker_and_frames_made_together_do_not():
    for scene in examples()["time-fusion"]["scenes"]:
        alone, together, true = (
            scene["clips"][name]["scores"]["flicker"] for name in ("per_frame", "fused", "simulated")
        )
        assert alone > 5 * together > 5 * true


@pytest.mark.slow  # after a change of the metrics: `make test-full`
def test_the_shipped_values_are_what_the_metrics_say():
    shipped, log = examples()["time-damage"], World(("projectile",), "id", version=2).log(0)
    sound = _drawn(log)
    for name, level in (("teleport", 3), ("stutter", 1)):
        one = shipped["damages"][name][level]
        scores = _measured(_damaged(log, sound, name, one["strength"]), 16.0).scores
        for metric in SHOWN:
            value = one["scores"][metric]["value"]
            wrong = f"{name}, {metric}: the lesson says {value}, the library {scores[metric]}"
            same = (
                math.isnan(scores[metric])
                if value is None
                else scores[metric] == pytest.approx(value, rel=1e-3, abs=1e-5)
            )
            assert same, wrong


def test_each_damage_is_noticed_and_the_sound_clip_is_not():
    shipped = examples()["time-damage"]
    assert not any(score["notices"] for score in shipped["sound"]["scores"].values())
    noticed = {
        name: {metric for metric, score in levels[-1]["scores"].items() if score["notices"]}
        for name, levels in shipped["damages"].items()
    }
    assert set(noticed) == set(DAMAGES)
    assert "repeated_frames" in noticed["freeze"] and "stutter" in noticed["stutter"]
    assert "luminance_flicker" in noticed["flicker"] and "unevenness" in noticed["shuffle"]
    assert noticed["teleport"] == {"permanence"}  # no metric sees everything
    frozen = shipped["damages"]["freeze"][-1]["scores"]["flicker"]
    assert frozen["value"] is None and frozen["reason"]  # a still clip does not win the calm


def test_damage_is_the_same_every_time():
    log = World(("projectile",), "id", version=2).log(0)
    sound = _drawn(log)
    assert torch.equal(_damaged(log, sound, "shuffle", 0.5), _damaged(log, sound, "shuffle", 0.5))
    assert not torch.equal(_damaged(log, sound, "shuffle", 0.5), sound)
