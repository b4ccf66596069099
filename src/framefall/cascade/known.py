"""What is known of a clip before it is made: pixels, and how far each of them is to be kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from framefall.video import Video, resize

# 1 where a video is known, 0 where it is to be made, between them a mixture; height and width may be 1, for all of it
Mask = Float[Tensor, "mask_clips 1 frames mask_height mask_width"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """A video that is known where `mask` says so, and when it is shown: its frame i at `start + i / fps` seconds.

    It stands for what a person gives of a clip (an image, the video to go on from, all but a part of the picture), for
    what a window is told of the windows before it, and for the frames that temporal super-resolution must keep. A
    video whose mask is 0 is not kept, but can be begun from (`Request.strength`).
    """

    video: Video
    mask: Mask | None = None  # None: all of it
    start: float = 0.0  # seconds
    fps: float = 24.0
    # diffusion time at which a network is shown each frame: above 0 for what was made before and may err; None: 0
    doubt: Float[Tensor, " frames"] | None = None

    def __post_init__(self) -> None:
        if self.video.ndim != 5 or not self.video.shape[2]:
            raise ValueError(f"known video must be [clips, channels, frames, height, width], got {self.shape}")
        if not self.fps > 0:
            raise ValueError(f"fps of what is known must be above 0, got {self.fps}; try 24")
        if self.mask is not None:
            self._check_mask(self.mask)

    @property
    def shape(self) -> tuple[int, ...]:
        """The video's."""
        return tuple(self.video.shape)

    @property
    def frames(self) -> int:
        """How many there are."""
        return self.video.shape[2]

    @property
    def end(self) -> float:
        """When the frame after the last would be shown, in seconds."""
        return self.start + self.frames / self.fps

    @property
    def weights(self) -> Mask:
        """The mask, of ones if there is none."""
        return self.video.new_ones(1, 1, self.frames, 1, 1) if self.mask is None else self.mask

    def whole_frames(self) -> Float[Tensor, "clips frames"]:
        """1 for each frame all of which is known."""
        return (self.weights.amin(dim=(1, 3, 4)) >= 1.0).float().expand(len(self.video), -1)

    def kept(self, video: Video) -> Video:
        """Another video of the same frames with what is known in its place: equal bits where the mask is 1."""
        weights = self.weights
        return weights * self.video + (1.0 - weights) * video

    def of(self, clips: slice) -> "Known":
        """What is known of some of the clips; what is known of all alike stays."""
        video, mask = self.video, self.mask
        return replace(
            self,
            video=video if len(video) == 1 else video[clips],
            mask=mask if mask is None or len(mask) == 1 else mask[clips],
        )

    def _check_mask(self, mask: Mask) -> None:
        clips, _, frames, height, width = self.video.shape
        able = ((1, clips, len(mask) if clips == 1 else 1), (1,), (frames,), (1, height), (1, width))
        if mask.ndim != 5 or any(size not in sizes for size, sizes in zip(mask.shape, able, strict=True)):
            raise ValueError(f"mask must be [clips, 1, {frames}, {height}, {width}], got {tuple(mask.shape)}")
        if not bool(((mask >= 0) & (mask <= 1)).all()):  # nor NaN
            raise ValueError(f"a mask must be in 0..1, got {float(mask.min())} to {float(mask.max())}; scale it")


def placed(
    pieces: Sequence[Known], frames: Sequence[int], fps: float, size: tuple[int, int], clips: int, device: torch.device
) -> Known | None:
    """What pieces say of a stage's `frames` (numbers at `fps` a second) of a size; None if that is nothing.

    A piece says something of a frame only if one of its own is shown at that moment, and only if it is as large: what
    is smaller reaches a stage through the stage below. Later pieces lie over earlier ones.
    """
    height, width = size
    video = mask = None
    for piece in pieces:
        if piece.video.shape[-2] < height or piece.video.shape[-1] < width:
            continue
        pairs = _pairs(piece, frames, fps)
        if not pairs:
            continue
        theirs, ours = ([pair[side] for pair in pairs] for side in (0, 1))
        shown = resize(piece.video[:, :, theirs].to(device), height, width, "area")
        weights = piece.weights[:, :, theirs].to(device)
        if weights.shape[-2:] != (1, 1):
            weights = resize(weights.expand(-1, -1, -1, *piece.video.shape[-2:]), height, width, "area")
        if video is None or mask is None:
            video = shown.new_zeros(clips, shown.shape[1], len(frames), height, width)
            mask = shown.new_zeros(clips, 1, len(frames), height, width)
        below, above = mask[:, :, ours], weights.expand(clips, -1, -1, height, width)
        seen = shown.expand(clips, -1, -1, -1, -1)
        video[:, :, ours] = torch.where(below > 0, above * seen + (1.0 - above) * video[:, :, ours], seen)
        mask[:, :, ours] = torch.maximum(below, above)
    if video is None or mask is None:
        return None
    return Known(video=video, mask=mask, start=frames[0] / fps, fps=fps)


def known_frames(pieces: Sequence[Known], fps: float, total: int) -> frozenset[int]:
    """Which of a stage's first `total` frames are known from edge to edge, for every clip."""
    found = set()
    for piece in pieces:
        whole = piece.whole_frames().amin(dim=0)
        found |= {ours for theirs, ours in _pairs(piece, range(total), fps) if whole[theirs]}
    return frozenset(found)


def _pairs(piece: Known, frames: Sequence[int], fps: float) -> list[tuple[int, int]]:
    """Number of a piece's frame, and place in `frames`, of those that are shown at one moment."""
    pairs = []
    for place, frame in enumerate(frames):
        theirs = (frame / fps - piece.start) * piece.fps
        nearest = round(theirs)
        if 0 <= nearest < piece.frames and abs(theirs - nearest) < _TOGETHER:
            pairs.append((nearest, place))
    return pairs


_TOGETHER = 0.01  # of a frame's time: what seconds in floats may be off
