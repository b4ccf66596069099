import re
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from examples import examples
from framefall.models.backbone import Condition
from framefall.models.unet import SpaceTimeUNet, UNetConfig

SIZES = {"dim": 8, "multipliers": (1, 2), "blocks": (1, 1), "head_dim": 8, "spatial_from": 1, "temporal_from": 0}
CHOICES = {
    "per_frame": UNetConfig(fusion="per_frame", **SIZES),
    "factorised": UNetConfig(fusion="conv3d", **SIZES),
    "joint conv3d": UNetConfig(fusion="conv3d", convolution="joint", **SIZES),
    "joint": UNetConfig(fusion="joint", **SIZES),
    "temporal": UNetConfig(fusion="temporal", **SIZES),
    "sparse": UNetConfig(fusion="sparse", pattern="window(1)", **SIZES),
}
FUSING = [name for name in CHOICES if name != "per_frame"]


def apart(one: Tensor, two: Tensor) -> float:
    return float((one - two).detach().abs().max())


def frames_of(condition: Condition, frame: int) -> Condition:
    """What one frame of a clip is told."""
    each = {name: getattr(condition, name) for name in ("seconds", "low_res")}
    cut = {"seconds": each["seconds"][:, frame : frame + 1]}
    if each["low_res"] is not None:
        cut["low_res"] = each["low_res"][:, :, frame : frame + 1]
    return replace(condition, **cut)


@pytest.fixture
def scene(toys, trained, inputs):
    """A network that takes text and two numbers, and what it is given."""
    config = toys[UNetConfig]()
    return trained(config), inputs(config)


@pytest.mark.parametrize("name", FUSING)
def test_of_one_frame_every_choice_is_the_per_frame_network_of_the_same_weights(trained, inputs, name):
    network, plain = trained(CHOICES[name]), trained(CHOICES["per_frame"])
    missing = plain.load_state_dict(network.state_dict(), strict=False).missing_keys
    assert not missing  # what works within frames has the same names everywhere
    told = inputs(CHOICES[name], 2, 1)
    assert torch.equal(network(*told), plain(*told))
    told = inputs(CHOICES[name], 2, 3)
    assert apart(network(*told), plain(*told)) > 1e-2


