"""Convolutions over space and time on frames folded into the batch, channels last: three kinds.

Images are `[(batch frames), channels, height, width]`. Folding keeps every 1x3x3 a 2-D convolution and every 3x1x1
one over `[frames, pixels]`: in float32 a CPU runs that three times as fast as a 3-D convolution, in bfloat16 as
fast; a joint 3x3x3 is best left whole. All three kinds share the kernel of the frame itself under the name `weight`;
what looks at other frames starts at zero, so that a fresh network treats a clip as so many images, and a clip of
one frame is treated by that kernel alone, whatever was learnt.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from framefall.layers.modulation import zeroed

Images = Float[Tensor, "images channels height width"]
OutImages = Float[Tensor, "images outside height width"]

_GROUP = 32  # channels: a group that fills a vector register is normalised up to eight times as fast


class FrameNorm(nn.GroupNorm):
    """Each frame by itself, in groups of 32 channels, to zero mean and unit variance; no parameters."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim // _GROUP if dim % _GROUP == 0 else 1, dim, affine=False)


class PerFrameConv(nn.Conv2d):
    """1x3x3: each frame by itself."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__(inside, outside, 3, padding=1)

    def forward(self, x: Images, frames: int) -> OutImages:  # type: ignore[override]
        """Images of clips of `frames` frames each; `outside` channels."""
        return super().forward(x)


class FactorisedConv(PerFrameConv):
    """1x3x3, then 3x1x1 on what it found (Tran et al. 2018, R(2+1)D): s + T(s) with T zero at the start.

    Beyond the ends of the clip there are zeros.
    """

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__(inside, outside)
        self.temporal = zeroed(nn.Conv2d(outside, outside, (3, 1), bias=False))

    def forward(self, x: Images, frames: int) -> OutImages:  # type: ignore[override]
        """Images of clips of `frames` frames each; `outside` channels."""
        space = super().forward(x, frames)
        if frames == 1:
            return space
        return space + along_time(space, self.temporal.weight, frames)


class JointConv(PerFrameConv):
    """3x3x3 (Ho et al. 2022): the frame's own kernel, and `sides` for those before and after, zero at the start.

    Beyond the ends of the clip there are zeros.
    """

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__(inside, outside)
        self.sides = nn.ParameterList(torch.zeros_like(self.weight) for _ in range(2))

    def forward(self, x: Images, frames: int) -> OutImages:  # type: ignore[override]
        """Images of clips of `frames` frames each; `outside` channels."""
        if frames == 1:
            return super().forward(x, frames)
        before, after = self.sides
        kernel = torch.stack((before, self.weight, after), dim=2)
        clips = x.unflatten(0, (-1, frames)).transpose(1, 2)  # b d f h w
        return F.conv3d(clips, kernel, self.bias, padding=1).transpose(1, 2).flatten(0, 1)


CONVOLUTIONS: dict[str, type[PerFrameConv]] = {
    "per_frame": PerFrameConv,
    "factorised": FactorisedConv,
    "joint": JointConv,
}


def along_time(x: Images, weight: Float[Tensor, "outside channels 3 1"], frames: int) -> OutImages:
    """A 3x1x1 convolution, zeros beyond the ends of the clip."""
    _, dim, height, width = x.shape
    clips = x.permute(0, 2, 3, 1).reshape(-1, frames, height * width, dim)  # a view, as channels are last
    made = F.conv2d(clips.permute(0, 3, 1, 2), weight, padding=(1, 0))
    return made.permute(0, 2, 3, 1).reshape(-1, height, width, weight.shape[0]).permute(0, 3, 1, 2)


class SpaceTimeBlock(nn.Module):
    """Two convolutions, the first one of a kind above, steered by a level; starts as the identity.

    x + W2 silu((1 + scale) W1 norm(x) + shift): one norm and one activation, since beside such products every
    pass over the pixels counts.
    """

    def __init__(self, dim: int, level_dim: int, kind: str = "per_frame") -> None:
        super().__init__()
        self.norm = FrameNorm(dim)
        self.conv1 = CONVOLUTIONS[kind](dim, dim)
        self.time_emb_proj = zeroed(nn.Linear(level_dim, 2 * dim))
        self.conv2 = zeroed(nn.Conv2d(dim, dim, 3, padding=1))

    def forward(self, x: Images, level: Float[Tensor, "batch instants level_dim"], frames: int) -> Images:
        """Images of clips of `frames` frames each; a level for the clip (one instant), or one a frame."""
        scale, shift = self.time_emb_proj(level)[..., None, None].chunk(2, dim=2)  # b i d 1 1
        h = self.conv1(self.norm(x), frames).unflatten(0, (-1, frames))
        return x + self.conv2(F.silu(torch.addcmul(shift, h, 1 + scale)).flatten(0, 1))
