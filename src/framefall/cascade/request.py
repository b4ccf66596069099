"""What is asked of a cascade: one frozen object, made once by the command line or by Python, and handed down whole."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields, replace
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

from framefall import checks
from framefall.cascade.known import Known
from framefall.diffusion.guidance_config import Guidance

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
    seconds: int | float | None = None  # the same as a duration, inf for no end; by default what the last stage makes
    size: tuple[int, int] | None = None  # height and width, of a model that was trained on several
    quality: Quality = "fast"  # few steps, or more of them
    until: str | None = None  # the last stage to run; by default the last there is
    numbers: Float[Tensor, "clips instants count"] | None = None  # one instant for a clip, or one a frame
    prompts_at: tuple[tuple[float, str | None], ...] = ()  # (seconds, prompt): what is to be seen from then on
    known: tuple[Known, ...] = ()  # what is given of every clip, or of each: images, videos, parts of the picture
    strength: float = 1.0  # below 1: how far to go away from the known video, which must cover the clip (SDEdit)
    structure: tuple[Known, ...] = ()  # where things are: maps of one channel, and how exactly each is told
    content: Float[Tensor, "clips features"] | None = None  # what things look like (`models.content`)
    loop: bool = False  # whether the frame after the last is the first
    # of the base, by default the model's own: its scale, some of its settings by their names, or all of it
    guidance: int | float | Mapping[str, Any] | Guidance | None = None
    names: tuple[str, ...] | None = None  # of the clips: 0, 1, ... by default

    def __post_init__(self) -> None:
        _check_prompt(self.prompt)
        checks.whole("seed", self.seed)
        checks.whole("count", self.count, 1)
        if self.frames is not None:
            checks.whole("frames", self.frames, 1)
        if self.seconds not in (None, math.inf):
            checks.number("seconds", self.seconds, above=0, example=2.5)
        if self.endless and self.loop:
            raise ValueError("a loop must have an end, got seconds=inf; try 2.5")
        self.guided(Guidance())
        if self.size is not None:
            if not isinstance(self.size, tuple) or len(self.size) != 2:
                raise ValueError(f"size must be a tuple of height and width, got {self.size!r}; try (256, 256)")
            for side in self.size:
                checks.whole("each side of size", side, 1)
        if self.frames is not None and self.seconds is not None:
            raise ValueError(f"give frames or seconds, not both; got {self.frames} and {self.seconds}")
        if self.quality not in ("fast", "best"):
            raise ValueError(f"quality must be fast or best, got {self.quality!r}")
        if isinstance(self.prompt, tuple) and (not self.prompt or self.count != 1):
            raise ValueError(
                f"a tuple of prompts must have one for each clip, got {len(self.prompt)} and count={self.count};"
                " leave count out"
            )
        if isinstance(self.names, str):
            raise ValueError(f"names must be a tuple with one for each clip, got {self.names!r}; try ({self.names!r},)")
        if self.names is not None and len(self.names) != len(self.captions):
            raise ValueError(
                f"there must be a name for each clip if names are given, got {len(self.names)} names"
                f" for {len(self.captions)} clips"
            )
        tensors = [("numbers", self.numbers), ("content", self.content)]
        tensors += [("known", piece.video) for piece in self.known]
        tensors += [("structure", piece.video) for piece in self.structure]
        for name, tensor in tensors:
            if tensor is not None and len(tensor) not in (1, len(self.captions)):
                raise ValueError(f"{name} must be of 1 clip or of all {len(self.captions)}, got {len(tensor)}")
        checks.number("strength", self.strength, above=0, most=1, example=0.6)
        for second, _ in self.prompts_at:
            checks.number("the second of a later prompt", second, above=0, example=3)
        _check_prompt(tuple(prompt for _, prompt in self.prompts_at) or None)

    @property
    def captions(self) -> tuple[str | None, ...]:
        """One a clip."""
        return self.prompt if isinstance(self.prompt, tuple) else (self.prompt,) * self.count

    @property
    def clips(self) -> tuple[str, ...]:
        """The clips' names."""
        return self.names or tuple(map(str, range(len(self.captions))))

    @property
    def endless(self) -> bool:
        """Whether clips go on until nobody reads them any more."""
        return self.seconds is not None and math.isinf(self.seconds)

    def length(self, fps: float) -> int | None:
        """How many frames are asked for at a rate; none if that is left to the model."""
        return self.frames if self.seconds is None else max(1, round(self.seconds * fps))

    def guided(self, own: Guidance) -> Guidance:
        """A model's own guidance with what the request changes of it."""
        if self.guidance is None or isinstance(self.guidance, Guidance):
            return self.guidance or own
        if not isinstance(self.guidance, Mapping):
            return replace(own, scale=self.guidance)
        known = [field.name for field in fields(Guidance)]
        for name in self.guidance:
            if name not in known:
                raise ValueError(f"a setting of guidance must be one of {', '.join(known)}; got {name!r}")
        return replace(own, **self.guidance)

    def part(self, clips: slice) -> "Request":
        """The request for some of its clips, under the names that they have among the others."""
        numbers = self.numbers
        return replace(
            self,
            prompt=self.captions[clips],
            count=1,
            names=self.clips[clips],
            numbers=numbers if numbers is None or len(numbers) == 1 else numbers[clips],
            known=tuple(piece.of(clips) for piece in self.known),
            structure=tuple(piece.of(clips) for piece in self.structure),
            content=self.content if self.content is None or len(self.content) == 1 else self.content[clips],
        )

    def one_by_one(self) -> Iterator["Request"]:
        """A request for each clip alone."""
        return (self.part(slice(index, index + 1)) for index in range(len(self.captions)))

    def captions_at(self, seconds: float) -> tuple[str | None, ...]:
        """One a clip, of what is to be seen at that moment."""
        now = [prompt for second, prompt in sorted(self.prompts_at, key=lambda at: at[0]) if second <= seconds + 1e-6]
        return (now[-1],) * len(self.captions) if now else self.captions

    def numbers_of(self, frames: Sequence[int], total: int | None) -> Float[Tensor, "clips instants count"] | None:
        """The numbers of a stage's frames, of which it makes `total`: theirs, where there is one instant for each."""
        if self.numbers is None or self.numbers.shape[1] == 1:
            return self.numbers
        instants = self.numbers.shape[1]
        step = 1.0 if total is None else instants / total  # instants are spread over all frames
        places = [min(max(int(frame * step), 0), instants - 1) for frame in frames]
        return self.numbers[:, places]


def _check_prompt(prompt: object) -> None:
    captions = prompt if isinstance(prompt, tuple) else (prompt,)
    for caption in captions:
        if not isinstance(caption, str | None):
            raise ValueError(f"a prompt must be text, None, or a tuple of these, one a clip; got {prompt!r}")
        checks.characters("a prompt", caption or "")
