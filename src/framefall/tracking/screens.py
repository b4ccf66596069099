"""Screens: what stands upright in a picture without objects, and differs from what lies beside it.

Objects are followed by their motion, and of a screen that shows that they are gone behind it. A thing behind a screen
and a thing that faded, a screen and an empty scene are told apart here.
"""

import numpy as np
from jaxtyping import Bool, Float

from framefall.tracking.colours import lab
from framefall.tracking.working_clip import Picture

CONTRAST = 10  # levels, 0..255, by which it differs from the rest of its row
HEIGHT = 0.25  # of the picture: the least that is seen of it
WIDTH = 1 / 16  # of the picture: a narrower thing is a rod, or an edge

Screens = Float[np.ndarray, "screens 3"]  # CIE Lab of each, from the left


def find_screens(behind: Picture) -> Screens:
    """The colours of the screens in a picture without objects; what is as wide as half of the picture is none.

    A row's median is what lies behind it, floor and sky alike; a column of a screen differs from those medians over
    `HEIGHT` of the picture, and a screen is as many such columns beside each other as make `WIDTH`.
    """
    levels = behind.astype(np.int16)
    apart = np.abs(levels - np.median(levels, axis=1, keepdims=True)).max(axis=2) > CONTRAST
    found = [
        lab(np.median(behind[:, first:end][apart[:, first:end]], axis=0) / 255)
        for first, end in _runs(apart.mean(axis=0) > HEIGHT)
        if end - first >= WIDTH * behind.shape[1]
    ]
    return np.array(found).reshape(-1, 3)


def _runs(columns: Bool[np.ndarray, " columns"]) -> list[tuple[int, int]]:
    """Where what is true begins and ends."""
    turns = np.flatnonzero(np.diff(np.concatenate([[False], columns, [False]])))
    return [(int(first), int(end)) for first, end in turns.reshape(-1, 2)]
