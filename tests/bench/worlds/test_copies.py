"""Copies: a model that replays its training clips must be found out, and one that makes new clips must not."""

import pytest

from framefall.bench.worlds import copies as looking
from framefall.bench.worlds.copies import copies
from framefall.evaluate.worldbench.benchmark import Protocol, cases
from framefall.video import from_pixels
from framefall.worlds.render.renderer import render
from framefall.worlds.world import World

PROTOCOL = Protocol(scenarios=("projectile",), clips=8, frames=8, size=16, version=2)


@pytest.mark.slow  # copies are told in `evaluate/sets/test_memorisation.py`
def test_replayed_training_clips_are_near_and_held_out_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "LOOKED", 60)
    given, world = list(cases(PROTOCOL, "id")), World(("projectile",), "train", version=2)
    new = [(case.name, case.video) for case in given]
    scenes = [world.scene(index) for index in range(60)]
    nearest = [min(range(60), key=lambda at, case=case: looking._unlike(scenes[at], case.log.scene)) for case in given]
    replayed = [
        (case.name, from_pixels(render([world.log(index)], [case.times], case.view)))
        for case, index in zip(given, nearest, strict=True)
    ]
    assert copies(replayed, given, PROTOCOL)["content"]["nearer"].value == 1.0
    # the control: clips that were never trained on, which are the held-out ones themselves
    assert copies(new, given, PROTOCOL)["content"]["nearer"].value <= 1 / 8
