"""What every network must do, whatever it is made of."""

import re
from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from examples import examples
from framefall.models.backbone import Condition
from framefall.models.convnet import ConvNetConfig
from framefall.models.experts import ExpertsConfig
from framefall.models.interpolator import InterpolatorConfig
from framefall.models.registry import MODELS
from framefall.models.transformer import TransformerConfig
from framefall.models.unet import UNetConfig

TRANSFORMER = [
    "blocks.N.attn.k_norm.weight",
    "blocks.N.attn.proj.weight",
    "blocks.N.attn.q_norm.weight",
    "blocks.N.attn.qkv.weight",
    "blocks.N.mlp.down_proj.weight",
    "blocks.N.mlp.gate_up_proj.weight",
    "blocks.N.modulation.scale_shift_table",
    "modulation.bias",
    "modulation.weight",
    "norm_out.linear.bias",
    "norm_out.linear.weight",
    "pos_embed.weight",
    "proj_in.N.bias",
    "proj_in.N.weight",
    "proj_out.bias",
    "proj_out.weight",
    "time_embed.mlp.N.bias",
    "time_embed.mlp.N.weight",
]
LEVEL = ["low_res_noise_embed.mlp.N.bias", "low_res_noise_embed.mlp.N.weight"]
POOLED = ["null_text", "number_proj.weight", "pooled_text_proj.bias", "pooled_text_proj.weight"]
TEXT = [*POOLED, "text_proj.bias", "text_proj.weight"]
_ATTENTION = ["k_norm.weight", "proj.weight", "q_norm.weight", "qkv.weight"]
_BLOCK = [f"{name}.{what}" for name in ("conv1", "conv2", "time_emb_proj") for what in ("bias", "weight")]
CONVNET = [
    *(f"blocks.N.{name}" for name in _BLOCK),
    *("conv_in.bias", "conv_in.weight", "conv_out.bias", "conv_out.weight"),
    *("conv_side.bias", "conv_side.weight", "conv_step.bias", "conv_step.weight"),
    *LEVEL,
    *("temporal_convs.N.conv.bias", "temporal_convs.N.conv.weight"),
    *("time_embed.mlp.N.bias", "time_embed.mlp.N.weight"),
]
_LEVELS = ("mid_block", "down_blocks.N", "up_blocks.N")
UNET = [
    *(f"{level}.resnets.N.{name}" for level in _LEVELS for name in _BLOCK),
    *(f"{level}.temporal.attn.{name}" for level in _LEVELS for name in _ATTENTION),
    *(f"mid_block.spatial.attn.{name}" for name in _ATTENTION),
    *("mid_block.text_proj.bias", "mid_block.text_proj.weight", *POOLED),
    *("conv_in.bias", "conv_in.weight", "conv_out.bias", "conv_out.weight"),
    *("upsamplers.N.bias", "upsamplers.N.weight", "skip_convs.N.weight"),
    *("downsamplers.N.bias", "downsamplers.N.weight"),
    *("time_embed.mlp.N.bias", "time_embed.mlp.N.weight"),
]
NAMES = {
    TransformerConfig: TRANSFORMER + TEXT,
    UNetConfig: UNET,
    InterpolatorConfig: ["trunk." + name for name in TRANSFORMER + LEVEL],
    ConvNetConfig: CONVNET,
    ExpertsConfig: [*(f"noisy.{name}" for name in TRANSFORMER + TEXT), *(f"clean.{name}" for name in UNET)],
}


def only(condition: Condition, clip: int) -> Condition:
    """What one clip of a batch is told."""
    parts = {field.name: getattr(condition, field.name) for field in fields(condition)}
    return Condition(**{name: None if part is None else part[clip : clip + 1] for name, part in parts.items()})


def test_every_network_is_tested(toys):
    assert toys.keys() == MODELS.keys() == NAMES.keys()


@pytest.mark.parametrize("channels", examples([1, 3, 5], [1, 2, 3, 4, 5]))
@pytest.mark.parametrize("size", [(1, 5, 9), (5, 7, 10), (3, 1, 2), *examples([], [(1, 8, 8), (4, 8, 8)])], ids=str)
def test_a_video_of_any_size_and_number_of_channels_keeps_them(toy, trained, inputs, size, channels):
    config = toy(channels)
    x_t, t, condition = inputs(config, 1, *size)
    out = trained(config)(x_t, t, condition)
    assert out.shape == x_t.shape and out.dtype == torch.float32
    assert out.isfinite().all() and out.std() > 1e-3


def test_a_clip_does_not_depend_on_its_batch(toy, trained, inputs):
    network, (x_t, t, condition) = trained(toy()), inputs(toy(), 3)
    together = network(x_t, t, condition)
    for clip in range(3):
        alone = network(x_t[clip : clip + 1], t[clip : clip + 1], only(condition, clip))
        # float32: matrix products of another size add in another order
        torch.testing.assert_close(alone, together[clip : clip + 1], rtol=1e-4, atol=1e-5)
    wrong = network(x_t[:1], t[:1], only(condition, 1))  # told of its neighbour
    assert (wrong - together[:1]).abs().max() > 1e-3


