"""Convolutions on frames folded into the batch: rows `[frames, channels, height, width]`, channels last in memory.

Nothing here looks further than its kernel, so that a part of a picture with a margin gives exactly what
the whole gives.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from framefall.layers.modulation import RMSNorm, zeroed
from framefall.video import Video


def by_row(layer: nn.Conv2d | nn.Linear, x: Tensor) -> Tensor:
    """What `layer` gives, and for a row the same bits whatever other rows there are, and on however many threads.

    In float32 a CPU's library sums in another order for more rows, and a 1x1 convolution for more threads. In bfloat16
    it does not, and while something is learnt nobody asks.
    """
    if x.device.type != "cpu" or torch.is_grad_enabled() or torch.is_autocast_enabled("cpu") or _is_traced():
        return layer(x)
    if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1):
        found = F.linear(x.permute(0, 2, 3, 1), layer.weight[:, :, 0, 0], layer.bias)
        return found.permute(0, 3, 1, 2)
    return torch.cat([layer(row) for row in x.split(1)])


def _is_traced() -> bool:
    """Whether the network becomes a graph, in which each row would be a part of its own."""
    return bool(torch.jit.is_tracing()) or torch.compiler.is_compiling()  # type: ignore[attr-defined]


class PixelNorm(nn.Module):
    """Each pixel's features divided by their root mean square: a norm without statistics over space."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = RMSNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """`[rows, channels, height, width]`, channels last."""
        normed: Tensor = self.norm(x.permute(0, 2, 3, 1))
        return normed.permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, steered by a level through scale and shift; starts as the identity."""

    reach = 2  # pixels

    def __init__(self, dim: int, level_dim: int) -> None:
        super().__init__()
        self.norm = PixelNorm(dim)
        self.conv1 = nn.Conv2d(dim, dim, 3, padding=1)
        self.conv2 = zeroed(nn.Conv2d(dim, dim, 3, padding=1))
        self.time_emb_proj = zeroed(nn.Linear(level_dim, 2 * dim))

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Rows `[rows, dim, height, width]`, level `[rows, level_dim]`."""
        scale, shift = by_row(self.time_emb_proj, level)[:, :, None, None].chunk(2, dim=1)
        h = by_row(self.conv1, self.norm(x).to(x.dtype))
        return x + by_row(self.conv2, F.silu(torch.addcmul(shift, h, 1 + scale)))


class TemporalMixing(nn.Module):
    """Each pixel with itself one frame earlier and later: a 3x1x1 convolution as one matrix product.

    At both ends of a clip the end frame stands for the missing one. Starts as the identity.
    """

    reach = 1  # frames

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = PixelNorm(dim)
        self.conv = zeroed(nn.Conv2d(3 * dim, dim, 1))

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """Rows `[(batch frames), dim, height, width]`."""
        clips = F.silu(self.norm(x).to(x.dtype)).unflatten(0, (-1, frames))
        earlier = torch.cat((clips[:, :1], clips[:, :-1]), dim=1)
        later = torch.cat((clips[:, 1:], clips[:, -1:]), dim=1)
        return x + by_row(self.conv, torch.cat((earlier, clips, later), dim=2).flatten(0, 1))


class DetailHead(nn.Module):
    """Two 3x3 convolutions over a video made of patches: they see across the patches' borders, and what is noisy.

    A transformer with large patches draws each by itself; this joins them. Starts as the identity.
    """

    def __init__(self, inside: int, dim: int, outside: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, dim, 3, padding=1)
        self.conv2 = zeroed(nn.Conv2d(dim, outside, 3, padding=1))

    def forward(self, video: Video, x_t: Float[Tensor, "batch seen frames height width"]) -> Video:
        """A video of the size of `video`."""
        # channels last from the start: every copy of pixels here costs as much as a convolution
        pixels = torch.cat([one.to(video.dtype).permute(0, 2, 3, 4, 1) for one in (video, x_t)], dim=-1)
        added = self.conv2(F.silu(self.conv1(pixels.flatten(0, 1).permute(0, 3, 1, 2))))
        return video + added.unflatten(0, (-1, video.shape[2])).transpose(1, 2)
