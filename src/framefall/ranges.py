"""What a number of a config may be, said beside it: `dim: Annotated[int, within(8, 65536)]`.

The schema checks it before anything is made of the config. Bounds lie far beyond use: what they keep out asks for more
than any machine has, or makes no sense.
"""

from typing import Annotated, Any

from pydantic import Field


def within(least: int | float, most: int | float) -> Any:
    """At least `least` and at most `most`."""
    return Field(ge=least, le=most)


def listed(most: int) -> Any:
    """A list, or an object, of at most so many."""
    return Field(max_length=most)


Share = Annotated[float, within(0, 1)]
Scale = Annotated[float, within(0, 100)]  # of guidance: far beyond use, and no number overflows
Channels = Annotated[int, within(1, 1024)]
Features = Annotated[int, within(1, 65_536)]
Depth = Annotated[int, within(0, 512)]  # in blocks
Length = Annotated[int, within(1, 100_000)]  # in frames, or in pixels
Levels = Annotated[tuple[Annotated[int, within(0, 256)], ...], listed(8)]  # a number for each level of a U-Net
Side = Annotated[int, within(1, 256)]  # the same of a patch or a window
Some = Annotated[int, within(0, 65_536)]  # of what there may be none
Often = Annotated[int, within(0, 10**9)]  # steps
Count = Annotated[int, within(0, 2**63)]  # of things that were seen
Rate = Annotated[float, within(1e-3, 1000)]  # frames a second
Size = Annotated[float, within(0, 1e38)]  # of any size, and finite
