"""Causal 3-D convolutions whose memory is an argument: a clip in pieces gives what the whole clip gives.

Videos here are `[batch, frames, height, width, channels]`, contiguous, so that folding frames into the batch or into
the channels copies nothing twice. Nothing looks at a later frame or further than its kernel within one. Before the
first frame stands the first frame, again and again: an image is a video that never moved.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from framefall.layers.folding import ChannelsLast
from framefall.layers.modulation import RMSNorm, zeroed

Past = Float[Tensor, "batch earlier _ _ _"]  # the last frames that a layer has seen


class FrameConv(nn.Conv2d):
    """3x3 within each frame, on rows."""

    reach = 1  # cells

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__(inside, outside, 3, padding=1)

    def forward(self, x: ChannelsLast) -> Float[Tensor, "batch frames height width outside"]:
        """A video of `outside` channels."""
        images = x.flatten(0, 1).permute(0, 3, 1, 2)  # channels last in memory, without a copy
        made: Tensor = super().forward(images).permute(0, 2, 3, 1)
        return made.unflatten(0, x.shape[:2])


class CausalConv(nn.Module):
    """3x3x3 over a frame and the two before it: one 2-D convolution, those frames being its channels."""

    reach = 1  # cells
    frames = 3

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv = FrameConv(self.frames * inside, outside)

    def forward(
        self, x: ChannelsLast, past: Past | None = None
    ) -> tuple[Float[Tensor, "batch frames height width outside"], Past]:
        """A video of `outside` channels, and the `past` of the piece that comes next; None: the clip begins."""
        count, earlier = x.shape[1], self.frames - 1
        before = x[:, :1].expand(-1, earlier, -1, -1, -1) if past is None else past.to(x.dtype)
        seen = torch.cat((before, x), dim=1)
        window = torch.cat([seen[:, first : first + count] for first in range(self.frames)], dim=-1)
        return self.conv(window), seen[:, -earlier:].clone()  # a view would keep the whole piece alive


class FrameBlock(nn.Module):
    """Two 3x3 convolutions within each frame; starts as the identity. Its norm knows one pixel at a time."""

    reach = 2  # cells

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = RMSNorm(dim)
        self.conv1 = FrameConv(dim, dim)
        self.conv2 = zeroed(FrameConv(dim, dim))

    def forward(self, x: ChannelsLast) -> ChannelsLast:
        """Same shape."""
        return x + self.conv2(F.silu(self.conv1(self.norm(x))))


class CausalBlock(nn.Module):
    """A causal 3x3x3 convolution, then a 3x3 one; starts as the identity."""

    reach = 2  # cells

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = RMSNorm(dim)
        self.conv1 = CausalConv(dim, dim)
        self.conv2 = zeroed(FrameConv(dim, dim))

    def forward(self, x: ChannelsLast, past: Past | None = None) -> tuple[ChannelsLast, Past]:
        """Same shape, and the `past` of the piece that comes next."""
        h, past = self.conv1(self.norm(x), past)
        return x + self.conv2(F.silu(h)), past


def causally(
    layers: Sequence[nn.Module], x: ChannelsLast, past: Sequence[Past] | None
) -> tuple[Float[Tensor, "batch frames height width outside"], tuple[Past, ...]]:
    """Causal layers one after another, each with its own past; None: the clip begins."""
    coming = []
    for layer, before in zip(layers, past or (None,) * len(layers), strict=True):
        x, after = layer(x, before)
        coming.append(after)
    return x, tuple(coming)
