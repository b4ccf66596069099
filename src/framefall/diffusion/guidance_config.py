"""How a denoiser is guided: one frozen object in configs, requests and on the command line, and what it makes."""

from dataclasses import dataclass, fields

from framefall import checks
from framefall.diffusion.guidance import Direction, constant, oscillating, steered, thresholded, within
from framefall.diffusion.samplers import Denoise, TimeGrid
from framefall.ranges import Scale, Share, Some

STRONGEST = 100.0  # any scale


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """Which guidance acts and how strongly; by default none does.

    A scale of 1 is off, and costs nothing: 0 is the weaker side alone, above 1 is away from it. That of reconstruction
    is off at 0. Raises `ValueError`
    for what is no number of its range.
    """

    scale: Scale = 1.0  # classifier-free, away from what no caption says
    interval: tuple[Share, Share] = (0.1, 0.9)  # diffusion times at which guidance acts, of every kind
    # the share of a clip's spread that is given back of what guidance inflates; .7 costs edges (`bench guidance`)
    rescale: Share = 0.0
    threshold: Scale | None = None  # percentile of |x0| that dynamic thresholding brings to 1
    oscillate: tuple[Scale, Some] | None = None  # low scale, and the first steps at `scale`: then low and high in turns
    temporal_scale: Scale = 1.0  # temporal consistency: away from frames that do not know each other
    history_scale: Scale = 1.0  # away from what is said without the given frames
    structure_scale: Scale = 1.0  # towards the given structure: away from what is said without it
    content_scale: Scale = 1.0  # towards the given content: away from what is said without it
    weaker_scale: Scale = 1.5  # autoguidance: away from a weaker model, where there is one
    # of a model that cannot be told what is known: towards what fits to it, by a gradient (VDM); 0: it is only kept
    reconstruction_scale: Scale = 0.0

    def __post_init__(self) -> None:
        for name in (one.name for one in fields(self) if one.name == "scale" or one.name.endswith("_scale")):
            checks.number(name, getattr(self, name), least=0, most=STRONGEST, example=1.5)
        checks.number("rescale", self.rescale, least=0, most=1, example=0.7)
        if self.threshold is not None:
            checks.number("threshold", self.threshold, above=0, most=100, example=99.5)
        _check_pair("interval", self.interval, "two times", (0.1, 0.9))
        for time in self.interval:
            checks.number("each time of interval", time, least=0, most=1)
        if self.interval[0] > self.interval[1]:
            raise ValueError(f"interval must rise within 0..1, got {self.interval}; try (0.1, 0.9)")
        if self.oscillate is not None:
            _check_pair("oscillate", self.oscillate, "the low scale and the first steps", (1.0, 4))
            checks.number("the low scale of oscillate", self.oscillate[0], least=0, most=STRONGEST, example=1)
            checks.whole("the first steps of oscillate", self.oscillate[1], 0)

    @property
    def reads_text(self) -> bool:
        """Whether the side without a caption is asked at some time."""
        return self.scale != 1 or (self.oscillate is not None and self.oscillate[0] != 1)

    @property
    def calls(self) -> int:
        """How often the network is asked at a time where guidance acts, of a clip without history or weaker model."""
        return 1 + self.reads_text + (self.temporal_scale != 1)


@dataclass(frozen=True, kw_only=True)
class Sides:
    """What a model says when it is told everything, and the weaker sides that it has; None: it has none such."""

    full: Denoise
    without_text: Denoise | None = None
    per_frame: Denoise | None = None  # of each frame alone
    per_frame_without_text: Denoise | None = None
    without_history: Denoise | None = None  # as if no frame were given
    without_structure: Denoise | None = None
    without_content: Denoise | None = None
    weaker: Denoise | None = None  # of a worse model


def strengthened(guidance: Guidance, sides: Sides, times: TimeGrid) -> Denoise:
    """The denoiser that a guidance makes of a model's sides, for a sampler that walks along `times`.

    Captions go first, as Ho and Salimans (2022) have them; then what Gen-1 (Esser et al. 2023) has beside them, the
    temporal consistency of the prediction without a caption; then structure and content, each away from the same
    without it; then history (Song et al. 2025, DFoT) and a weaker model (Karras et al. 2024). One interval and one
    rescaling serve all, and the threshold comes last.
    """
    directions: list[Direction] = []

    def add(strong: Denoise | None, weak: Denoise | None, scale: float) -> None:
        if scale != 1 and strong is not None and weak is not None:
            along = within(guidance.interval, constant(scale))
            directions.append(Direction(strong=strong, weak=weak, scale=along))

    if guidance.oscillate is None:
        add(sides.full, sides.without_text, guidance.scale)
    elif guidance.reads_text and sides.without_text is not None:
        turns = oscillating(guidance.scale, *guidance.oscillate, times)
        along = within(guidance.interval, turns)
        directions.append(Direction(strong=sides.full, weak=sides.without_text, scale=along))
    if guidance.reads_text:
        add(sides.without_text, sides.per_frame_without_text, guidance.temporal_scale)
    else:
        add(sides.full, sides.per_frame, guidance.temporal_scale)
    add(sides.full, sides.without_structure, guidance.structure_scale)
    add(sides.full, sides.without_content, guidance.content_scale)
    add(sides.full, sides.without_history, guidance.history_scale)
    add(sides.full, sides.weaker, guidance.weaker_scale)
    moved = steered(sides.full, *directions, rescale=guidance.rescale)
    return moved if guidance.threshold is None else thresholded(moved, guidance.threshold)


def _check_pair(name: str, value: object, of: str, example: tuple[float, float | int]) -> None:
    if not isinstance(value, tuple) or len(value) != 2:
        raise ValueError(f"{name} must be a tuple of {of}, got {value!r}; try {example}")
