"""Frames that a stage below has made, for as long as the stage above needs them."""

import torch
from torch import Tensor

from framefall.video import Video


class Held:
    """Frames that came from below and are still needed."""

    def __init__(self) -> None:
        self.video: Tensor | None = None
        self.start = 0

    @property
    def stop(self) -> int:
        """The frame after the last one."""
        return self.start + (0 if self.video is None else self.video.shape[2])

    def add(self, video: Video) -> None:
        """Frames that come after those that are here."""
        self.video = video if self.video is None else torch.cat((self.video, video), dim=2)

    def take(self, frames: range) -> Tensor:
        """The frames of a range; beyond the last one the last one repeats."""
        assert self.video is not None
        places = [min(frame, self.stop - 1) - self.start for frame in frames]
        return self.video[:, :, places]

    def forget(self, before: int) -> None:
        """Lets go of the frames before a place, all but the last one."""
        if self.video is not None and before > self.start:
            first = min(before, self.stop - 1)
            self.video, self.start = self.video[:, :, first - self.start :], first
