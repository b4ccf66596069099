from dataclasses import fields, replace

import pytest
import torch

from examples import examples
from framefall.models.backbone import Condition
from framefall.models.transformer import SpaceTimeTransformer, TransformerBlock, TransformerConfig

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
    block, x = TransformerBlock(16, 2), torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(0))
    angles, closed = torch.ones(2, 5, 4), torch.zeros(2, 1, 6, 16)
    assert torch.equal(block(x, closed, angles), x)
    opened = closed.clone()
    opened[:, :, 2] = 1.0  # the gate of attention
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
    network.pos_embed.weight.data.zero_()
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
    assert names == {f"detail.{layer}.{kind}" for layer in ("conv1", "conv2") for kind in ("weight", "bias")}
    joined = network(x_t, t, condition)
    assert joined.shape == x_t.shape
    torch.nn.init.zeros_(network.detail.conv2.weight)
    torch.nn.init.zeros_(network.detail.conv2.bias)
    assert apart(network(x_t, t, condition), joined) > 1e-3


SMALL = {"dim": 16, "depth": 4, "heads": 2, "bottleneck": 8, "text_dim": 6, "numbers": 2}
FUSIONS = ["per_frame", "temporal", "sparse", "joint"]


def fused(fusion: str, frames: int = 1, pattern: str = "window(1)") -> TransformerConfig:
    return TransformerConfig(fusion=fusion, pattern=pattern, patch=(frames, 4, 4), **SMALL)


def test_how_frames_are_fused_is_a_switch_on_the_same_weights(fresh):
    states = [fresh(fused(fusion)).state_dict() for fusion in FUSIONS]
    for state in states[1:]:
        assert list(state) == list(states[0])
        assert all(torch.equal(state[name], states[0][name]) for name in state)
    assert TransformerConfig().fusion == "joint"  # what checkpoints that do not say it mean


def test_what_a_token_sees_is_another_thing_for_every_fusion(trained, inputs):
    outs = [trained(fused(fusion))(*inputs(fused(fusion), 1, 5)) for fusion in FUSIONS]
    for index, one in enumerate(outs):
        for other in outs[:index]:
            assert apart(one, other) > 1e-3


def test_per_frame_is_the_joint_network_run_once_a_frame(trained, inputs):
    config = replace(fused("per_frame"), low_res_channels=2)
    network, image = trained(config), trained(replace(config, fusion="joint"))
    x_t, t, condition = inputs(config, 2, 3)
    together = network(x_t, t, condition)
    for frame in range(3):
        at = slice(frame, frame + 1)
        told = replace(condition, seconds=condition.seconds[:, at], low_res=condition.low_res[:, :, at])
        torch.testing.assert_close(image(x_t[:, :, at], t, told), together[:, :, at], rtol=1e-4, atol=1e-5)
    assert apart(trained(replace(config, fusion="joint"))(x_t, t, condition), together) > 1e-3


@pytest.mark.parametrize("fusion", ["temporal", "sparse"])
@pytest.mark.parametrize("frames", [1, 2], ids=["a frame", "two frames a token"])
def test_attention_along_time_leaves_one_frame_alone_and_joins_more(trained, inputs, fusion, frames):
    config = fused(fusion, frames)
    network, deaf = trained(config), trained(config)
    for block in deaf.blocks[1::2]:
        block.attn.proj.weight.data.zero_()
    one, many = inputs(config, 2, 1), inputs(config, 2, 5)
    assert torch.equal(network(*one), deaf(*one))
    assert apart(network(*many), deaf(*many)) > 1e-3
    x_t, t, condition = many
    other = x_t.clone()
    other[:, :, 0] += 1.0
    moved = (network(other, t, condition) - network(x_t, t, condition)).abs().amax((0, 1, 3, 4)) > 1e-5
    reached = 3 if (fusion, frames) == ("sparse", 1) else 5  # two blocks, one neighbour each
    assert moved.tolist() == [True] * reached + [False] * (5 - reached)


