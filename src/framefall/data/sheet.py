"""Frames of videos side by side in one PNG."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from framefall import publish

GAP = 2  # pixels between frames
INK, PAPER = (230, 230, 230), (16, 16, 16)


def contact_sheet(video: np.ndarray, path: str | Path, columns: int = 8) -> None:
    """The frames of one video, uint8 [frames, height, width, channels], in reading order."""
    rows = [("", video[start : start + columns]) for start in range(0, len(video), columns)]
    strips(rows, path)


def strips(rows: Sequence[tuple[str, np.ndarray]], path: str | Path) -> None:
    """One row of frames for each (label, uint8 [frames, height, width, channels]); sizes may differ between rows."""
    if not rows or not all(video.ndim == 4 and len(video) for _, video in rows):
        raise ValueError("a sheet must have at least one row of at least one frame, got none")
    font = ImageFont.load_default()
    probe = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    labels = max(round(probe.textlength(label, font=font)) for label, _ in rows)
    margin = labels + 3 * GAP if labels else 0
    line = 14 if labels else 0  # a row is never lower than its label
    heights = [max(video.shape[1], line) for _, video in rows]
    width = margin + max(len(video) * (video.shape[2] + GAP) - GAP for _, video in rows)
    sheet = Image.new("RGB", (width, sum(heights) + GAP * (len(rows) - 1)), PAPER)
    draw, top = ImageDraw.Draw(sheet), 0
    for (label, video), height in zip(rows, heights, strict=True):
        if label:
            draw.text((GAP, top + height // 2), label, fill=INK, font=font, anchor="lm")
        for column, frame in enumerate(video):
            sheet.paste(Image.fromarray(_rgb(frame)), (margin + column * (video.shape[2] + GAP), top))
        top += height + GAP
    with publish.file(path) as partial:
        sheet.save(partial, format="PNG")


def _rgb(frame: np.ndarray) -> np.ndarray:
    """Three channels to look at: one is repeated, of more the first three are shown, of two the first."""
    shown = frame[..., :3] if frame.shape[2] >= 3 else np.repeat(frame[..., :1], 3, axis=2)
    return np.ascontiguousarray(shown)
