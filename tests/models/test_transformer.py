from dataclasses import replace

import pytest
import torch

from framefall.models.backbone import Condition
from framefall.models.transformer import Block, SpaceTimeTransformer, TransformerConfig

SHOWN = TransformerConfig(
    channels=2, out_channels=7, low_res_channels=3, dim=16, depth=1, heads=2, patch=(2, 4, 4), bottleneck=8
)


@pytest.fixture
def scene(toys, trained, inputs):
    """A network that takes text and two numbers, and what it is given."""
    config = toys[TransformerConfig]()
    return trained(config), inputs(config)


def apart(one: torch.Tensor, two: torch.Tensor) -> float:
    return float((one - two).detach().abs().max())


def test_an_untrained_block_is_the_identity():
    block, x = Block(16, 2), torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(0))
    angles, closed = torch.ones(2, 5, 4), torch.zeros(2, 6, 16)
    assert torch.equal(block(x, closed, angles), x)
    opened = closed.clone()
    opened[:, 2] = 1.0  # the gate of attention
    assert apart(block(x, opened, angles), x) > 1e-2


def test_an_untrained_network_says_nothing(toys, fresh, inputs):
    config = toys[TransformerConfig]()
    assert not fresh(config)(*inputs(config)).any()


def test_a_network_without_text_needs_none(trained):
    config = TransformerConfig(channels=1, dim=16, depth=1, heads=2, patch=(2, 4, 4), bottleneck=8)
    x_t, t = torch.randn(1, 1, 4, 8, 8), torch.rand(1)
    bare = Condition(seconds=torch.zeros(1, 4))
    told = replace(
        bare, text=torch.randn(1, 5, 6), text_mask=torch.ones(1, 5, dtype=torch.bool), numbers=torch.ones(1, 1, 3)
    )
    network = trained(config)
    assert torch.equal(network(x_t, t, bare), network(x_t, t, told))
    assert not hasattr(network, "words")


def test_a_masked_word_is_the_null_word_whatever_its_state(scene):
    network, (x_t, t, condition) = scene
    null = condition.without_text()
    shouted = replace(null, text=100 * null.text)
    assert torch.equal(network(x_t, t, null), network(x_t, t, shouted))
    assert apart(network(x_t, t, condition), network(x_t, t, replace(condition, text=100 * condition.text))) > 1e-3


def test_a_masked_word_may_even_be_not_a_number(scene):
    network, (x_t, t, condition) = scene
    null = condition.without_text()
    broken = replace(null, text=torch.full_like(null.text, torch.nan))
    assert torch.equal(network(x_t, t, null), network(x_t, t, broken))


def test_a_caption_reaches_only_its_own_clip(scene):
    network, (x_t, t, condition) = scene
    text = condition.text.clone()
    text[0] *= 3
    moved = (network(x_t, t, replace(condition, text=text)) - network(x_t, t, condition)).abs().amax((1, 2, 3, 4))
    assert moved[0] > 1e-3 and moved[1] == 0


def test_every_word_counts_and_a_caption_without_words_is_not_no_caption(scene):
    network, (x_t, t, condition) = scene
    fewer = condition.text_mask.clone()
    fewer[:, 1] = False
    assert apart(network(x_t, t, condition), network(x_t, t, replace(condition, text_mask=fewer))) > 1e-4


def test_words_have_no_place_and_are_not_turned(scene):
    """The order of a caption is in its states: the network itself takes words as a set."""
    network, (x_t, t, condition) = scene
    turned = replace(condition, text=condition.text.flip(1), text_mask=condition.text_mask.flip(1))
    torch.testing.assert_close(network(x_t, t, turned), network(x_t, t, condition), rtol=1e-4, atol=1e-5)
    moved = replace(condition, text=condition.text.flip(1))  # other states stand behind the mask
    assert apart(network(x_t, t, moved), network(x_t, t, condition)) > 1e-3


def test_one_number_for_the_clip_is_the_same_number_for_each_frame(scene):
    network, (x_t, t, condition) = scene
    each = replace(condition, numbers=condition.numbers.expand(-1, 4, -1))
    torch.testing.assert_close(network(x_t, t, each), network(x_t, t, condition))
    zeros = replace(condition, numbers=torch.zeros_like(condition.numbers))
    assert apart(network(x_t, t, zeros), network(x_t, t, condition)) > 1e-3
    torch.testing.assert_close(network(x_t, t, zeros), network(x_t, t, replace(condition, numbers=None)))


def test_a_number_acts_in_the_patch_of_its_frame(scene):
    """Without blocks nothing is carried from token to token, so that the place of a number shows."""
    network, (x_t, t, condition) = scene
    network.blocks = torch.nn.ModuleList()
    numbers = torch.zeros(2, 4, 2)
    still = network(x_t, t, replace(condition, numbers=numbers))
    numbers[:, 3] = 5.0
    moved = (network(x_t, t, replace(condition, numbers=numbers)) - still).abs().amax((0, 1, 3, 4))
    assert (moved > 1e-4).tolist() == [False, False, True, True]  # frames 2 and 3 share a patch


