import math

import pytest
import torch

from framefall.layers.modulation import (
    BlockModulation,
    LevelEmbedding,
    RMSNorm,
    added_later,
    shared_level,
    sinusoids,
    small_word,
)


def test_level_0_has_no_sine_and_every_cosine():
    assert sinusoids(torch.zeros(1), 8).tolist() == [[0.0] * 4 + [1.0] * 4]


def test_sinusoids_go_from_1_to_1000_radians_over_the_range():
    found = sinusoids(torch.tensor([0.3]), 8)[0].double()
    angles = [0.3 * 10**power for power in range(4)]
    expected = torch.tensor([f(angle) for f in (math.sin, math.cos) for angle in angles], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)  # float32 knows an angle of 300 to 2e-5


def test_neighbouring_levels_look_different():
    levels = torch.linspace(0, 1, 1001)
    found = sinusoids(levels, 128)
    distance = torch.cdist(found, found) + 100 * torch.eye(1001)
    assert distance.min() > 0.5
    assert (found[1:, 0] - found[:-1, 0]).abs().max() < 2e-3  # the slowest sine alone could not tell them apart


def test_levels_of_frames_are_embedded_each_by_itself():
    embed = LevelEmbedding(8, frequencies=16)
    levels = torch.tensor([[0.0, 0.5], [1.0, 0.25]])
    torch.testing.assert_close(embed(levels), torch.stack([embed(clip) for clip in levels]))


def test_frames_of_one_level_have_that_of_their_clip_and_others_keep_their_own():
    alike, unlike = torch.tensor([[0.5, 0.5], [0.1, 0.1]]), torch.tensor([[0.5, 0.5], [0.1, 0.2]])
    assert shared_level(alike).tolist() == alike[:, 0].tolist()
    assert shared_level(unlike) is unlike and shared_level(alike[:, 0]).ndim == 1
    alike[0, 1] = torch.nan
    assert shared_level(alike) is alike


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_level_becomes_one_vector_for_each_clip(dtype):
    embed = LevelEmbedding(24, frequencies=16)
    found = embed(torch.tensor([0.0, 0.5, 1.0], dtype=dtype))
    assert found.shape == (3, 24)
    torch.testing.assert_close(found[1:2], embed(torch.tensor([0.5], dtype=dtype)))
    assert not torch.equal(found[0], found[1])


def test_an_untrained_block_takes_the_shared_modulation_as_it_is():
    shared = torch.randn(2, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    mix, think = BlockModulation(8)(shared)
    for row, part in enumerate((*mix, *think)):  # shift, scale, gate of each branch
        assert torch.equal(part, shared[:, :, row])


def test_nothing_shared_and_nothing_learned_closes_every_gate():
    assert all(not part.any() for branch in BlockModulation(8)(torch.zeros(1, 1, 6, 8)) for part in branch)


def test_a_block_adds_its_own_offsets_for_every_clip():
    modulation = BlockModulation(4, branches=1)
    modulation.scale_shift_table.data[2] = 5.0
    shared = torch.arange(24.0).reshape(2, 1, 3, 4)
    (only,) = modulation(shared)
    assert torch.equal(only.gate, shared[:, :, 2] + 5.0) and torch.equal(only.scale, shared[:, :, 1])


def test_a_norm_brings_features_to_unit_size():
    x = 50 * torch.randn(3, 5, 16, generator=torch.Generator().manual_seed(0))
    normed = RMSNorm(16)(x)
    torch.testing.assert_close(normed.square().mean(-1), torch.ones(3, 5))
    torch.testing.assert_close(normed, x / x.square().mean(-1, keepdim=True).sqrt())
    centred = torch.nn.functional.layer_norm(x, (16,))
    assert (normed - centred).abs().max() > 1e-2  # it takes no mean away


def test_a_norm_without_weights_has_no_parameters():
    assert not list(RMSNorm(8).parameters())
    norm = RMSNorm(8, affine=True)
    norm.weight.data.fill_(3.0)  # type: ignore[union-attr]
    x = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(norm(x), 3 * RMSNorm(8)(x))


def test_a_norm_keeps_the_type_it_is_given():
    assert RMSNorm(8, affine=True)(torch.ones(1, 8, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_what_is_added_later_adds_nothing_at_first_and_can_learn():
    levels = torch.linspace(0, 1, 5)
    embedding = added_later(16)
    assert not embedding(levels).any() and LevelEmbedding(16)(levels).any()
    embedding(levels).sum().backward()
    assert embedding.mlp[-1].weight.grad.any() and embedding.mlp[-1].bias.grad.any()


def test_a_word_is_drawn_wherever_it_has_values(monkeypatch):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        word = small_word(64)
        torch.manual_seed(0)
        assert torch.equal(word, torch.randn(64) * 0.02)
    monkeypatch.setattr(torch.Tensor, "normal_", None)  # on the meta device it would load torch's compiler: 1.4 s
    with torch.device("meta"):
        assert small_word(64).shape == (64,)
    with pytest.raises(TypeError):  # the control
        small_word(64)