def test_every_input_counts(toy, trained, inputs):
    network, (x_t, t, condition) = trained(toy()), inputs(toy())
    before = network(x_t, t, condition)
    assert (network(x_t + 0.1, t, condition) - before).abs().max() > 1e-4
    assert (network(x_t, 1 - t, condition) - before).abs().max() > 1e-4
    if condition.low_res is not None:
        for name in ("low_res", "low_res_noise"):
            other = replace(condition, **{name: getattr(condition, name) * 0.5})
            assert (network(x_t, t, other) - before).abs().max() > 1e-4


def test_gradients_reach_every_parameter_within_a_few_steps(toy, fresh, inputs):
    """Gates and outputs begin at zero, so that the first step cannot reach what lies behind them."""
    network, (x_t, t, condition) = fresh(toy()), inputs(toy())
    target = torch.ones_like(x_t)
    reached: list[set[str]] = []
    for _ in range(4):
        (network(x_t, t, condition) - target).square().mean().backward()
        moved = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.any()}
        reached.append(moved)
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter.data -= 0.1 * parameter.grad
                parameter.grad = None
    assert reached[-1] == {name for name, _ in network.named_parameters()}
    assert reached[0] < reached[-1]


def test_names_of_weights_are_those_of_published_checkpoints(toy, fresh):
    """A new name makes every file unreadable that was ever written, but for a table in `models/keys.py`."""
    network = fresh(toy())
    found = {re.sub(r"\.\d+\.", ".N.", name) for name in network.state_dict()}
    assert sorted(found) == sorted(NAMES[type(toy())])


def test_the_same_generator_gives_the_same_weights(toy, fresh):
    one, two = fresh(toy()).state_dict(), fresh(toy()).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_recomputing_activations_changes_no_value_and_no_gradient(toy, trained, inputs):
    def run(checkpoint: bool) -> tuple[Tensor, list[Tensor]]:
        network = trained(toy(checkpoint_activations=checkpoint))
        x_t, t, condition = inputs(toy())
        out = network(x_t, t, condition)
        out.square().mean().backward()
        return out, [p.grad for p in network.parameters()]

    (plain, grads), (again, grads_again) = run(False), run(True)
    assert torch.equal(plain, again)
    for one, two in zip(grads, grads_again, strict=True):
        torch.testing.assert_close(one, two)


def test_recomputing_activations_really_forgets_them(toy, trained, inputs):
    kept: list[int] = []

    def remember(tensor: Tensor) -> Tensor:
        kept[-1] += tensor.numel()
        return tensor

    for checkpoint in (False, True):
        network, (x_t, t, condition) = trained(toy(checkpoint_activations=checkpoint)), inputs(toy())
        kept.append(0)
        with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
            network(x_t, t, condition)
    assert kept[1] < 0.7 * kept[0]


def test_nothing_is_kept_from_one_call_to_the_next(toy, trained, inputs):
    network, (x_t, t, condition) = trained(toy()), inputs(toy())
    first = network(x_t, t, condition)
    network(x_t.flip(0), t.flip(0), condition)
    assert torch.equal(network(x_t, t, condition), first)


# one diffusion time for a clip, or one a frame


def test_frames_of_one_time_give_the_bits_of_their_clips_time(toy, trained, inputs):
    config = toy()
    x_t, t, condition = inputs(config)
    network = trained(config)
    each = t[:, None].expand(-1, x_t.shape[2])
    assert torch.equal(network(x_t, t, condition), network(x_t, each, condition))


def test_a_clip_of_one_time_is_itself_beside_one_whose_frames_differ(toy, trained, inputs):
    config = toy()
    x_t, t, condition = inputs(config)
    network = trained(config)
    each = t[:, None].repeat(1, x_t.shape[2])
    each[1] = torch.linspace(0.1, 0.9, x_t.shape[2])
    one, mixed = network(x_t, t, condition), network(x_t, each, condition)
    torch.testing.assert_close(mixed[0], one[0], rtol=1e-4, atol=1e-5)
    assert (mixed[1] - one[1]).abs().max() > 1e-2


def test_each_frame_is_steered_by_its_own_time(toy, trained, inputs):
    config = toy()
    x_t, t, condition = inputs(config, frames=6)
    network = trained(config)
    each = t[:, None] * torch.linspace(0.2, 0.9, 6)
    other = each.clone()
    other[:, 5] += 0.1
    moved = (network(x_t, other, condition) - network(x_t, each, condition)).abs().amax((0, 1, 3, 4))
    assert moved[5] > 1e-3 and moved[5] == moved.max() and moved[5] > 1.4 * moved[0]
