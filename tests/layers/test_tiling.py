import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from framefall.layers.tiling import by_tiles

REACH = 2  # of the filter below
KERNEL = torch.randn(1, 1, 5, 5, generator=torch.Generator().manual_seed(1))


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def blurred(image: Tensor) -> Tensor:
    return F.conv2d(image, KERNEL, padding=REACH)


@pytest.mark.parametrize("size", [(17, 23), (8, 8), (9, 30)], ids=str)
@pytest.mark.parametrize("tile", [3, 8, 100, None])
def test_tiles_with_a_margin_are_the_whole(size, tile):
    image = noise(1, 1, *size)
    torch.testing.assert_close(by_tiles(blurred, image, tile, REACH), blurred(image), rtol=1e-5, atol=1e-5)


def test_a_margin_too_small_shows():
    image = noise(1, 1, 17, 23)
    assert (by_tiles(blurred, image, 8, REACH - 1) - blurred(image)).abs().max() > 0.1


def test_a_picture_no_larger_than_a_tile_is_made_at_once():
    calls: list[tuple[int, ...]] = []
    by_tiles(lambda part: calls.append(part.shape) or part, noise(1, 1, 8, 8), 8, REACH)
    assert calls == [(1, 1, 8, 8)]
    by_tiles(lambda part: calls.append(part.shape) or part, noise(1, 1, 9, 8), 8, REACH)
    assert calls[1:] == [(1, 1, 9, 8), (1, 1, 3, 8)]  # a tile and its margin; what is left and its margin


@pytest.mark.parametrize(("inside", "outside"), [(4, 1), (1, 4), (2, 3)])
def test_a_cell_may_have_other_sizes_before_and_after(inside, outside):
    def make(image: Tensor) -> Tensor:
        cells = blurred(F.avg_pool2d(image, inside))
        return F.interpolate(cells, scale_factor=outside, mode="nearest")

    image = noise(1, 1, 10 * inside, 7 * inside)
    found = by_tiles(make, image, 4, REACH, inside=inside, outside=outside)
    torch.testing.assert_close(found, make(image), rtol=1e-5, atol=1e-5)
    assert found.shape[-2:] == (10 * outside, 7 * outside)
