"""A stream of numbered examples that are cheap, and an encoder of words that is none: what shards are tested on."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from framefall.data.clip import Clip


@dataclass(frozen=True)
class Counted:
    """Clips that hold their number; two epochs in order, then each epoch backwards."""

    count: int = 20
    made: tuple[list[int], ...] = ()  # a list that says which were made, if one is given
    side: int = 4

    @property
    def examples(self) -> int:
        return self.count

    @property
    def fingerprint(self) -> str:
        return f"counted-{self.count}-{self.side}"

    @property
    def nbytes(self) -> int:
        return 6 * self.side**2

    def number(self, position: int) -> int:
        epoch, place = divmod(position, self.count)
        return place if epoch < 1 else self.count - 1 - place

    def in_order(self, position: int) -> bool:
        return position < self.count

    def clip(self, position: int) -> Clip:
        return self.example(self.number(position))

    def example(self, number: int) -> Clip:
        for log in self.made:
            log.append(number)
        pixels = np.full((3, 2, self.side, self.side), number, np.uint8)
        return Clip(pixels, f"number {number % 3}", np.array([number], np.float32), 6.0, f"counted/{number}")


@dataclass(frozen=True)
class Letters:
    """States of a caption: its letters."""

    name: str = "letters"
    asked: tuple[list[str], ...] = ()

    def __call__(self, captions: list[str]) -> list[Tensor]:
        for log in self.asked:
            log.extend(captions)
        return [torch.tensor([[float(ord(letter))] for letter in text], dtype=torch.bfloat16) for text in captions]


def same(one: Clip, other: Clip) -> bool:
    """Two clips agree in all that is kept of them."""
    states = (one.states is None) == (other.states is None)
    if states and one.states is not None and other.states is not None:
        states = torch.equal(one.states, other.states) and one.states.dtype == other.states.dtype
    numbers = (one.numbers is None) == (other.numbers is None)
    if numbers and one.numbers is not None:
        numbers = np.array_equal(one.numbers, other.numbers)
    told = (one.caption, one.fps, one.key) == (other.caption, other.fps, other.key)
    return (
        states
        and numbers
        and told
        and one.pixels.dtype == other.pixels.dtype
        and np.array_equal(one.pixels, other.pixels)
    )
