"""What is asked of a cascade: one frozen object, made once by the command line or by Python, and handed down whole."""

import math
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, replace
from typing import Literal

from jaxtyping import Float
from torch import Tensor

Quality = Literal["fast", "best"]
Prompts = str | tuple[str | None, ...] | None


@dataclass(frozen=True, eq=False)
class Request:
    """New clips: what they show, how many, how long, how good, and what is known of them.

    A clip's noise depends on `seed` and on the clip's name, never on its neighbours, so that clip 3 of ten is the
    clip of that name alone. Raises `ValueError` for what no cascade can be asked.
    """

    prompt: Prompts = None  # one for all clips, or a tuple with one a clip; None shows what the model likes
    _: KW_ONLY
    seed: int = 0
    count: int = 1  # clips of one prompt
    frames: int | None = None  # of a clip; met exactly
    seconds: float | None = None  # the same as a duration; by default a clip is as long as the last stage makes it
    size: tuple[int, int] | None = None  # height and width, of a model that was trained on several
    quality: Quality = "fast"  # few steps, or more of them
    until: str | None = None  # the last stage to run; by default the last there is
    numbers: Float[Tensor, "clips instants count"] | None = None  # one instant for a clip, or one a frame
    given: Float[Tensor, "given_clips channels given height width"] | None = None  # first frames to go on from
    guidance_scale: float | None = None  # classifier-free guidance of the base; by default the model's own
    names: tuple[str, ...] | None = None  # of the clips: 0, 1, ... by default

    def __post_init__(self) -> None:
        for name, lowest in (("seed", None), ("count", 1), ("frames", 1)):
            value = getattr(self, name)
            if value is None and name == "frames":
                continue
            if isinstance(value, bool) or not isinstance(value, int) or (lowest is not None and value < lowest):
                least = "" if lowest is None else f" of at least {lowest}"
                raise ValueError(f"{name} must be a whole number{least}, got {value!r}")
        for name, value in (("seconds", self.seconds), ("guidance_scale", self.guidance_scale)):
            if value is None:
                continue
            if isinstance(value, bool) or not math.isfinite(value) or value < 0 or (name == "seconds" and value == 0):
                least = "above 0" if name == "seconds" else "of at least 0"
                raise ValueError(f"{name} must be a finite number {least}, got {value!r}")
        if self.frames is not None and self.seconds is not None:
            raise ValueError(f"give frames or seconds, not both; got {self.frames} and {self.seconds}")
        if self.quality not in ("fast", "best"):
            raise ValueError(f"quality must be fast or best, got {self.quality!r}")
        if isinstance(self.prompt, tuple) and (not self.prompt or self.count != 1):
            raise ValueError(
                f"a tuple of prompts must have one for each clip, got {len(self.prompt)} and count={self.count};"
                " leave count out"
            )
        if self.names is not None and len(self.names) != len(self.captions):
            raise ValueError(
                f"there must be a name for each clip if names are given, got {len(self.names)} names"
                f" for {len(self.captions)} clips"
            )
        for name, tensor in (("numbers", self.numbers), ("given", self.given)):
            if tensor is not None and len(tensor) not in (1, len(self.captions)):
                raise ValueError(f"{name} must be of 1 clip or of all {len(self.captions)}, got {len(tensor)}")

    @property
    def captions(self) -> tuple[str | None, ...]:
        """One a clip."""
        return self.prompt if isinstance(self.prompt, tuple) else (self.prompt,) * self.count

    @property
    def clips(self) -> tuple[str, ...]:
        """The clips' names."""
        return self.names or tuple(map(str, range(len(self.captions))))

    def length(self, fps: float) -> int | None:
        """How many frames are asked for at a rate; none if that is left to the model."""
        return self.frames if self.seconds is None else max(1, round(self.seconds * fps))

    def one_by_one(self) -> Iterator["Request"]:
        """A request for each clip alone, under the name that it has among the others."""
        for index, (caption, name) in enumerate(zip(self.captions, self.clips, strict=True)):
            numbers, given = (
                tensor if tensor is None or len(tensor) == 1 else tensor[index : index + 1]
                for tensor in (self.numbers, self.given)
            )
            yield replace(self, prompt=(caption,), count=1, names=(name,), numbers=numbers, given=given)
