"""Frames of videos side by side in one PNG, each row with what it shows and each frame with its time."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from framefall import publish
from framefall.outputs import Output

GAP = 2  # pixels between frames
NARROWEST = 64  # pixels: narrower frames are enlarged, each pixel to a square
INK, PAPER = (230, 230, 230), (16, 16, 16)


@dataclass(frozen=True, eq=False)
class Row:
    """Frames of one video side by side, uint8 [frames, height, width, channels]."""

    label: str
    frames: np.ndarray
    times: tuple[float, ...] = ()  # of each frame, in seconds; rows of equal times share the line below the last
    heading: str = ""  # a line above: what this row and those after it have in common

    def ends_with(self, after: "Row") -> bool:
        """Whether the line of times belongs under this row, and not under the one after it."""
        return self.times != after.times or bool(after.heading)


def evenly(frames: int, count: int) -> list[int]:
    """The numbers of `count` frames, the first and the last among them, evenly spaced; all where there are fewer."""
    return [round(number) for number in np.linspace(0, frames - 1, min(count, frames))]


def clip_row(label: str, video: np.ndarray, fps: float, count: int, heading: str = "") -> Row:
    """Up to `count` evenly spaced frames of a whole video, uint8 [frames, height, width, channels]."""
    numbers = evenly(len(video), count)
    return Row(label, video[numbers], tuple(number / fps for number in numbers), heading)


def contact_sheet(video: np.ndarray, path: str | Path | Output, fps: float, *, columns: int = 8, rows: int = 2) -> None:
    """Evenly spaced frames of a whole video, uint8 [frames, height, width, channels], in reading order.

    A video of fewer frames has fewer rows, and every row is full.
    """
    across = min(columns, len(video))
    shown = clip_row("", video, fps, across * max(1, min(rows, len(video) // columns)))
    starts = range(0, len(shown.frames), max(1, across))
    strips([Row("", shown.frames[at : at + across], shown.times[at : at + across]) for at in starts], path)


def strips(rows: Sequence[Row], path: str | Path | Output) -> None:
    """One line of frames for each row; sizes may differ between rows. A plain path is replaced, whatever it holds."""
    if not rows or not all(one.frames.ndim == 4 and len(one.frames) for one in rows):
        raise ValueError("a sheet must have at least one row of at least one frame, got none")
    for one in rows:
        if one.times and len(one.times) != len(one.frames):
            raise ValueError(f"a row must have a time for each frame, got {len(one.times)} for {len(one.frames)}")
    widest = max(NARROWEST, *(one.frames.shape[2] for one in rows))
    tiles = [_enlarged(one.frames, max(1, widest // one.frames.shape[2])) for one in rows]
    size = max(10, max(tile.shape[2] for tile in tiles) // 18)
    font, line = ImageFont.load_default(size), round(1.4 * size)  # pixels of a line of text
    margin = max(round(font.getlength(one.label)) for one in rows)
    margin += 3 * GAP if margin else 0
    width = margin + max(len(tile) * (tile.shape[2] + GAP) - GAP for tile in tiles)
    timed = [*(bool(one.times) and one.ends_with(after) for one, after in pairwise(rows)), bool(rows[-1].times)]
    tops, height = [], 0
    for one, tile, last in zip(rows, tiles, timed, strict=True):
        tops.append(height + line * bool(one.heading))
        height = tops[-1] + max(tile.shape[1], line) + line * last + GAP
    sheet = Image.new("RGB", (width, height - GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for one, tile, last, top in zip(rows, tiles, timed, tops, strict=True):
        below = top + max(tile.shape[1], line)
        draw.text((GAP, top - line // 2), _fitted(one.heading, width - 2 * GAP, font), INK, font, anchor="lm")
        draw.text((GAP, (top + below) // 2), one.label, INK, font, anchor="lm")
        for column, frame in enumerate(tile):
            left = margin + column * (tile.shape[2] + GAP)
            sheet.paste(Image.fromarray(frame), (left, top))
            if last:
                middle = (left + tile.shape[2] // 2, below + line // 2)
                draw.text(middle, f"{one.times[column]:.2f} s", INK, font, anchor="mm")
    with path.writing() if isinstance(path, Output) else publish.file(path) as partial:
        sheet.save(partial, format="PNG")


def _enlarged(frames: np.ndarray, times: int) -> np.ndarray:
    """Three channels to look at (one is repeated, of more the first three are shown, of two the first), and larger."""
    shown = frames[..., :3] if frames.shape[3] >= 3 else np.repeat(frames[..., :1], 3, axis=3)
    return np.ascontiguousarray(shown.repeat(times, axis=1).repeat(times, axis=2))


def _fitted(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """As much of a text as is that wide."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + " ...") > width:
        text = text[:-1]
    return text.rstrip() + " ..."
