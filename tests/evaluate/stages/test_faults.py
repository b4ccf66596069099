"""Numbers that grow with one fault of a clip, and what a stage adds to its input."""

import pytest
import torch
from torch import Tensor

from framefall.evaluate.metrics import observed
from framefall.evaluate.metrics.observed import ObservedClip
from framefall.evaluate.stages.faults import QUANTITIES, Yardstick, law, leap, measure_quantities, plain
from framefall.tracking.tracker import track


def test_a_bounce_is_no_leap_and_a_jump_is():
    places = torch.tensor([4.0, 8, 12, 16, 20, 18, 14, 10, 6])  # turns between two frames

    def ball(across: Tensor) -> Tensor:
        x = torch.arange(24) + 0.5
        down = (torch.arange(24) + 0.5)[:, None]
        return 1 - 2 * torch.stack([((x - c) ** 2 + (down - 12) ** 2 < 9).float() for c in across])[None, None].expand(
            1, 3, -1, -1, -1
        )

    def size(across: Tensor) -> float:
        video = ball(across)
        return leap(ObservedClip(video, 6.0))

    jump = places.clone()
    jump[5:] = torch.tensor([12.0, 16, 20, 22])
    assert size(places) < 0.05 and size(torch.arange(9) * 2.0 + 4) < 0.01
    assert size(jump) > 0.3


@pytest.mark.parametrize("shape", [(1, 3, 1, 8, 8), (1, 1, 2, 2, 2), (1, 4, 5, 16, 8)])
def test_a_clip_that_cannot_be_measured_gives_nan(shape: tuple[int, ...]):
    for value in (-1.0, 0.0):
        assert set(measure_quantities(torch.full(shape, value), 6.0)) == set(QUANTITIES)


def textured(frames: int = 9, side: int = 32) -> Tensor:
    coarse = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    still = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1) * 1.6 - 0.8
    return still[:, :, None].repeat(1, 1, frames, 1, 1)


def test_each_fault_grows_with_its_own_damage_alone():
    still = textured()
    shaken = still.clone()
    shaken[:, :, 1::2] = still[:, :, 1::2].roll(1, -1)
    damages = {
        "jitter": shaken,
        "blur": torch.nn.functional.avg_pool3d(still, (1, 5, 5), 1, (0, 2, 2), count_include_pad=False),
        "grain": still + 0.2 * torch.randn(still.shape, generator=torch.Generator().manual_seed(1)),
        "colour drift": still + torch.linspace(0, 0.3, 9)[:, None, None],
    }
    usual = measure_quantities(still, 8.0, {name: QUANTITIES[name] for name in damages})
    for name, video in damages.items():
        assert measure_quantities(video, 8.0, {name: QUANTITIES[name]})[name] > usual[name] + 0.01
    assert usual["jitter"] == pytest.approx(0.0, abs=1e-6) and usual["colour drift"] == 0.0
    # a placebo: less contrast neither trembles nor drifts
    faint = measure_quantities(0.9 * still, 8.0, {name: QUANTITIES[name] for name in damages})
    assert faint["jitter"] == pytest.approx(0.0, abs=1e-6) and faint["colour drift"] == 0.0


def test_the_plain_method_adds_nothing_and_keeps_its_input():
    given = textured(5, 16)
    yardstick = Yardstick(given, 2, 2, 4.0, {"blur": QUANTITIES["blur"]})
    added = yardstick.added(plain(given, 2, 2))
    assert added["blur"] == 0.0 and added["input lost"] < 0.02 and added["colour shift"] < 0.005
    assert yardstick.added(plain(given, 2, 2) + 0.2)["colour shift"] == pytest.approx(0.1, abs=0.005)


def test_two_laws_of_one_clip_are_read_off_one_tracking(monkeypatch: pytest.MonkeyPatch):
    calls = []
    monkeypatch.setattr(observed, "track", lambda *given: calls.append(given) or track(*given))
    measure_quantities(textured(5, 16), 6.0, {name: law(name) for name in ("continuity", "permanence")})
    assert len(calls) == 1