def test_sparse_over_a_window_wider_than_the_clip_is_temporal(trained, inputs):
    wide, narrow, full = fused("sparse", 1, "window(9)"), fused("sparse"), fused("temporal")
    told = inputs(full, 2, 5)
    torch.testing.assert_close(trained(wide)(*told), trained(full)(*told), rtol=1e-4, atol=1e-5)
    assert apart(trained(narrow)(*told), trained(full)(*told)) > 1e-3


def test_a_causal_pattern_looks_at_no_later_frame(trained, inputs):
    for pattern, blind in (("causal+window(2)", True), ("window(2)", False)):
        config = fused("sparse", 1, pattern)
        network, (x_t, t, condition) = trained(config), inputs(config, 1, 5)
        other = x_t.clone()
        other[:, :, 3:] += 1.0
        moved = apart(network(other, t, condition)[:, :, :3], network(x_t, t, condition)[:, :, :3])
        assert (moved < 1e-5) is blind


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion_reads_every_word_and_every_number_and_does_not_mix_clips(trained, inputs, fusion):
    network, (x_t, t, condition) = trained(fused(fusion)), inputs(fused(fusion), 2, 3)
    before = network(x_t, t, condition)
    text = condition.text.clone()
    text[0, 1] += 1.0
    for other in (replace(condition, text=text), replace(condition, numbers=condition.numbers + torch.eye(2)[:, None])):
        moved = (network(x_t, t, other) - before).abs().amax((1, 3, 4))
        assert moved[0].min() > 1e-4  # in every frame of its own clip
    assert (network(x_t, t, replace(condition, text=text)) - before)[1].abs().max() == 0


@pytest.mark.parametrize("fusion", [*FUSIONS][:: examples(2, 1)])
def test_every_fusion_overfits_one_clip_and_its_gradients_reach_everything(fresh, inputs, fusion):
    network, (noise, t, condition) = fresh(fused(fusion)), inputs(fused(fusion), 1, 3)
    clip = torch.linspace(-1, 1, 3)[None, None, :, None, None].expand_as(noise) * noise.sign()
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = (network(noise, t, condition) - clip).square().mean()
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
    assert losses[-1] < 0.3 * losses[0]
    assert all(parameter.grad.abs().max() > 0 for parameter in network.parameters())


def test_a_network_that_works_per_frame_refuses_patches_of_several():
    with pytest.raises(ValueError, match=r"needs patches of one frame, got patch=\(2, 8, 8\); try patch=\(1, 8, 8\)"):
        TransformerConfig(fusion="per_frame")
    with pytest.raises(ValueError, match=r"got 'far\(2\)'; try window"):
        TransformerConfig(fusion="sparse", pattern="far(2)")


def test_hidden_padding_counts_for_nothing_however_much_of_it_there_is(trained, inputs):
    """A clip's caption may be padded to any batch's longest; shown padding, the control, is read as words."""
    seen = TransformerConfig(channels=1, dim=16, depth=2, heads=2, patch=(1, 4, 4), bottleneck=8, text_dim=6, words=9)
    hidden = replace(seen, hide_padding=True)
    x_t, t = torch.randn(2, 1, 4, 8, 8), torch.rand(2)
    text, mask = torch.randn(2, 9, 6), torch.tensor([4, 0])[:, None] > torch.arange(9)  # the second has no caption
    long = Condition(seconds=torch.arange(4).expand(2, 4) / 6, text=text, text_mask=mask)
    short = replace(long, text=text[:, :5], text_mask=mask[:, :5])
    for config, holds in ((hidden, True), (seen, False)):
        network = trained(config)
        assert (apart(network(x_t, t, long), network(x_t, t, short)) < 1e-5) == holds
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert (apart(network(x_t, t, long), network(x_t, t, short)) < 1e-2) == holds
        assert apart(network(x_t, t, long)[1:], network(x_t, t, replace(long, text_mask=mask.flip(0)))[1:]) > 1e-3


def test_padding_is_hidden_where_all_tokens_lie_together():
    with pytest.raises(ValueError, match="hide_padding needs fusion joint or per_frame, got sparse"):
        TransformerConfig(fusion="sparse", hide_padding=True)


