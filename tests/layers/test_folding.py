import pytest
import torch

from framefall.layers.folding import cosines, fold, unfold

SIZES = [(4, 8, 8, 3), (1, 2, 2, 1), (2, 4, 4, 4)]


@pytest.mark.parametrize(("time", "space"), [(1, 4), (4, 1), (2, 8)])
def test_unfolding_undoes_folding(time, space):
    x = torch.arange(2 * 4 * 8 * 16 * 3.0).reshape(2, 4, 8, 16, 3)
    folded = fold(x, time, space)
    assert folded.shape == (2, 4 // time, 8 // space, 16 // space, 3 * time * space**2)
    assert torch.equal(unfold(folded, time, space), x)


def test_a_cells_features_are_its_own_pixels():
    x = torch.zeros(1, 2, 4, 4, 3)
    x[:, :, :2, 2:] = 1.0
    assert torch.equal(fold(x, 2, 2)[0, 0, :, :, 0], torch.tensor([[0.0, 1.0], [0.0, 0.0]]))


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_cosines_are_orthonormal_and_complete(sizes):
    every = torch.Size(sizes).numel()
    basis, strength = cosines(sizes, every)
    torch.testing.assert_close(basis @ basis.T, torch.eye(every), atol=1e-5, rtol=0)
    assert torch.equal(strength, strength.sort(descending=True).values) and strength.min() > 0


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_the_first_is_the_mean_and_the_others_see_no_plain_block(sizes):
    basis, strength = cosines(sizes, 4)
    plain = torch.full((torch.Size(sizes).numel(),), 0.5)
    expected = torch.tensor([1.0, 0.0, 0.0, 0.0])  # a block at half of the range is one of its strength
    torch.testing.assert_close(basis @ plain / strength, expected, atol=1e-5, rtol=0)


def test_colour_comes_last_in_a_cell():
    block = torch.zeros(1, 2, 2, 2, 3)
    block[..., 0] = 1.0  # red alone: the same in every pixel, so that only waves along colour are there
    basis, _ = cosines((2, 2, 2, 3), 24)
    found = basis @ fold(block, 2, 2).flatten()
    assert int((found.abs() > 1e-5).sum()) == 3
