"""The words of a scene and the values that they stand for: no value belongs to two words of one kind.

Every interval is half open, [low, high). The words of training have gaps between them, so that a word
is visible; other words and other gravities are met only out of distribution, near the training box or far from it.

Worlds have versions. Version 1 has radii from which a picture of 64 pixels tells everything; in a picture of 32 pixels
its small things are 3 pixels across, and a diamond is a ball. In version 2 nothing that is trained on is less than 4
pixels across in such a picture. Speeds and gravities are those of version 1: only sizes mean something else.
"""

from typing import Literal

ValueRange = tuple[float, float]
Factor = Literal["size", "speed", "gravity"]
Region = Literal["train", "near", "far"]

Bins = dict[Region, dict[str, ValueRange]]

_SIZES: dict[int, Bins] = {  # radius in heights
    1: {
        "train": {"small": (0.050, 0.062), "medium": (0.078, 0.095), "large": (0.115, 0.140)},
        "near": {"tiny": (0.038, 0.043), "huge": (0.165, 0.185)},
        "far": {"tiny": (0.028, 0.033), "huge": (0.205, 0.230)},
    },
    2: {  # a box is 1.77 radii wide
        "train": {"small": (0.072, 0.082), "medium": (0.098, 0.112), "large": (0.132, 0.150)},
        "near": {"tiny": (0.055, 0.062), "huge": (0.170, 0.186)},
        "far": {"tiny": (0.041, 0.047), "huge": (0.205, 0.230)},
    },
}
_MOTION: dict[Factor, Bins] = {
    "speed": {  # heights a second
        "train": {"slow": (0.14, 0.20), "medium": (0.27, 0.36), "fast": (0.48, 0.65)},
        "near": {"crawling": (0.09, 0.11), "racing": (0.80, 0.95)},
        "far": {"crawling": (0.05, 0.07), "racing": (1.10, 1.30)},
    },
    "gravity": {  # heights a second squared
        "train": {"normal": (1.0, 2.5)},
        "near": {"weak": (0.8, 1.0), "strong": (2.5, 3.0)},
        "far": {"weak": (0.4, 0.7), "strong": (3.3, 4.5)},
    },
}
# what a scene's values are drawn from, by the version of its world; gravity has no words in captions, only numbers
BINS: dict[int, dict[Factor, Bins]] = {version: {"size": sizes, **_MOTION} for version, sizes in _SIZES.items()}
SIZES = ("tiny", "small", "medium", "large", "huge")
SPEEDS = ("crawling", "slow", "medium", "fast", "racing")
