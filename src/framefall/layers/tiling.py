"""A picture in tiles, for what sees a known neighbourhood: with that margin the tiles are the whole, to rounding.

Everything is counted in cells, because a network that folds pixels together can only be cut between them.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor


def by_tiles(
    make: Callable[[Tensor], Tensor], whole: Tensor, tile: int | None, halo: int, inside: int = 1, outside: int = 1
) -> Tensor:
    """`make` of tiles of `tile` cells with a margin of `halo`, put together; None or a small picture: at once.

    Height and width are the last two axes; a cell is `inside` of their places in `whole`, `outside` in the result.
    """
    rows, columns = whole.shape[-2] // inside, whole.shape[-1] // inside
    if tile is None or (rows <= tile and columns <= tile):
        return make(whole)
    lines = []
    for inner_rows, wide_rows in _pieces(rows, tile, halo):
        parts = []
        for inner_columns, wide_columns in _pieces(columns, tile, halo):
            part = make(whole[..., _places(wide_rows, inside), _places(wide_columns, inside)])
            parts.append(
                part[
                    ...,
                    _places(inner_rows, outside, wide_rows.start),
                    _places(inner_columns, outside, wide_columns.start),
                ]
            )
        lines.append(torch.cat(parts, dim=-1))
    return torch.cat(lines, dim=-2)


def _pieces(length: int, size: int, halo: int) -> Iterator[tuple[range, range]]:
    """Each piece of an axis, and that piece with its margin."""
    for first in range(0, length, size):
        stop = min(first + size, length)
        yield range(first, stop), range(max(0, first - halo), min(length, stop + halo))


def _places(cells: range, scale: int, origin: int = 0) -> slice:
    return slice((cells.start - origin) * scale, (cells.stop - origin) * scale)
