"""One clip as the metrics see it: everything is found once, and laws are read of things that are apart."""

import math
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from framefall.data.media.decode import decode
from framefall.evaluate.metrics import observed
from framefall.evaluate.metrics.observed import ObservedClip
from framefall.video import from_pixels
from framefall.worlds.render.renderer import View, render
from framefall.worlds.state import frame_times
from framefall.worlds.world import World


@pytest.fixture(scope="module")
def fall() -> Tensor:
    log = World(("fall",), "id").log(0)
    return from_pixels(render([log], [frame_times(24, 24.0)], View(48, round(48 * log.scene.width))))


@pytest.fixture(scope="module")
def crowd() -> Tensor:
    """People on a square, seen from above: the clip in the README."""
    frames = islice(decode(Path(__file__).parents[3] / "docs" / "pico.gif", short_side=128), 24)
    return from_pixels(np.stack([frame.pixels for frame in frames])).permute(3, 0, 1, 2)[None]


def test_flow_and_tracks_are_found_once(fall: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for name in ("look", "track"):
        real = getattr(observed, name)
        monkeypatch.setattr(observed, name, lambda *given, real=real, name=name: calls.append(name) or real(*given))
    clip = ObservedClip(fall, 24.0)
    for _ in range(2):
        assert clip.motion.pairs == 23 and clip.laws["permanence"].value == 1.0 and clip.tracks.objects
    assert sorted(calls) == ["look", "track"]


def test_a_thing_alone_is_apart_and_a_crowd_is_not(fall: Tensor, crowd: Tensor) -> None:
    assert ObservedClip(fall, 24.0).separate
    assert not ObservedClip(crowd, 24.0).separate


def test_where_nothing_is_tracked_nothing_is_apart() -> None:
    assert not ObservedClip(torch.zeros(1, 3, 6, 32, 32), 24.0).separate


def test_a_clip_of_unknown_rate_is_still_tracked(fall: Tensor) -> None:
    assert ObservedClip(fall).tracks.fps == 24.0 and math.isnan(ObservedClip(fall).motion.fps)
