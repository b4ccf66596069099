from dataclasses import replace

import pytest
import torch
from torch import Tensor

from framefall.models.backbone import Condition
from framefall.models.convnet import ConvNetConfig, SpaceTimeConvNet
from framefall.models.deeper import begun, unlike

SHAPES = [(2, 2, 2), (4, 2, 2), (4, 8, 1), (1, 1, 2), (3, 4, 4), (2, 1, 8)]  # depth, unshuffle, mix_every


def box(moved: Tensor) -> list[tuple[int, int]]:
    """First and last place along every axis at which anything moved."""
    return [(int(places.min()), int(places.max())) for places in moved.nonzero().unbind(1)]


def spread(network: SpaceTimeConvNet, inputs, name: str, size: int, frames: int) -> list[tuple[int, int]]:
    """How far the middle cell's change goes: in frames, rows and columns."""
    cell = network.config.unshuffle
    x_t, t, condition = inputs(network.config, 1, frames, size * cell, size * cell)
    places = slice(size // 2 * cell, size // 2 * cell + cell)
    changed = {"x_t": x_t, "low_res": condition.low_res}[name].clone()
    changed[:, :, frames // 2, places, places] += 1.0
    with torch.no_grad():
        before = network(x_t, t, condition)
        if name == "x_t":
            after = network(changed, t, condition)
        else:
            after = network(x_t, t, replace(condition, low_res=changed))
    return box((after != before).any(1)[0])


@pytest.mark.parametrize("name", ["x_t", "low_res"])
@pytest.mark.parametrize(("depth", "unshuffle", "mix_every"), SHAPES)
def test_it_sees_as_far_as_its_halo_says_and_no_further(trained, inputs, depth, unshuffle, mix_every, name):
    network = trained(
        ConvNetConfig(channels=1, dim=8, depth=depth, unshuffle=unshuffle, mix_every=mix_every, edges=True)
    )
    in_frames, in_pixels = network.halo
    cells = in_pixels // unshuffle
    size, frames = 2 * cells + 5, 2 * in_frames + 3  # two cells and a frame more than it can see
    expected = [(frames // 2 - in_frames, frames // 2 + in_frames)]
    expected += 2 * [((size // 2 - cells) * unshuffle, (size // 2 + cells + 1) * unshuffle - 1)]
    assert spread(network, inputs, name, size, frames) == expected


def test_a_halo_grows_with_every_block(fresh):
    one, two = (fresh(ConvNetConfig(dim=8, depth=depth, mix_every=1)).halo for depth in (1, 2))
    assert one == (1, 4 * 4) and two == (2, 6 * 4)


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("size", [(1, 8, 8), (3, 7, 9)], ids=str)
def test_untrained_it_is_the_enlarged_video(toys, fresh, inputs, size, edges):
    config = replace(toys[ConvNetConfig](), edges=edges)
    x_t, t, condition = inputs(config, 2, *size)
    assert torch.equal(fresh(config)(x_t, t, condition), condition.low_res)


def test_trained_it_adds_to_the_enlarged_video(toys, trained, inputs):
    config = toys[ConvNetConfig]()
    x_t, t, condition = inputs(config)
    assert (trained(config)(x_t, t, condition) - condition.low_res).abs().max() > 1e-2


def test_an_image_is_a_video_that_stands_still(toys, trained, inputs):
    network = trained(toys[ConvNetConfig]())
    x_t, t, condition = inputs(network.config, 2, 1)
    still = Condition(
        seconds=condition.seconds.expand(-1, 3),
        low_res=condition.low_res.expand(-1, -1, 3, -1, -1),
        low_res_noise=condition.low_res_noise,
    )
    three = network(x_t.expand(-1, -1, 3, -1, -1), t, still)
    torch.testing.assert_close(three, network(x_t, t, condition).expand_as(three))


def test_a_level_of_corruption_that_is_not_told_counts_as_none_told(toys, trained, inputs):
    network = trained(toys[ConvNetConfig]())
    x_t, t, condition = inputs(network.config)
    silent = network(x_t, t, replace(condition, low_res_noise=None))
    assert (silent - network(x_t, t, condition)).abs().max() > 1e-4


@pytest.mark.parametrize("unshuffle", [0, 3, 16])
def test_a_grid_that_tiles_would_not_fit_is_refused(unshuffle):
    with pytest.raises(ValueError, match=f"unshuffle must be 1, 2, 4 or 8.* got {unshuffle}; try 4"):
        ConvNetConfig(unshuffle=unshuffle)


def test_without_the_enlarged_video_it_says_what_it_needs(toys, fresh, inputs):
    config = toys[ConvNetConfig]()
    x_t, t, condition = inputs(config)
    with pytest.raises(ValueError, match=r"needs the enlarged video as condition\.low_res, got none"):
        fresh(config)(x_t, t, replace(condition, low_res=None))


def test_a_side_and_a_step_are_an_edge_within_a_cell(fresh):
    network = fresh(ConvNetConfig(dim=8, depth=1, edges=True))
    with torch.no_grad():
        for weight in (network.conv_side.weight, network.conv_side.bias):
            weight.zero_()
        network.conv_side.bias.view(4, 4)[:, :3] = 20.0  # three columns of a cell on one side, one on the other
        network.conv_side.bias.view(4, 4)[:, 3] = -20.0
        network.conv_step.bias[:] = torch.tensor([0.5, 0.0, -0.25])
        low = torch.zeros(1, 3, 1, 8, 8)
        made = network(low, torch.ones(1), Condition(seconds=torch.zeros(1, 1), low_res=low))[0, :, 0]
    for channel, step in enumerate((0.5, 0.0, -0.25)):
        torch.testing.assert_close(made[channel], torch.tensor([step] * 3 + [-step]).repeat(8, 2))


def test_edges_that_are_not_learnt_yet_change_no_bit_and_begin_to_be_learnt(trained, fresh, inputs):
    plain = trained(ConvNetConfig(dim=8, depth=2))
    config = replace(plain.config, edges=True)
    network = fresh(config)
    network.load_state_dict(begun(plain.state_dict(), network.state_dict(), config))
    x_t, t, condition = inputs(config)
    made = network(x_t, t, condition)
    assert torch.equal(made, plain(x_t, t, condition)) and not list(unlike(plain.config, config))
    made.square().mean().backward()
    assert float(network.conv_step.weight.grad.abs().max()) > 0  # a side that were zero as well would never move
    # but what knows of edges cannot go on as a network that does not
    assert [name for name, *_ in unlike(config, plain.config)] == ["edges"]
