"""One clip as the metrics see it: flow, features and tracks are found once, when the first metric asks."""

import importlib.util
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from framefall.evaluate.metrics.cadence import Cadence, cadence
from framefall.evaluate.metrics.features import Embeddings, embed
from framefall.flow import Motion, frames_of, look
from framefall.metric import AnyVideo
from framefall.physics.laws import LawScore, laws
from framefall.tracking.tracker import track
from framefall.tracking.trajectory import Tracks

ENCODER = "efficientnet_lite_pytorch"  # the package of the frame encoder, an extra
WHOLE = 0.5  # of the object-frames: things that are apart are seen so in about 0.8 of them, a crowd in 0.2
_UNKNOWN_RATE = 24.0


@dataclass(frozen=True, eq=False)
class ObservedClip:
    """A video `[1, channels, frames, height, width]` at `fps` frames a second, NaN if nobody knows."""

    video: AnyVideo
    fps: float = math.nan
    known: Tracks | None = None  # its tracks, where somebody has found them before

    @cached_property
    def motion(self) -> Motion:
        """Its optical flow."""
        return look(self.video, self.fps)

    @cached_property
    def cadence(self) -> Cadence:
        """Whether its frames come evenly."""
        return cadence(frames_of(self.video))

    @cached_property
    def embeddings(self) -> Embeddings | None:
        """Its frames' features; None where the extra that brings the encoder is not installed."""
        return embed(self.video) if importlib.util.find_spec(ENCODER) else None

    @cached_property
    def tracks(self) -> Tracks:
        """Its objects, found in the pixels alone."""
        return self.known or track(self.video, self.fps if self.fps > 0 else _UNKNOWN_RATE)

    @property
    def separate(self) -> bool:
        """Whether what is tracked are things apart: in half of their frames or more they are seen whole, by themselves.

        A crowd's members, and patches of footage, hide each other all the time; laws of them mean nothing.
        """
        whole = [one.whole for one in self.tracks.objects]
        return self.tracks.outlined and bool(whole) and float(np.concatenate(whole).mean()) >= WHOLE

    @cached_property
    def laws(self) -> dict[str, LawScore]:
        """What its tracks say of the laws, without a scene to compare with."""
        return laws(self.tracks)
