"""Tracks drawn over their clip, to look at."""

import cv2
import numpy as np
from jaxtyping import UInt8

from framefall.tracking.trajectory import TrackEvent, Tracks
from framefall.video import Video, to_pixels

SIDE = 192  # pixels that the shorter side of a drawn frame has at least
TAIL = 16  # frames of its past that a track shows
SHOWN = 5  # frames for which an event stays written
INKS = ((230, 60, 60), (60, 110, 240), (40, 160, 70), (240, 150, 30), (150, 70, 200), (20, 170, 180), (220, 80, 160))
ALARM, INK = (255, 0, 0), (20, 20, 20)


def overlay(video: Video, tracks: Tracks) -> UInt8[np.ndarray, "frames rows columns 3"]:
    """Every frame of the first video, enlarged if it is small, with ways, sizes, numbers and events.

    The tracks may be of a longer clip of which these are the first frames.
    A filled dot is an object seen whole, a ring one that is partly hidden; what nothing explains is written in red.
    """
    pixels = to_pixels(video[0, :3].nan_to_num(-1.0)).permute(1, 2, 3, 0).cpu().numpy()
    if pixels.shape[-1] < 3:
        pixels = np.repeat(pixels[..., :1], 3, axis=-1)
    factor = max(1, -(-SIDE // min(pixels.shape[1:3])))
    frames = [
        cv2.resize(frame, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST) if factor > 1 else frame.copy()
        for frame in pixels
    ]
    for index in range(len(tracks.objects)):
        _draw_way(frames, tracks, index, factor)
    for event in tracks.events:
        if event.kind != "contact":
            _write(frames, tracks, event, factor)
    return np.stack(frames)


def _draw_way(frames: list[np.ndarray], tracks: Tracks, index: int, factor: int) -> None:
    one, ink = tracks.objects[index], INKS[index % len(INKS)]
    points = np.round(one.position * factor).astype(int)
    for number, frame in enumerate(one.frames[one.frames < len(frames)].tolist()):
        tail = points[max(0, number - TAIL) : number + 1]
        cv2.polylines(frames[frame], [tail.reshape(-1, 1, 2)], False, ink, 1, cv2.LINE_AA)
        radius = int(factor * np.sqrt(one.area[number] / np.pi))
        middle = (int(points[number, 0]), int(points[number, 1]))
        cv2.circle(frames[frame], middle, max(1, radius), INK, 1, cv2.LINE_AA)
        cv2.circle(frames[frame], middle, 2, ink, -1 if one.whole[number] else 1, cv2.LINE_AA)
        _text(frames[frame], str(index), (middle[0] + 4, middle[1] - 4), INK)


def _write(frames: list[np.ndarray], tracks: Tracks, event: TrackEvent, factor: int) -> None:
    one = tracks.objects[event.track]
    nearest = int(np.abs(one.frames - event.frame).argmin())
    x, y = (int(v) for v in one.position[nearest] * factor)
    words = f"{event.kind} {event.track}" + ("" if event.explained else " !")
    for frame in range(event.frame, min(event.frame + SHOWN, len(frames))):
        width = frames[frame].shape[1]
        _text(
            frames[frame],
            words,
            (min(max(2, x - 30), max(2, width - 100)), max(10, y + 14)),
            INK if event.explained else ALARM,
        )


def _text(frame: np.ndarray, words: str, place: tuple[int, int], ink: tuple[int, int, int]) -> None:
    cv2.putText(frame, words, place, cv2.FONT_HERSHEY_SIMPLEX, 0.35, ink, 1, cv2.LINE_AA)
