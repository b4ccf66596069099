"""Large pictures in parts: wrappers from a predictor to a predictor.

`exact` is for networks that see a known neighbourhood: each tile is computed with that margin and cut out
of it, so the result is the untiled one up to rounding. `blended` is for networks that see everything they
are given: overlapping tiles of the trained size are averaged with ramps (MultiDiffusion, Bar-Tal et al. 2023).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from framefall.models.backbone import Condition, Predict
from framefall.video import Time, Video


def exact(tile: int, halo: int) -> Callable[[Predict], Predict]:
    """Tiles of `tile` pixels with a margin of `halo`; a picture that fits one tile is left whole."""

    def wrap(predict: Predict) -> Predict:
        def tiled(x_t: Video, t: Time, condition: Condition) -> Video:
            height, width = x_t.shape[-2:]
            if height <= tile and width <= tile:
                return predict(x_t, t, condition)
            out = torch.empty_like(x_t)
            for rows in _pieces(height, tile):
                for columns in _pieces(width, tile):
                    wide_rows, wide_columns = _widen(rows, halo, height), _widen(columns, halo, width)
                    part = predict(*_cut(x_t, t, condition, wide_rows, wide_columns))
                    inner_rows = slice(rows.start - wide_rows.start, rows.stop - wide_rows.start)
                    inner_columns = slice(columns.start - wide_columns.start, columns.stop - wide_columns.start)
                    out[..., rows, columns] = part[..., inner_rows, inner_columns]
            return out

        return tiled

    return wrap


def blended(height: int, width: int, overlap: float = 0.25) -> Callable[[Predict], Predict]:
    """Tiles of `height` x `width` that share `overlap` of their sides; a smaller picture is left whole."""

    def wrap(predict: Predict) -> Predict:
        def tiled(x_t: Video, t: Time, condition: Condition) -> Video:
            full_height, full_width = x_t.shape[-2:]
            if full_height <= height and full_width <= width:
                return predict(x_t, t, condition)
            total, weight = torch.zeros_like(x_t), torch.zeros_like(x_t[:1, :1, :1])
            for rows in _overlapping(full_height, height, overlap):
                for columns in _overlapping(full_width, width, overlap):
                    part = predict(*_cut(x_t, t, condition, rows, columns))
                    ramp = _ramp(part.shape[-2], part)[:, None] * _ramp(part.shape[-1], part)
                    total[..., rows, columns] += ramp * part
                    weight[..., rows, columns] += ramp
            return total / weight

        return tiled

    return wrap


def _cut(x_t: Video, t: Time, condition: Condition, rows: slice, columns: slice) -> tuple[Tensor, Time, Condition]:
    placed = ((name, getattr(condition, name)) for name in ("low_res", "prior", "structure"))
    parts = {name: video[..., rows, columns] for name, video in placed if video is not None}
    return x_t[..., rows, columns], t, replace(condition, **parts)


def _pieces(size: int, tile: int) -> Iterator[slice]:
    for first in range(0, size, tile):
        yield slice(first, min(first + tile, size))


def _widen(piece: slice, halo: int, size: int) -> slice:
    return slice(max(0, piece.start - halo), min(size, piece.stop + halo))


def _overlapping(size: int, tile: int, overlap: float) -> Iterator[slice]:
    """Tiles of one size, evenly spread so that the first and last touch the edges."""
    if size <= tile:
        yield slice(0, size)
        return
    stride = tile * (1 - overlap)
    count = 1 + -(-int(size - tile) // max(1, int(stride)))
    for index in range(count):
        first = round(index * (size - tile) / (count - 1))
        yield slice(first, first + tile)


def _ramp(size: int, like: Tensor) -> Tensor:
    """Rises from both edges to the middle, never zero."""
    place = torch.arange(size, device=like.device, dtype=like.dtype) + 0.5
    return torch.minimum(place, size - place)
