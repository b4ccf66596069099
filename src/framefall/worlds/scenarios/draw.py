"""One scene's chances: every draw is a pure function of the scene's key and of how many draws came before it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from framefall.noise import Key
from framefall.worlds.captions.bins import BINS, Factor, Region, ValueRange
from framefall.worlds.scene import BODY_COLOURS, Body, Point, Thing
from framefall.worlds.shapes import extent, reach
from framefall.worlds.splits import COMPOUNDS, FACTORS_OF, FAR, GRID, RESIDUES, SHAPES, SPLITS, held_out

Choice = TypeVar("Choice")


@dataclass(frozen=True)
class Item:
    """A thing with its exact size, before it has a place."""

    thing: Thing
    radius: float

    def extent(self, direction: Point) -> float:
        """How far it reaches from its centre towards a unit direction."""
        return extent(self.thing.shape, self.radius, direction)

    @property
    def reach(self) -> float:
        """How far it reaches at most."""
        return reach(self.thing.shape, self.radius)

    def body(
        self,
        name: str,
        position: Point,
        velocity: Point = (0.0, 0.0),
        *,
        angle: float = 0.0,
        release: float = 0.0,
        pivot: Point | None = None,
    ) -> Body:
        """The body at its place."""
        return Body(
            name=name,
            colour=self.thing.colour,
            shape=self.thing.shape,
            radius=self.radius,
            position=position,
            velocity=velocity,
            angle=angle,
            release=release,
            pivot=pivot,
        )


class Draw:
    """Draws from a key under the rules of a split: its boxes, its triples, its radii.

    What makes the scene special in its split is the key's alone; everything else is another attempt's another time.
    """

    def __init__(self, key: Key, scenario: str, split: str, attempt: int = 0, version: int = 1) -> None:
        self.scenario, self.split, self.bins = scenario, split, BINS[version]
        self.near = version > 1  # things are bigger, and have less room
        self.late = split == "horizon"  # something must still happen in the second half
        self.seconds = 5.0 if self.late else 2.5
        self.moved: tuple[Factor, ...] = ()
        if split in FAR:
            factors = FACTORS_OF[scenario]
            chosen = 1 + key.integer(2 ** len(factors) - 1)  # any but none of them
            self.moved = tuple(factor for bit, factor in enumerate(factors) if chosen >> bit & 1)
        self.compound = split == "comb" and scenario in COMPOUNDS and key.uniform() < 0.5
        self._key, self._count = key.named(str(attempt)), 0

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        self._count += 1
        return low + (high - low) * self._key.uniform(self._count)

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self.uniform(0.0, float(high - low + 1)))

    def chance(self, share: float) -> bool:
        """True in this share of draws."""
        return self.uniform(0.0, 1.0) < share

    def choice(self, values: Sequence[Choice]) -> Choice:
        """One of the values."""
        return values[self.integer(0, len(values) - 1)]

    def side(self) -> tuple[str, float]:
        """Left or right, and its sign."""
        return ("right", 1.0) if self.chance(0.5) else ("left", -1.0)

    def gravity(self) -> float:
        """Heights a second squared, from the split's box."""
        return self.uniform(*self._interval("gravity")[1])

    def speed(self) -> tuple[str, ValueRange]:
        """A word and the speeds that it stands for."""
        return self._interval("speed")

    def item(self, taken: Sequence[Item] = ()) -> Item:
        """A thing of a colour that is not taken; the first of a scene carries what is special in its split."""
        first = not taken
        # of the other bodies every second one moves with the first: a huge ball among ordinary ones is new as well
        moved = first or self.chance(0.5)
        word, interval = self._interval("size", moved)
        colour, shape = self._look({item.thing.colour for item in taken}, first)
        return Item(Thing(colour, shape, word), self.radius(interval))

    def radius(self, interval: ValueRange) -> float:
        """A radius whose residue is the split's."""
        residue = SPLITS.index(self.split)
        low = math.ceil((interval[0] / GRID - residue) / RESIDUES)
        high = math.ceil((interval[1] / GRID - residue) / RESIDUES) - 1
        return (self.integer(low, high) * RESIDUES + residue) * GRID

    def _interval(self, factor: Factor, moved: bool = True) -> tuple[str, ValueRange]:
        region: Region = FAR[self.split] if moved and factor in self.moved else "train"
        return self.choice(list(self.bins[factor][region].items()))

    def _look(self, taken: set[str], first: bool) -> tuple[str, str]:
        """A colour and a shape: in `comb` the first is of a held-out triple, elsewhere no body is."""
        special = self.split == "comb" and first and not self.compound
        free = [
            (colour, shape)
            for colour in BODY_COLOURS
            for shape in SHAPES[self.scenario]
            if colour not in taken and held_out(self.scenario, colour, shape) == special
        ]
        return self.choice(free)
