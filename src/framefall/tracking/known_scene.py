"""What may be known of a scene before its clip is looked at."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels of the clip


@dataclass(frozen=True, eq=False, kw_only=True)
class KnownScene:
    """What the benchmark knows of a scene; every part may be missing. Pixels are those of the clip to be tracked."""

    background: Float[Tensor, "1 channels pictures height width"] | None = (
        None  # without bodies; 1 picture or one a frame
    )
    occluders: tuple[Box, ...] = ()  # what stands before the objects, as frame 0 shows it
    objects: int | None = None  # how many there should be
    camera: Float[np.ndarray, "frames 2"] | None = None  # where the view has gone since frame 0: x right, y down
