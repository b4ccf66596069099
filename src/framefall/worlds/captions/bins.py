"""The words of a scene and the values that they stand for: no value belongs to two words of one kind.

Every interval is half open, [low, high). The words of training have gaps between them, so that a word
is visible; other words and other gravities are met only out of distribution, near the training box or far from it.
"""

from typing import Literal

ValueRange = tuple[float, float]
Factor = Literal["size", "speed", "gravity"]
Region = Literal["train", "near", "far"]

# what a scene's values are drawn from; gravity has no words in captions, only numbers
BINS: dict[Factor, dict[Region, dict[str, ValueRange]]] = {
    "size": {  # radius in heights
        "train": {"small": (0.050, 0.062), "medium": (0.078, 0.095), "large": (0.115, 0.140)},
        "near": {"tiny": (0.038, 0.043), "huge": (0.165, 0.185)},
        "far": {"tiny": (0.028, 0.033), "huge": (0.205, 0.230)},
    },
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
SIZES = ("tiny", "small", "medium", "large", "huge")
SPEEDS = ("crawling", "slow", "medium", "fast", "racing")
