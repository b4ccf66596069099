"""How frames talk to each other by attention: along time, within a frame, or both at once.

All work on rows `[batch, frames, positions, dim]` and return what a block adds to its rows; norm, modulation
and residual are the block's. Queries and keys are normalised (QK-norm) and turned by rotary angles.
"""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from framefall.layers.attention import FrameTokens, MultiHeadAttention, attend
from framefall.layers.patterns import Pattern
from framefall.layers.sparse import sparse_attend, whole_attend
from framefall.layers.tokens import time_angles

Seconds = Float[Tensor, "batch frames"]
Angles = Float[Tensor, "batch tokens half"]
Context = Float[Tensor, "batch words dim"]


class TemporalAttention(MultiHeadAttention):
    """Each position attends along time to the frames of a pattern, or to all; rotary angles in seconds.

    A clip of one frame has no time: the branch is zero there, so that an image passes unchanged.
    """

    def __init__(self, dim: int, heads: int, pattern: Pattern | None = None) -> None:
        super().__init__(dim, heads)
        self.pattern = pattern

    def forward(self, x: FrameTokens, seconds: Seconds) -> FrameTokens:
        """What to add to the rows."""
        if x.shape[1] == 1:
            return torch.zeros_like(x)
        query, key, value = self._along_time(x, seconds)
        if self.pattern is None:
            mixed = whole_attend(query, key, value)
        else:
            mixed = sparse_attend(query, key, value, self.pattern)
        return self.proj(mixed.movedim(-2, 1).flatten(-2))

    def _along_time(self, x: Tensor, seconds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Views `[batch, positions, heads, frames, head_dim]`."""
        angles = time_angles(seconds, x.shape[-1] // self.heads)[:, :, None]
        query, key, value = self.project(x, angles, apart=False)
        return query.movedim(1, -2), key.movedim(1, -2), value.movedim(1, -2)


class SpatialAttention(MultiHeadAttention):
    """Each position attends to all positions of its own frame, and to words if there are any."""

    def forward(self, x: FrameTokens, angles: Angles | None = None, context: Context | None = None) -> FrameTokens:
        """What to add to the rows; `angles` are those of one frame's positions, words have none."""
        frames = x.shape[1]
        angles = angles if angles is None else angles[:, None]
        query, key, value = (part.flatten(0, 1).transpose(1, 2) for part in self.project(x, angles))
        words = None
        if context is not None:
            named, meant = _words(self, context)
            words = named.repeat_interleave(frames, dim=0), meant.repeat_interleave(frames, dim=0)
        mixed = _beside(query, key, value, words)  # (b f) k n d
        return self.proj(mixed.transpose(1, 2).flatten(-2).unflatten(0, (-1, frames)))


class JointAttention(MultiHeadAttention):
    """Every position of every frame attends to all positions of all frames."""

    def forward(self, x: FrameTokens, angles: Angles, context: Context | None = None) -> FrameTokens:
        """What to add to the rows; `angles` are those of all tokens in the order frames, positions."""
        batch, frames, positions, _ = x.shape
        angles = angles.reshape(batch, frames, positions, -1)
        parts = (part.transpose(2, 3) for part in self.project(x, angles))  # b f k n d
        query, key, value = (part.transpose(1, 2).flatten(2, 3) for part in parts)
        words = _words(self, context) if context is not None else None
        mixed = _beside(query, key, value, words).unflatten(2, (frames, positions)).movedim(1, 3)
        return self.proj(mixed.flatten(-2))


class WindowedAttention(JointAttention):
    """Joint attention within windows of neighbouring positions, over all frames: linear in the size of a frame.

    A window is as large as divides the frame, up to `window` positions a side, so that nothing is filled up.
    """

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__(dim, heads)
        self.window = window

    def forward(self, x: FrameTokens, angles: Angles, size: tuple[int, int]) -> FrameTokens:  # type: ignore[override]
        """What to add to the rows; `angles` are those of all tokens, `size` the positions down and across a frame."""
        frames = x.shape[1]
        down, across = (max(n for n in range(1, self.window + 1) if side % n == 0) for side in size)
        axes = {"h": size[0] // down, "p": down, "w": size[1] // across, "q": across}
        apart, together = "b f (h p w q) d", "(b h w) f (p q) d"
        places = rearrange(angles.unflatten(1, (frames, -1)), f"{apart} -> {together}", **axes).flatten(1, 2)
        mixed = super().forward(rearrange(x, f"{apart} -> {together}", **axes), places)
        return rearrange(mixed, f"{together} -> {apart}", **axes)


def _words(layer: MultiHeadAttention, context: Context) -> tuple[Tensor, Tensor]:
    """Keys and values `[batch, heads, words, head_dim]` of tokens that have no place."""
    dim = context.shape[-1]
    if type(layer.qkv) is nn.Linear:
        packed = nn.functional.linear(context, layer.qkv.weight[dim:])
    else:  # with a LoRA its weight is not all that it does
        packed = layer.qkv(context)[..., dim:]
    parts = packed.unflatten(-1, (2, layer.heads, -1))
    key, value = parts.transpose(1, 3).unbind(2)
    return layer.k_norm(key).to(value.dtype), value


def _beside(query: Tensor, key: Tensor, value: Tensor, words: tuple[Tensor, Tensor] | None) -> Tensor:
    """Attention to tokens and, if there are any, to words before them."""
    if words is not None:
        key, value = torch.cat((words[0], key), dim=2), torch.cat((words[1], value), dim=2)
    return attend(query, key, value)
