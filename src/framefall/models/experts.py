"""Two networks for one stage, or more: one where noise hides what there is, one where it hides only how it looks.

What a clip shows is decided at much noise, by few and large tokens that all see one another. How it looks is drawn at
little noise, where such tokens are coarse and convolutions see what they need. Each learns its own times alone
(eDiff-I, Balaji et al. 2022), and a step of sampling asks one of them. An expert can be two experts again.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Literal, TypeVar, Union

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor

from framefall.layers.compiled import is_read
from framefall.models.backbone import Backbone, Condition, ReadsAs
from framefall.models.nested import nested
from framefall.models.transformer import TransformerConfig
from framefall.models.unet import UNetConfig
from framefall.ranges import Channels, Share
from framefall.video import Time, Video


@dataclass(frozen=True, kw_only=True)
class ExpertsConfig(ReadsAs):
    """The two networks, which are told the same, and the diffusion time between them. Either can be two again."""

    kind: Literal["experts"] = "experts"
    split: Share = 0.5  # a clip whose noisiest frame is at this time or later is the noisy expert's
    noisy: "Expert" = field(default_factory=TransformerConfig)
    clean: "Expert" = field(default_factory=UNetConfig)

    def __post_init__(self) -> None:
        if not 0 < self.split < 1:
            raise ValueError(f"split must be between 0 and 1, got {self.split}; try 0.5")
        for side, later in (("noisy", True), ("clean", False)):
            inner = getattr(self, side)
            if isinstance(inner, ExpertsConfig) and (inner.split > self.split) != later:
                own = "above" if later else "below"
                raise ValueError(
                    f"the split of the {side} expert must be {own} {self.split}, where its own times lie, got"
                    f" {inner.split}; set another"
                )
        for name in _SHARED:
            noisy, clean = getattr(self.noisy, name), getattr(self.clean, name)
            if noisy != clean:
                raise ValueError(f"both experts must have the same {name}, got {noisy} and {clean}; set both")

    @property
    def reader(self) -> TransformerConfig | UNetConfig:
        """Any: all are told the same."""
        return self.noisy.reader if isinstance(self.noisy, ExpertsConfig) else self.noisy

    @property
    def channels(self) -> Channels:
        """Of the noisy video."""
        return self.noisy.channels

    @property
    def out_channels(self) -> Channels | None:
        """Of what is made; None: as many as come in."""
        return self.noisy.out_channels

    @property
    def low_res_channels(self) -> int:
        """Of what is known of frames."""
        return self.noisy.low_res_channels

    @property
    def fusion(self) -> str:
        """How frames see each other where it is decided what there is."""
        return self.noisy.fusion

    def asked(self, times: Sequence[float]) -> Iterator[tuple[TransformerConfig | UNetConfig, list[float]]]:
        """Each network with those of the times of clips' noisiest frames that are its own."""
        noisy, clean = ([time for time in times if (time >= self.split) == much] for much in (True, False))
        for expert, own in ((self.noisy, noisy), (self.clean, clean)):
            if isinstance(expert, ExpertsConfig):
                yield from expert.asked(own)
            else:
                yield expert, own

    def attended(self, frames: int, height: int, width: int) -> int:
        """Of the one that costs more."""
        return max(expert.attended(frames, height, width) for expert in (self.noisy, self.clean))


Expert = Annotated[Union[TransformerConfig, UNetConfig, ExpertsConfig], Field(discriminator="kind")]  # noqa: UP007
_SHARED = (
    "channels",
    "out_channels",
    "low_res_channels",
    "structure_channels",
    "text_dim",
    "words",
    "numbers",
    "content_dim",
    "flow_map",
    "baked_guidance",
)


TELLABLE = TransformerConfig | UNetConfig | ExpertsConfig  # networks that have settings for whatever can be told
Told = TypeVar("Told", bound=TELLABLE)


def retold(config: Told, **changes: object) -> Told:
    """The same network, or both of two, with other settings of what it is told or makes."""
    if isinstance(config, ExpertsConfig):
        return replace(config, noisy=retold(config.noisy, **changes), clean=retold(config.clean, **changes))
    return replace(config, **changes)  # type: ignore[arg-type]


class Experts(Backbone):
    """Asks the expert of each clip's noise: the noisiest of its frames says whose it is."""

    together = False  # both are asked about every clip, as they must be where ranks share their weights out

    def __init__(self, config: ExpertsConfig) -> None:
        super().__init__()
        self.config = config
        self.noisy, self.clean = (
            Experts(one) if isinstance(one, ExpertsConfig) else nested(one) for one in (config.noisy, config.clean)
        )

    def each(self, change: Callable[[Backbone], Backbone]) -> "Experts":
        """The same with each expert changed."""
        made = copy(self)
        made._modules = {name: change(one) for name, one in self.named_children()}  # type: ignore[arg-type]
        return made

    def forward(self, x_t: Video, t: Time, condition: Condition) -> Float[Tensor, "batch out frames height width"]:
        """A video of the size of `x_t`, with `out_channels` channels."""
        noisy = (t if t.ndim == 1 else t.amax(1)) >= self.config.split
        if self.together or is_read():  # a graph has no branches
            one, other = (expert(x_t, t, condition) for expert in (self.noisy, self.clean))
            return torch.where(noisy[:, None, None, None, None], one, other)
        whose = tuple((one, rows) for one, rows in ((self.noisy, noisy), (self.clean, ~noisy)) if rows.any())
        if len(whose) == 1:
            alone: Tensor = whose[0][0](x_t, t, condition)
            return alone
        parts = [one(x_t[rows], t[rows], _of(condition, rows)) for one, rows in whose]
        order = torch.cat([rows.nonzero()[:, 0] for _, rows in whose]).argsort()
        return torch.cat(parts)[order]


def _of(condition: Condition, rows: Bool[Tensor, " batch"]) -> Condition:
    """What some of the clips are given."""
    given = {each.name: getattr(condition, each.name) for each in fields(condition)}
    return replace(condition, **{name: value[rows] for name, value in given.items() if value is not None})