LEVELS = torch.tensor([[0.1, 0.4, 0.6, 0.9, 0.3], [0.9, 0.2, 0.5, 0.5, 0.8]])


@pytest.mark.parametrize("patch", [(1, 4, 4), (2, 4, 4)], ids=str)
@pytest.mark.parametrize("hidden", [False, True])
def test_words_that_fill_a_row_of_tokens_change_nothing(toys, trained, inputs, hidden, patch):
    config = replace(toys[TransformerConfig](), patch=patch, hide_padding=hidden)
    x_t, _, condition = inputs(config, frames=5, height=12, width=8)  # six tokens a frame, five words
    network = trained(config)
    assert condition.text.shape[1] % 6
    apart_ = network(x_t, LEVELS, condition)
    shown = [network(x_t[i : i + 1], LEVELS[i : i + 1], one(condition, i)) for i in range(2)]
    torch.testing.assert_close(apart_, torch.cat(shown), rtol=1e-4, atol=1e-5)
    more = replace(
        condition,
        text=torch.nn.functional.pad(condition.text, (0, 0, 0, 1)),
        text_mask=torch.nn.functional.pad(condition.text_mask, (0, 1)),
    )
    same = apart(network(x_t, LEVELS, more), apart_)
    assert same < 1e-5 if hidden else same > 1e-4  # a null word that is seen counts: those that fill a row are not seen


@pytest.mark.parametrize("fusion", ["joint", "temporal", "sparse", "per_frame"])
def test_every_fusion_takes_a_time_for_each_frame(toys, trained, inputs, fusion):
    config = replace(toys[TransformerConfig](), patch=(1, 4, 4), fusion=fusion)
    x_t, _, condition = inputs(config, frames=5)
    network = trained(config)
    made = network(x_t, LEVELS, condition)
    assert made.isfinite().all()
    for change in (LEVELS.flip(1), LEVELS.flip(0)):
        assert apart(network(x_t, change, condition), made) > 1e-2


def one(condition: Condition, clip: int) -> Condition:
    """What one of the clips is told."""
    values = {field.name: getattr(condition, field.name) for field in fields(condition)}
    return Condition(**{name: value[clip : clip + 1] for name, value in values.items() if value is not None})


# few steps: where a step goes, and a scale of guidance


def distilled(config, trained, **changes):
    """The network with both inputs, and weights that are not zero."""
    return trained(replace(config, flow_map=True, baked_guidance=(1.0, 4.0), **changes))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_network_is_told_where_a_step_goes_for_a_clip_or_for_each_frame(fusion, trained, inputs):
    config = fused(fusion)
    network = distilled(config, trained)
    x_t, t, condition = inputs(config)
    frames = x_t.shape[2]

    def until(value):
        return network(x_t, t, replace(condition, until=value))

    assert torch.equal(network(x_t, t, condition), until(t))  # untold, it stands still
    assert apart(until(0 * t), until(t)) > 1e-3
    each = (0.5 * t)[:, None].expand(-1, frames)
    assert torch.equal(until(each), until(0.5 * t))
    some = each.clone()
    some[:, -2:] = 0.0
    assert apart(until(some), until(each)) > 1e-3
    by_frame = t[:, None].repeat(1, frames)
    by_frame[:, :2] = 0.0  # given frames
    told = replace(condition, until=0.5 * by_frame)
    assert network(x_t, by_frame, told).isfinite().all()


def test_a_network_is_told_a_scale_of_guidance_for_each_clip(trained, inputs):
    config = fused("joint")
    network = distilled(config, trained)
    x_t, t, condition = inputs(config)
    one, strong = (network(x_t, t, replace(condition, guidance_scale=torch.tensor([1.0, w]))) for w in (1.0, 3.0))
    torch.testing.assert_close(one[0], strong[0])
    assert apart(one[1], strong[1]) > 1e-3
    torch.testing.assert_close(network(x_t, t, condition), one)  # untold, it is without guidance


@pytest.mark.parametrize("wrong", [(0.0, 2.0), (3.0, 1.0), (1.0, float("inf"))])
def test_a_range_of_scales_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="baked_guidance must rise from above 0"):
        TransformerConfig(baked_guidance=wrong)
