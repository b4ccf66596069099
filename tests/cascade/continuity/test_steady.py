"""A light that stays."""

import torch
from torch import Tensor

from framefall.cascade.continuity.steady import STILL, steadied


def wall(frames: int, box: int = 8) -> Tensor:
    """A shaded wall with a red box that moves along it."""
    shade = torch.linspace(-0.4, 0.2, 32).expand(1, 3, frames, 32, 32).clone()
    for frame in range(frames):
        shade[:, :, frame, 4 : 4 + box, 3 * frame : 3 * frame + box] = torch.tensor([0.9, -0.9, -0.9])[:, None, None]
    return shade


def test_a_light_that_drifts_is_brought_back():
    true = wall(6)
    drift = torch.tensor([0.02, 0.03, 0.01])[:, None, None, None] * torch.arange(6)[:, None, None]
    video = steadied(true + drift, true[:, :, :1])
    assert float(drift.max()) > 0.14
    assert float((video - true).abs().max()) < 1e-3  # the box too, since the light fell on it as well


def test_what_is_in_order_stays_as_it_is():
    true = wall(6)
    assert float((steadied(true, true[:, :, :1]) - true).abs().max()) < 1e-6


def test_another_scene_keeps_its_own_light():
    before, after = wall(1), wall(4) + 1.5 * STILL
    assert torch.equal(steadied(after, before), after.clamp(-1, 1))
    half = wall(4)
    half[..., :16, :] += 1.5 * STILL  # half of the picture is another
    assert torch.equal(steadied(half, before), half.clamp(-1, 1))


def test_clips_do_not_see_one_another():
    both = torch.cat((wall(3) + 0.1, wall(3) - 0.05))
    first = torch.cat((wall(1), wall(1)))
    alone = [steadied(both[[clip]], first[[clip]]) for clip in range(2)]
    assert torch.equal(steadied(both, first), torch.cat(alone))