def test_a_per_frame_network_is_an_image_network_run_once_a_frame(trained, inputs):
    network = trained(replace(CHOICES["per_frame"], low_res_channels=2))
    x_t, t, condition = inputs(network.config)
    together = network(x_t, t, condition)
    for frame in range(4):
        alone = network(x_t[:, :, frame : frame + 1], t, frames_of(condition, frame))
        torch.testing.assert_close(alone, together[:, :, frame : frame + 1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", FUSING)
def test_frames_of_every_other_choice_talk_to_each_other(trained, inputs, name):
    network, (x_t, t, condition) = trained(CHOICES[name]), inputs(CHOICES[name])
    other = x_t.clone()
    other[:, :, 1] += 1.0
    moved = (network(other, t, condition) - network(x_t, t, condition)).abs().amax((0, 1, 3, 4))
    assert moved.min() > 1e-4


def test_joint_reaches_the_levels_where_frames_are_too_large_for_it_by_windows(trained, inputs):
    config = UNetConfig(fusion="joint", **{**SIZES, "multipliers": (1,), "blocks": (1,)})  # one level, outside
    x_t, t, condition = inputs(config, 1, 3, 8, 8)
    other = x_t.clone()
    other[:, :, 1, :4, :4] += 1.0  # one window of one frame
    for joined in (True, False):
        chosen = config if joined else replace(config, fusion="per_frame")
        network = trained(chosen)
        moved = (network(other, t, condition) - network(x_t, t, condition)).abs().amax((0, 1))
        assert bool(moved[0, :4, :4].min() > 1e-4) is joined  # its place in another frame


def test_sparse_over_a_window_wider_than_the_clip_is_temporal(trained, inputs):
    wide, narrow = (replace(CHOICES["sparse"], pattern=f"window({width})") for width in (9, 1))
    network, full = trained(wide), trained(CHOICES["temporal"])
    assert network.state_dict().keys() == full.state_dict().keys()
    told = inputs(wide, 2, 5)
    torch.testing.assert_close(network(*told), full(*told), rtol=1e-4, atol=1e-5)
    assert apart(trained(narrow)(*told), full(*told)) > 1e-3


def test_a_causal_pattern_looks_at_no_later_frame(trained, inputs):
    for pattern, blind in (("causal+window(2)", True), ("window(2)", False)):
        config = replace(CHOICES["sparse"], pattern=pattern)
        network, (x_t, t, condition) = trained(config), inputs(config, 1, 5)
        other = x_t.clone()
        other[:, :, 3:] += 1.0
        moved = (network(other, t, condition) - network(x_t, t, condition))[:, :, :3].abs().max()
        assert bool(moved < 1e-5) is blind


@pytest.mark.parametrize("unshuffle", [1, 2])
@pytest.mark.parametrize("size", [(2, 5, 9), (1, 1, 1), (3, 8, 4)], ids=str)
def test_sizes_that_are_no_multiples_of_the_stride_are_filled_up(trained, inputs, unshuffle, size):
    config = replace(CHOICES["temporal"], unshuffle=unshuffle, out_channels=2)
    x_t, t, condition = inputs(config, 2, *size)
    out = trained(config)(x_t, t, condition)
    assert out.shape == (2, 2, *size) and out.isfinite().all()
    stride = config.stride
    padding = (0, -size[2] % stride, 0, -size[1] % stride, 0, 0)
    whole = trained(config)(torch.nn.functional.pad(x_t, padding, mode="replicate"), t, condition)
    torch.testing.assert_close(whole[..., : size[1], : size[2]], out)


def test_an_untrained_network_says_nothing_and_an_untrained_stage_is_the_identity(toys, fresh, inputs):
    config = toys[UNetConfig]()
    network = fresh(config)
    assert not network(*inputs(config)).any()
    x = torch.randn(4, 16, 3, 3, generator=torch.Generator().manual_seed(0))
    level, seconds, text = torch.ones(1, 1, 32), torch.arange(4)[None] / 4, torch.ones(1, 5, 6)
    assert torch.equal(network.mid_block(x, level, seconds, text), x)


def test_a_masked_word_may_even_be_not_a_number(scene):
    network, (x_t, t, condition) = scene
    null = condition.without_text()
    for other in (100 * null.text, torch.full_like(null.text, torch.nan)):
        assert torch.equal(network(x_t, t, null), network(x_t, t, replace(null, text=other)))
    assert apart(network(x_t, t, condition), network(x_t, t, replace(condition, text=100 * condition.text))) > 1e-3


def test_words_are_read_by_attention_and_not_only_pooled(scene):
    network, (x_t, t, condition) = scene
    pooled = replace(condition, text=condition.text.mean(1, keepdim=True).expand_as(condition.text))
    full = torch.ones_like(condition.text_mask)
    one, two = (network(x_t, t, replace(told, text_mask=full)) for told in (condition, pooled))
    assert apart(one, two) > 1e-4


def test_one_number_for_the_clip_is_the_same_number_for_each_frame(scene):
    network, (x_t, t, condition) = scene
    each = replace(condition, numbers=condition.numbers.expand(-1, 4, -1))
    torch.testing.assert_close(network(x_t, t, each), network(x_t, t, condition))
    later = each.numbers.clone()
    later[:, 2] += 1.0
    assert apart(network(x_t, t, replace(each, numbers=later)), network(x_t, t, condition)) > 1e-3


def test_time_between_frames_counts_and_when_the_clip_begins_does_not(scene):
    network, (x_t, t, condition) = scene
    before = network(x_t, t, condition)
    later = network(x_t, t, replace(condition, seconds=condition.seconds + 2.0))
    torch.testing.assert_close(later, before, rtol=1e-3, atol=1e-4)  # float32 angles of up to 100 radians
    slower = network(x_t, t, replace(condition, seconds=condition.seconds * 1.3))
    assert apart(slower, before) > 10 * apart(later, before)


def test_known_frames_that_are_absent_count_as_zeros(trained, inputs):
    config = replace(CHOICES["temporal"], low_res_channels=2)
    network, (x_t, t, condition) = trained(config), inputs(config)
    nothing = replace(condition, low_res=torch.zeros_like(condition.low_res))
    assert torch.equal(network(x_t, t, replace(condition, low_res=None)), network(x_t, t, nothing))
    assert apart(network(x_t, t, nothing), network(x_t, t, condition)) > 1e-3


@pytest.mark.parametrize("name", [*CHOICES][:: examples(3, 1)])
def test_every_choice_overfits_one_clip_and_its_gradients_reach_everything(fresh, inputs, name):
    network, (noise, t, condition) = fresh(CHOICES[name]), inputs(CHOICES[name], 1, 3, 4, 4)
    clip = torch.linspace(-1, 1, 3)[None, None, :, None, None].expand_as(noise) * noise.sign()
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(30):
        loss = (network(noise, t, condition) - clip).square().mean()
        loss.backward()
        losses.append(loss.item())
        if len(losses) < 30:
            optimizer.step()
            optimizer.zero_grad()
    assert losses[-1] < 0.3 * losses[0]
    assert all(parameter.grad.abs().max() > 0 for parameter in network.parameters())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"blocks": (1,)}, r"must name the same levels, got 2 and 1; try blocks=\(1, 1\)"),
        ({"unshuffle": 3}, "unshuffle must be 1, 2, 4 or 8, got 3; try 2"),
        ({"head_dim": 12}, "head_dim must be a multiple of 8 that divides the channels"),
        ({"head_dim": 32}, r"got head_dim=32 for \(8, 16\); try head_dim=8"),
        ({"pattern": "windows(2)"}, re.escape("got 'windows(2)'; try window(4)")),
    ],
)
def test_sizes_that_do_not_fit_are_refused_in_one_sentence(wrong, said):
    with pytest.raises(ValueError, match=said):
        UNetConfig(**(SIZES | wrong))


def test_the_default_has_ten_million_parameters_most_of_them_where_pixels_are_few():
    with torch.device("meta"):
        network = SpaceTimeUNet(UNetConfig())
    sizes = {name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()}
    assert 9e6 < sum(sizes.values()) < 12e6
    assert sizes["mid_block"] > 0.5 * sum(sizes.values())
