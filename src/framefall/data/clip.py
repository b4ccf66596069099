"""One training example."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Clip:
    """Pixels and everything that is known about them."""

    pixels: np.ndarray  # uint8 or uint16 [channels, frames, height, width]; of a field float32, as a network sees it
    caption: str | None
    numbers: np.ndarray | None  # float32 [numbers], or [frames, numbers] (one row a frame: actions)
    fps: float
    key: str  # names the clip for ever
    truth: Mapping[str, Any] | None = None  # what a simulated world knows about it
    states: Tensor | None = None  # its caption's, bfloat16 [tokens, features], where they were made beforehand
    valid: np.ndarray | None = None  # bool, of the pixels' shape: false where a field's value is missing; None: nowhere

    @property
    def frames(self) -> int:
        """How many frames it has; an image has one."""
        return int(self.pixels.shape[1])
