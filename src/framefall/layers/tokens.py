"""Spacetime patches and where they lie: tokens out of a video, a video out of tokens, positions.

A patch is `(frames, height, width)` pixels. A video whose size is no multiple of the patch is padded by
repeating its last frame, row and column, so that an image is a video of one frame for every patch.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from framefall.video import Video

Patch = tuple[int, int, int]  # frames, height, width
Tokens = Float[Tensor, "batch tokens dim"]


def grid(frames: int, height: int, width: int, patch: Patch) -> tuple[int, int, int]:
    """How many patches cover a video along frames, height and width."""
    return -(-frames // patch[0]), -(-height // patch[1]), -(-width // patch[2])


def patchify(video: Video, patch: Patch) -> Tokens:
    """One token a patch, in the order frames, rows, columns."""
    *_, frames, height, width = video.shape
    f, h, w = grid(frames, height, width, patch)
    padding = (0, w * patch[2] - width, 0, h * patch[1] - height, 0, f * patch[0] - frames)
    if any(padding):
        video = F.pad(video, padding, mode="replicate")
    pattern = "b c (f p) (h q) (w r) -> b (f h w) (p q r c)"
    return rearrange(video, pattern, p=patch[0], q=patch[1], r=patch[2])


def unpatchify(tokens: Tokens, patch: Patch, frames: int, height: int, width: int) -> Video:
    """The video whose patches the tokens are; undoes `patchify`, padding included."""
    f, h, w = grid(frames, height, width, patch)
    pattern = "b (f h w) (p q r c) -> b c (f p) (h q) (w r)"
    video = rearrange(tokens, pattern, f=f, h=h, w=w, p=patch[0], q=patch[1], r=patch[2])
    return video[:, :, :frames, :height, :width]


def coordinates(
    seconds: Float[Tensor, "batch frames"], height: int, width: int, patch: Patch
) -> Float[Tensor, "batch tokens 3"]:
    """The middle of each patch: seconds, and pixels down and right."""
    f, h, w = grid(seconds.shape[1], height, width, patch)
    padded = F.pad(seconds[:, None], (0, f * patch[0] - seconds.shape[1]), mode="replicate")[:, 0]
    times = padded.unflatten(1, (f, patch[0])).mean(2)
    down = (torch.arange(h, device=seconds.device) + 0.5) * patch[1]
    right = (torch.arange(w, device=seconds.device) + 0.5) * patch[2]
    parts = (times[:, :, None, None], down[None, None, :, None], right[None, None, None, :])
    return torch.stack([part.expand(seconds.shape[0], f, h, w).flatten(1) for part in parts], dim=-1)


# shortest and longest wavelength of each axis: from about two frames at 12 a second to a long clip,
# and from one large patch to a picture that nothing small could be trained on
_SECONDS = (1 / 6, 32.0)
_PIXELS = (16.0, 1024.0)


def rotary_angles(positions: Float[Tensor, "batch tokens 3"], head_dim: int) -> Float[Tensor, "batch tokens half"]:
    """Angles of a 3-D axial rotary embedding (Su et al. 2021): a quarter for time, the rest for space.

    Positions are in seconds and pixels, not in token numbers: another frame rate, length or size
    needs no new parameters and keeps its meaning.
    """
    half = head_dim // 2
    time = half // 4
    down = (half - time) // 2
    angles = [
        positions[..., axis, None] * _frequencies(count, *span, positions)
        for axis, (count, span) in enumerate(((time, _SECONDS), (down, _PIXELS), (half - time - down, _PIXELS)))
    ]
    return torch.cat(angles, dim=-1)


def time_angles(seconds: Float[Tensor, "batch frames"], head_dim: int) -> Float[Tensor, "batch frames half"]:
    """Angles of a rotary embedding along time alone: seconds, so that another frame rate keeps its meaning."""
    return seconds[..., None] * _frequencies(head_dim // 2, *_SECONDS, seconds)


def rotate(x: Float[Tensor, "*rows dim"], angles: Float[Tensor, "*#rows half"]) -> Tensor:
    """Turns each pair (i, i + dim/2) of features by its angle; rows may share angles."""
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def _frequencies(count: int, shortest: float, longest: float, like: Tensor) -> Tensor:
    wavelengths = torch.logspace(0, 1, count, base=longest / shortest, device=like.device) * shortest
    return 2 * torch.pi / wavelengths
