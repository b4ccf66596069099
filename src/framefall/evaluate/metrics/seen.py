"""One clip as the metrics see it: flow, features and tracks are found once, when the first metric asks."""

import importlib.util
import math
from dataclasses import dataclass
from functools import cached_property

from framefall.evaluate.metrics.features import Embeddings, embed
from framefall.flow import Motion, look
from framefall.metric import AnyVideo
from framefall.physics.laws import LawScore, laws
from framefall.tracking.tracker import track
from framefall.tracking.trajectory import Tracks

ENCODER = "efficientnet_lite_pytorch"  # the package of the frame encoder, an extra
_UNKNOWN_RATE = 24.0


@dataclass(frozen=True, eq=False)
class Seen:
    """A video `[1, channels, frames, height, width]` at `fps` frames a second, NaN if nobody knows."""

    video: AnyVideo
    fps: float = math.nan

    @cached_property
    def motion(self) -> Motion:
        """Its optical flow."""
        return look(self.video, self.fps)

    @cached_property
    def embeddings(self) -> Embeddings | None:
        """Its frames' features; None where the extra that brings the encoder is not installed."""
        return embed(self.video) if importlib.util.find_spec(ENCODER) else None

    @cached_property
    def tracks(self) -> Tracks:
        """Its objects, found in the pixels alone."""
        return track(self.video, self.fps if self.fps > 0 else _UNKNOWN_RATE)

    @cached_property
    def laws(self) -> dict[str, LawScore]:
        """What its tracks say of the laws, without a scene to compare with."""
        return laws(self.tracks)
