"""Each clip is its expert's, whatever clips are beside it."""

from dataclasses import replace

import pytest
import torch

from framefall.config import from_json, to_json
from framefall.models.backbone import Condition
from framefall.models.experts import Experts, ExpertsConfig, retold
from framefall.models.registry import build
from framefall.models.transformer import TransformerConfig
from framefall.models.unet import UNetConfig

FRAMES, SIZE, TEXT = 4, 16, 16
TOLD = {"low_res_channels": 4, "text_dim": TEXT, "words": 6}
CONFIG = ExpertsConfig(
    noisy=TransformerConfig(dim=64, depth=1, heads=1, patch=(1, 8, 8), bottleneck=32, **TOLD),
    clean=UNetConfig(dim=32, multipliers=(1, 1), blocks=(1, 1), unshuffle=2, spatial_from=1, **TOLD),
)


@pytest.fixture(scope="module")
def experts() -> Experts:
    torch.manual_seed(0)
    made = build(CONFIG)
    assert isinstance(made, Experts)
    with torch.no_grad():  # what begins at zero says nothing
        for weight in made.parameters():
            weight.add_(torch.randn_like(weight) * 0.05)
    return made.eval()


def asked(count: int) -> tuple[torch.Tensor, Condition]:
    """Noisy clips, and all that they are told."""
    generator = torch.Generator().manual_seed(1)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(count, *shape, generator=generator)

    seconds = torch.arange(FRAMES).expand(count, -1) / 6.0
    text, real = drawn(6, TEXT), torch.arange(6).expand(count, -1) < torch.arange(1, count + 1)[:, None]
    condition = Condition(seconds=seconds, text=text, text_mask=real, low_res=drawn(4, FRAMES, SIZE, SIZE))
    return drawn(3, FRAMES, SIZE, SIZE), condition


def one(condition: Condition, row: int) -> Condition:
    given = {name: value[row : row + 1] for name, value in vars(condition).items() if value is not None}
    return replace(condition, **given)


@pytest.mark.parametrize("by_frame", [False, True])
@torch.no_grad()
def test_a_clip_is_made_by_the_expert_of_its_noisiest_frame_alone_or_beside_others(
    experts: Experts, by_frame: bool
) -> None:
    x_t, condition = asked(4)
    t = torch.tensor([0.9, 0.1, 0.5, 0.49])
    if by_frame:
        t = torch.stack((t, *([0.3 * t] * (FRAMES - 1))), dim=1)
    together = experts(x_t, t, condition)
    for row, expert in enumerate((experts.noisy, experts.clean, experts.noisy, experts.clean)):
        alone = x_t[row : row + 1], t[row : row + 1], one(condition, row)
        torch.testing.assert_close(expert(*alone), experts(*alone), rtol=0, atol=0)
        torch.testing.assert_close(expert(*alone), together[row : row + 1], rtol=1e-4, atol=1e-4)
        other = experts.clean if expert is experts.noisy else experts.noisy
        assert (other(*alone) - together[row : row + 1]).abs().max() > 0.01  # the control: they differ


@torch.no_grad()
def test_an_expert_can_be_two_experts_again() -> None:
    inner = replace(CONFIG, split=0.8, clean=CONFIG.noisy)
    torch.manual_seed(0)
    three = build(replace(CONFIG, noisy=inner))
    assert isinstance(three, Experts) and isinstance(three.noisy, Experts)
    for weight in three.parameters():
        weight.add_(torch.randn_like(weight) * 0.05)
    x_t, condition = asked(4)
    t = torch.tensor([0.9, 0.6, 0.3, 0.79])
    made = three(x_t, t, condition)
    for row, expert in enumerate((three.noisy.noisy, three.noisy.clean, three.clean, three.noisy.clean)):
        alone = expert(x_t[row : row + 1], t[row : row + 1], one(condition, row))
        torch.testing.assert_close(alone, made[row : row + 1], rtol=1e-4, atol=1e-4)
    assert (made[3] - three.noisy.noisy(x_t, t, condition)[3]).abs().max() > 0.01  # the control: they differ
    read = from_json(ExpertsConfig, to_json(three.config))
    assert read == three.config and isinstance(read.noisy, ExpertsConfig)
    assert retold(three.config, words=7).noisy.noisy.words == 7  # type: ignore[union-attr]


@pytest.mark.parametrize(("side", "split", "said"), [("noisy", 0.4, "above 0.5"), ("clean", 0.6, "below 0.5")])
def test_inner_experts_have_times_of_their_own(side: str, split: float, said: str) -> None:
    inner = replace(CONFIG, split=split)
    with pytest.raises(ValueError, match=f"the split of the {side} expert must be {said}, .*, got {split}"):
        replace(CONFIG, **{side: inner})


def test_an_expert_learns_its_own_clips_alone(experts: Experts) -> None:
    x_t, condition = asked(3)
    experts(x_t, torch.tensor([0.2, 0.3, 0.4]), condition).square().mean().backward()
    assert all(weight.grad is None for weight in experts.noisy.parameters())
    assert any(weight.grad is not None and weight.grad.abs().max() > 0 for weight in experts.clean.parameters())
    experts.zero_grad(set_to_none=True)


@torch.no_grad()
def test_a_graph_computes_both_and_takes_each_clips_own(experts: Experts, monkeypatch: pytest.MonkeyPatch) -> None:
    x_t, condition = asked(3)
    t = torch.tensor([0.7, 0.2, 0.55])
    plain = experts(x_t, t, condition)
    monkeypatch.setattr("framefall.models.experts.is_read", lambda: True)
    torch.testing.assert_close(experts(x_t, t, condition), plain, rtol=1e-4, atol=1e-4)


def test_experts_that_are_told_different_things_are_refused() -> None:
    with pytest.raises(ValueError, match="both experts must have the same words, got 6 and 5; set both"):
        replace(CONFIG, clean=replace(CONFIG.clean, words=5))
    with pytest.raises(ValueError, match=r"split must be between 0 and 1, got 1.0; try 0.5"):
        replace(CONFIG, split=1.0)