@pytest.mark.parametrize("frames", [1, 3, 5])
def test_numbers_fit_clips_that_fill_no_whole_patches(trained, toys, inputs, frames):
    network = trained(toys[TransformerConfig]())
    x_t, t, condition = inputs(network.config, 1, frames, 5, 6)
    each = replace(condition, numbers=condition.numbers.expand(-1, frames, -1))
    torch.testing.assert_close(network(x_t, t, each), network(x_t, t, condition))


def test_an_image_is_a_clip_that_stands_still(trained):
    """One frame and its repetition fill the same patch; only where the middle of the patch lies differs."""
    config = TransformerConfig(dim=16, depth=2, heads=2, patch=(2, 4, 4), bottleneck=8)
    network, image = trained(config), torch.randn(1, 3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([0.5])
    one = network(image, t, Condition(seconds=torch.zeros(1, 1)))
    two = network(image.expand(-1, -1, 2, -1, -1), t, Condition(seconds=torch.zeros(1, 2)))
    torch.testing.assert_close(one, two[:, :, :1])


def test_time_between_frames_counts_and_when_the_clip_begins_does_not(scene):
    network, (x_t, t, condition) = scene
    before = network(x_t, t, replace(condition, text=None))
    later = network(x_t, t, replace(condition, text=None, seconds=condition.seconds + 2.0))
    torch.testing.assert_close(later, before, rtol=1e-3, atol=1e-4)  # float32 angles of up to 100 radians
    slower = network(x_t, t, replace(condition, text=None, seconds=condition.seconds * 1.3))
    assert apart(slower, before) > 10 * apart(later, before) and apart(slower, before) > 1e-3


def test_places_in_the_frame_are_told_apart(trained):
    """Relative positions alone could not: a flat picture would have the same answer everywhere."""
    config = TransformerConfig(dim=16, depth=2, heads=2, patch=(1, 4, 4), bottleneck=8)
    network, flat = trained(config), torch.zeros(1, 3, 1, 16, 16)
    patches = network(flat, torch.tensor([0.5]), Condition(seconds=torch.zeros(1, 1)))[0, 0, 0].unfold(0, 4, 4)
    assert apart(patches[0, :4], patches[3, :4]) > 1e-3
    network.place.weight.data.zero_()
    patches = network(flat, torch.tensor([0.5]), Condition(seconds=torch.zeros(1, 1)))[0, 0, 0].unfold(0, 4, 4)
    assert apart(patches[0, :4], patches[3, :4]) < 1e-5


def test_what_comes_out_may_have_other_channels_than_what_goes_in(trained):
    condition = Condition(
        seconds=torch.zeros(2, 3), low_res=torch.randn(2, 3, 3, 6, 6), low_res_noise=torch.tensor([0.0, 0.3])
    )
    assert trained(SHOWN)(torch.randn(2, 2, 3, 6, 6), torch.rand(2), condition).shape == (2, 7, 3, 6, 6)


@pytest.mark.parametrize(("dim", "heads"), [(20, 2), (64, 3), (100, 2)])
def test_heads_that_do_not_fit_are_refused_with_a_number_that_does(dim, heads):
    with pytest.raises(
        ValueError, match=f"dim / heads must be a multiple of 8, got dim={dim}, heads={heads}; try heads=1"
    ):
        TransformerConfig(dim=dim, heads=heads)


def test_a_config_says_how_large_a_network_is():
    sizes = [
        sum(p.numel() for p in SpaceTimeTransformer(replace(SHOWN, depth=depth)).parameters()) for depth in (1, 2, 3)
    ]
    assert sizes[2] - sizes[1] == sizes[1] - sizes[0] > 0


def test_a_detail_head_joins_patches_and_leaves_an_untrained_network_as_it_is(fresh, trained, inputs):
    config = TransformerConfig(dim=16, depth=1, heads=2, patch=(1, 4, 4), bottleneck=8, detail=4)
    assert not fresh(config)(*inputs(config)).any()
    x_t, t, condition = inputs(config)
    condition = replace(condition, text=None, text_mask=None, numbers=None)
    network = trained(config)
    names = {name for name, _ in network.named_parameters() if name.startswith("detail")}
    assert names == {f"detail.{layer}.{kind}" for layer in ("first", "second") for kind in ("weight", "bias")}
    joined = network(x_t, t, condition)
    assert joined.shape == x_t.shape
    torch.nn.init.zeros_(network.detail.second.weight)
    torch.nn.init.zeros_(network.detail.second.bias)
    assert apart(network(x_t, t, condition), joined) > 1e-3
