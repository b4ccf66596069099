"""Where one take ends and the next begins."""

import cv2
import numpy as np
from scenedetect import AdaptiveDetector, FrameTimecode

SIDE = 64  # pixels of the short side that cuts are searched on: none is lost, and it is 20 times faster than at 272


class CutFinder:
    """PySceneDetect's adaptive detector, fed frame by frame: a cut is a change far above its neighbours' changes."""

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._detector = AdaptiveDetector(min_scene_len=0.4)
        self._cuts: list[int] = []
        self._frames = 0

    def look(self, pixels: np.ndarray) -> None:
        """The next frame, uint8 [height, width, channels]."""
        height, width = pixels.shape[:2]
        scale = min(1.0, SIDE / min(height, width))
        small = cv2.resize(
            pixels, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA
        )
        small = small.reshape(*small.shape[:2], -1)
        colours = np.repeat(small, 3, axis=2) if small.shape[2] == 1 else small[..., 2::-1]
        found = self._detector.process_frame(FrameTimecode(self._frames, self._fps), np.ascontiguousarray(colours))
        self._cuts += [cut.frame_num for cut in found]
        self._frames += 1

    def cuts(self) -> list[int]:
        """The first frame of every take but the first; call it once, after the last frame."""
        if self._frames:
            found = self._detector.post_process(FrameTimecode(self._frames - 1, self._fps))
            self._cuts += [cut.frame_num for cut in found]
        return sorted({cut for cut in self._cuts if 0 < cut < self._frames})
