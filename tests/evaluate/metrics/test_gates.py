"""Numbers that a clip wins by doing nothing are voided, with a reason."""

import math

import pytest
import torch
from torch import Tensor

from framefall.evaluate.metrics import coherence, gates, motion
from framefall.flow import Motion, look

FPS = 24.0


def texture(columns: Tensor) -> Tensor:
    rows = torch.arange(64.0)[:, None]
    return 0.4 * (torch.sin(columns / 7) * torch.cos(rows / 9) + torch.sin(columns / 11 + rows / 6))


def square(frames: int = 24, speed: float = 1.5) -> Tensor:
    """A light square that crosses a dark, textured ground."""
    video = (0.3 * texture(torch.arange(64.0)) - 0.5).repeat(1, 1, frames, 1, 1)
    for frame in range(frames):
        left = 4 + round(speed * frame)
        video[..., frame, 26:38, left : left + 12] = 0.8
    return video


def slide(frames: int = 24, speed: float = 0.3) -> Tensor:
    """A texture that hardly moves."""
    return torch.stack([texture(torch.arange(64.0) + speed * frame) for frame in range(frames)])[None, None]


def scores(seen: Motion, reference: Motion) -> dict[str, float]:
    return {
        "flicker": coherence.flicker(seen),
        "warp_error": motion.warp_error(seen),
        "dynamic_ratio": motion.dynamic_ratio(seen, reference),
        "longest_still": motion.longest_still(seen),
        "repeated_frames": motion.repeated_frames(seen),
    }


def test_what_a_frozen_clip_wins_is_voided_with_a_reason() -> None:
    clip = square()
    real, frozen = look(clip, FPS), look(clip[:, :, :1].expand_as(clip), FPS)
    fair, unfair = scores(real, real), scores(frozen, real)
    # the broken control: without a gate the frozen clip wins
    assert unfair["flicker"] < fair["flicker"] and unfair["warp_error"] < fair["warp_error"]
    kept, reasons = gates.gated(unfair)
    assert math.isnan(kept["flicker"]) and math.isnan(kept["warp_error"]) and "nothing happens" in reasons["flicker"]
    assert kept["longest_still"] == 1.0  # the gate's own number stays to be seen
    assert gates.gated(fair) == (fair, {})


@pytest.mark.parametrize(
    "damage, word",
    [
        (lambda clip: clip[:, :, torch.arange(24) // 2 * 2], "repeats"),
        (lambda clip: slide(), "times the reference's motion"),
    ],
    ids=["held on twos", "hardly moves"],
)
def test_other_ways_to_win_are_voided_too(damage, word: str) -> None:
    clip = square()
    _, reasons = gates.gated(scores(look(damage(clip), FPS), look(clip, FPS)))
    assert word in reasons["flicker"]


def test_what_cannot_be_measured_voids_nothing() -> None:
    given = {"flicker": 0.1, "dynamic_ratio": math.nan}
    kept, reasons = gates.gated(given)
    assert kept["flicker"] == 0.1 and not reasons


def test_every_gate_looks_at_a_score_that_no_gate_voids() -> None:
    assert not {gate.metric for gate in gates.GATES.values()} & set(gates.GATED)
    assert {name for names in gates.GATED.values() for name in names} == set(gates.GATES)
