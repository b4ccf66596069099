"""What must not be flagged: changes of a clip that leave its physics and its coherence as they were.

The same signature as a corruption: uint8 [channels, frames, height, width], a strength, a key.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import av
import cv2
import numpy as np

from framefall.noise import Key, normal_field
from framefall.worlds.damage.corruptions import ClipPixels, reverse, to_bytes
from framefall.worlds.state import StateLog


@dataclass(frozen=True)
class Placebo:
    """One harmless change; `symmetric_only` ones are harmless only for a log of which `symmetric` is true."""

    name: str
    apply: Callable[[ClipPixels, float, Key], ClipPixels]
    psnr: float  # decibels that the clip keeps at least, compared where it came to lie
    symmetric_only: bool = False

    def __call__(self, clip: ClipPixels, key: Key, strength: float = 1.0) -> ClipPixels:
        """The changed clip."""
        if not 0 < strength <= 1:
            raise ValueError(f"strength must be above 0 and at most 1, got {strength}")
        return self.apply(clip, strength, key)


def noise(clip: ClipPixels, strength: float, key: Key) -> ClipPixels:
    """Gaussian noise, a standard deviation of 0.03 of the whole range."""
    channels, frames, height, width = clip.shape
    field = normal_field(key, channels, range(frames), range(height), range(width)).numpy()
    return to_bytes(clip + 255 * 0.03 * strength * field)


def gamma(clip: ClipPixels, strength: float, key: Key) -> ClipPixels:
    """A darker middle: every value to the power 1.1."""
    table = to_bytes(255 * (np.arange(256) / 255) ** (1 + 0.1 * strength))
    return table[clip]


def jpeg(clip: ClipPixels, quality: int) -> ClipPixels:
    """Every frame through JPEG; of other than three channels, each alone as a grey picture."""
    if clip.shape[0] != 3:
        return np.concatenate([_jpeg(channel[..., None], quality) for channel in clip])
    return _jpeg(np.moveaxis(clip, 0, -1)[..., ::-1], quality)[::-1].copy()


def crop(clip: ClipPixels, strength: float, key: Key) -> ClipPixels:
    """One row and one column less, on sides that the key chooses; the opposite edges are repeated to fill the size."""
    down, right = (2 * key.integer(2, axis) - 1 for axis in (0, 1))
    padded = np.pad(clip, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    height, width = clip.shape[2:]
    return np.ascontiguousarray(padded[:, :, 1 + down : 1 + down + height, 1 + right : 1 + right + width])


def flip(clip: ClipPixels, strength: float, key: Key) -> ClipPixels:
    """Left and right exchanged."""
    return np.ascontiguousarray(clip[..., ::-1])


def codec(clip: ClipPixels, strength: float, key: Key) -> ClipPixels:
    """H.264 and back, in memory: a constant quantiser of 18 at strength 1, colour at half resolution as in any mp4.

    Sides must be even for it, so odd ones are filled up and cut again.
    """
    if clip.shape[0] != 3:
        return np.concatenate([codec(np.repeat(c[None], 3, axis=0), strength, key)[:1] for c in clip])
    height, width = clip.shape[2:]
    even = np.pad(clip, ((0, 0), (0, 0), (0, height % 2), (0, width % 2)), mode="edge")
    # not crf: with it x264's look-ahead (mbtree) gave other bits from run to run on small pictures
    options = {"qp": str(round(18 * strength)), "threads": "1"}
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=24, options=options)
        stream.height, stream.width, stream.pix_fmt = even.shape[2], even.shape[3], "yuv420p"
        for picture in np.moveaxis(even, 0, -1):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        file.mux(stream.encode())
    buffer.seek(0)
    with av.open(buffer) as file:
        pictures = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    return np.ascontiguousarray(np.moveaxis(np.stack(pictures), -1, 0)[:, :, :height, :width])


def symmetric(log: StateLog) -> bool:
    """Whether the clip run backwards is as physical as forwards: nothing is lost in blows, friction or a release."""
    scene = log.scene
    struck = any(contact.speed > 0 for contact in log.contacts)
    rubbed = bool(log.contacts) and scene.friction > 0
    if log.violation or rubbed or (struck and scene.restitution != 1):
        return False
    return all(body.release == 0 for body in scene.bodies)


PLACEBOS: dict[str, Placebo] = {
    item.name: item
    for item in (
        Placebo("noise", noise, psnr=29.5),
        Placebo("gamma", gamma, psnr=26.0),
        Placebo("jpeg_95", lambda clip, strength, key: jpeg(clip, round(100 - 5 * strength)), psnr=30.0),
        Placebo("jpeg_85", lambda clip, strength, key: jpeg(clip, round(100 - 15 * strength)), psnr=28.0),
        Placebo("crop", crop, psnr=40.0),
        Placebo("flip", flip, psnr=40.0),
        Placebo("codec", codec, psnr=28.0),
        Placebo("reversal", reverse, psnr=40.0, symmetric_only=True),
    )
}


def _jpeg(pictures: np.ndarray, quality: int) -> np.ndarray:
    """[frames, height, width, 1 or 3] through JPEG, as [channels, frames, height, width]."""
    out = []
    for picture in pictures:
        done, data = cv2.imencode(".jpg", np.ascontiguousarray(picture), [cv2.IMWRITE_JPEG_QUALITY, quality])
        assert done
        back = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        assert back is not None
        out.append(back.reshape(picture.shape))
    return np.moveaxis(np.stack(out), -1, 0)
