"""What a clip's worth does to the network's belief: towards it, away from it, or nothing."""

import pytest
import torch

from framefall.diffusion.negative_aware import negative_aware_loss, worth

SHAPE = (3, 2, 4, 4)


def gradient(r: float, beta: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """How the loss wants a belief to change that is as before, and where the clip lies."""
    before, x0 = torch.randn(2, 1, *SHAPE, generator=torch.Generator().manual_seed(0)).unbind()
    now = before.clone().requires_grad_(True)
    negative_aware_loss(now, before, x0, torch.tensor([r]), beta).sum().backward()
    assert now.grad is not None
    return -now.grad, x0 - before


def test_what_is_better_is_learnt_and_what_is_worse_is_learnt_away_from() -> None:
    for r, sign in ((1.0, 1), (0.75, 1), (0.25, -1), (0.0, -1)):
        change, way = gradient(r)
        along = torch.nn.functional.cosine_similarity(change.flatten(), way.flatten(), dim=0)
        assert along * sign > 0.999
    half, _ = gradient(0.75)
    whole, _ = gradient(1.0)
    torch.testing.assert_close(2 * half, whole)


def test_what_is_as_good_as_the_others_teaches_nothing_and_as_data_it_would() -> None:
    change, _ = gradient(0.5)
    assert change.abs().max() < 1e-6
    change, _ = gradient(1.0)  # the control: the loss of data
    assert change.abs().max() > 1e-3


def test_the_best_belief_lies_beyond_the_one_before_by_how_much_better_the_clip_is() -> None:
    """Without the weights, whose means are alike here, the minimum is before + (2 r - 1) / beta (x0 - before)."""
    before, x0 = torch.zeros(1, *SHAPE), torch.ones(1, *SHAPE)
    for r, beta in ((0.8, 1.0), (0.3, 1.0), (0.6, 0.5)):
        now = before.clone().requires_grad_(True)
        best = before + (2 * r - 1) / beta * (x0 - before)
        with torch.no_grad():
            now.copy_(best)
        towards, away = (1 - beta) * before + beta * now, (1 + beta) * before - beta * now
        (r * (towards - x0).square() + (1 - r) * (away - x0).square()).sum().backward()
        assert now.grad is not None and now.grad.abs().max() < 1e-5


def test_a_clip_is_worth_more_or_less_than_the_others_of_its_prompt() -> None:
    rewards = torch.tensor([[0.0, 1.0, 0.5, 0.5], [5.0, 5.0, 5.0, 5.0]])
    r = worth(rewards)
    torch.testing.assert_close(r[1], torch.full((4,), 0.5))  # alike: nothing to learn, however good they are
    assert r[0, 1] > 0.5 > r[0, 0] and r[0, 2] == r[0, 3] == 0.5
    torch.testing.assert_close(r, worth(10 * rewards + 3))  # of rewards in other units
    assert worth(rewards, spread=0.1)[0].tolist() == [0.0, 1.0, 0.5, 0.5]
    with pytest.raises(ValueError, match=r"spread must be above 0, got 0"):
        worth(rewards, spread=0)
