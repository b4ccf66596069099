"""The frames beside what is there already, moved on as it moves: a base that begins anew there makes things jump.

Where a clip goes on within a frame's time of what is known, motion says better than a small network where things are;
what becomes of them after that (a blow, a fall, what comes out from behind) the network must say.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from framefall.cascade.known import Known
from framefall.layers.motion import carried_on
from framefall.video import resize

Image = Float[Tensor, "clips channels 1 height width"]


def carried(
    pieces: Sequence[Known], moments: Mapping[int, float], fps: float, size: tuple[int, int], device: torch.device
) -> dict[int, Image]:
    """Those of the frames at `moments` (seconds, by number) that come within `1 / fps` of a known video's end or start.

    Each goes on from the nearest video that moves: not one that is known in part, of one frame or smaller than `size`.
    """
    found = dict[int, Image]()
    for frame, second in moments.items():
        sides = [(gap, after, piece) for piece in pieces for after, gap in _gaps(piece, second).items()]
        near = sorted((side for side in sides if 0 < side[0] <= (1 + _SLACK) / fps), key=lambda side: side[0])
        images = (_moved(piece, gap, after, fps, size, device) for gap, after, piece in near)
        image = next((image for image in images if image is not None), None)
        if image is not None:
            found[frame] = image
    return found


def _gaps(piece: Known, second: float) -> dict[bool, float]:
    """How long a moment is after its last frame (True), and before its first (False)."""
    return {False: piece.start - second, True: second - (piece.end - 1.0 / piece.fps)}


def _moved(
    piece: Known, gap: float, after: bool, fps: float, size: tuple[int, int], device: torch.device
) -> Image | None:
    # speed is read off steps of the base: over shorter ones its change is noise
    spacing = min(max(1, round(piece.fps / fps)), piece.frames - 1)
    behind = [back * spacing for back in (2, 1, 0) if back * spacing < piece.frames]
    places = [piece.frames - 1 - back if after else back for back in behind]
    height, width = size
    large = piece.video.shape[-2] >= height and piece.video.shape[-1] >= width
    if not spacing or not large or not bool((piece.whole_frames()[:, places] >= 1).all()):
        return None
    frames = resize(piece.video[:, :, places].to(device), height, width, "area")
    return carried_on(frames, round(gap * piece.fps / spacing, 6))


_SLACK = 0.01  # what seconds in floats may be off
