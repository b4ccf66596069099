"""The one signature of every denoising network, and the conditions that it may be given."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from framefall.video import Time, Video


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What a network is given beside the noisy video. Everything but `seconds` may be absent.

    `text` holds the states of a caption's tokens; where `text_mask` is false the network puts its own learned
    null vector. `low_res` is what the stage shows of the one below, on the grid of `x_t`, and `low_res_noise`
    how much it was corrupted, 0..1. `prior` is the plain guess that a bridge starts from. `structure` is where things
    are, on the grid of `x_t`, and in its last channel how exactly that is told (0: not at all); `content` is what they
    look like as an embedding, zeros where nothing is told.
    `until` is the diffusion time that the step goes to, and `guidance_scale` the guidance that is baked into the
    network; both are for networks that were distilled to take them.
    """

    seconds: Float[Tensor, "batch frames"]
    text: Float[Tensor, "batch words features"] | None = None
    text_mask: Bool[Tensor, "batch words"] | None = None
    numbers: Float[Tensor, "batch instants count"] | None = None  # one instant for the clip, or one a frame
    low_res: Float[Tensor, "batch shown frames height width"] | None = None
    low_res_noise: Time | None = None
    prior: Video | None = None
    structure: Float[Tensor, "batch told frames height width"] | None = None
    content: Float[Tensor, "batch content_features"] | None = None
    until: Time | None = None
    guidance_scale: Float[Tensor, " batch"] | None = None

    def without_text(self) -> "Condition":
        """The same with the null caption and zero numbers: the unconditional side of guidance."""
        mask = None if self.text_mask is None else torch.zeros_like(self.text_mask)
        numbers = None if self.numbers is None else torch.zeros_like(self.numbers)
        return replace(self, text_mask=mask, numbers=numbers)

    def without_structure(self) -> "Condition":
        """The same as if no structure were told."""
        return replace(self, structure=None if self.structure is None else torch.zeros_like(self.structure))

    def without_content(self) -> "Condition":
        """The same as if no content were told."""
        return replace(self, content=None if self.content is None else torch.zeros_like(self.content))


class BackboneSettings:
    """What a network's config says of what it reads: 0 is nothing, and one that reads has fields of these names."""

    @property
    def text_dim(self) -> int:
        """Features of a caption's token."""
        return 0

    @property
    def words(self) -> int:
        """Tokens of a caption that are read."""
        return 0

    @property
    def numbers(self) -> int:
        """How many numbers condition a clip."""
        return 0

    @property
    def low_res_channels(self) -> int:
        """Channels of what is known of the frames."""
        return 0

    @property
    def structure_channels(self) -> int:
        """Channels of a structure, with that which says how exactly it is told."""
        return 0

    @property
    def content_dim(self) -> int:
        """Features of a content's embedding."""
        return 0

    def attended(self, frames: int, height: int, width: int) -> int:
        """How many tokens of such a clip all see one another: what that costs grows with the square of it."""
        return 0

    @property
    def fusion(self) -> str:
        """How frames see each other, where that is a choice."""
        return ""

    @property
    def flow_map(self) -> bool:
        """Whether it is told the time that a step goes to."""
        return False

    @property
    def baked_guidance(self) -> tuple[float, float] | None:
        """The guidance scales that it takes as an input; None: guidance costs a second call."""
        return None


class ReadsAs(BackboneSettings):
    """Settings of a network that is told what one inside it is told."""

    @property
    @abstractmethod
    def reader(self) -> BackboneSettings:
        """The settings of that one."""

    @property
    def text_dim(self) -> int:
        """The reader's."""
        return self.reader.text_dim

    @property
    def words(self) -> int:
        """The reader's."""
        return self.reader.words

    @property
    def numbers(self) -> int:
        """The reader's."""
        return self.reader.numbers

    @property
    def structure_channels(self) -> int:
        """The reader's."""
        return self.reader.structure_channels

    @property
    def content_dim(self) -> int:
        """The reader's."""
        return self.reader.content_dim

    @property
    def flow_map(self) -> bool:
        """The reader's."""
        return self.reader.flow_map

    @property
    def baked_guidance(self) -> tuple[float, float] | None:
        """The reader's."""
        return self.reader.baked_guidance


def check_content(reads: BackboneSettings) -> None:
    """Refuses content for a network that reads no words, among which it stands as one."""
    if reads.content_dim and not reads.text_dim:
        raise ValueError(f"content_dim needs a network that reads captions, got {reads.content_dim}; set text_dim too")


def check_baked(reads: BackboneSettings) -> None:
    """Refuses guidance scales that are none."""
    if reads.baked_guidance is not None and not 0 < reads.baked_guidance[0] <= reads.baked_guidance[1] < math.inf:
        raise ValueError(f"baked_guidance must rise from above 0, got {reads.baked_guidance}; try (1.0, 4.0)")


def baked_scale(condition: Condition, reads: BackboneSettings) -> Float[Tensor, " batch"]:
    """The guidance scale of each clip as a share of the largest that is baked in; without one it is 1."""
    assert reads.baked_guidance is not None
    scale = condition.guidance_scale
    scale = torch.ones_like(condition.seconds[:, 0]) if scale is None else scale
    return scale / reads.baked_guidance[1]


def check_told(reads: BackboneSettings, maps: int, structure: str, content: int, text: int | None) -> None:
    """Refuses a network that does not read what its stage tells it.

    That is a `structure` in so many channels (`maps`), a content of so many features or none, and states of captions
    as wide as its own text tower's.
    """
    if reads.structure_channels != maps:
        raise ValueError(
            f"backbone and task must agree on structure: {structure or 'none'} is {maps} channels,"
            f" got structure_channels={reads.structure_channels}; set both"
        )
    if text is not None and reads.text_dim != text:
        raise ValueError(f"backbone and text tower must agree on text_dim, got {reads.text_dim} and {text}; set both")
    if reads.content_dim not in (0, content):
        raise ValueError(f"content_dim must be 0, or {content} as a content's embedding has, got {reads.content_dim}")


class Backbone(nn.Module, ABC):
    """A denoising network. What its output means (x0, noise or velocity) is its stage's business."""

    halo: tuple[int, int] | None = None  # reach in frames and pixels; None when it sees everything

    @abstractmethod
    def forward(self, x_t: Video, t: Time, condition: Condition) -> Video:
        """A video of the size of `x_t`."""


def with_places(
    x_t: Video, condition: Condition, reads: BackboneSettings
) -> Float[Tensor, "batch all frames high wide"]:
    """The noisy video with all that is told place by place as further channels; of what is not told there are zeros."""
    parts = [x_t]
    for told, count in (
        (condition.low_res, reads.low_res_channels),
        (condition.structure, reads.structure_channels),
    ):
        if told is not None:
            parts.append(told)
        elif count:
            parts.append(x_t.new_zeros(len(x_t), count, *x_t.shape[2:]))
    return torch.cat(parts, dim=1) if len(parts) > 1 else x_t


Predict = Callable[[Video, Time, Condition], Video]  # a network's signature, whoever answers


def frame_by_frame(predict: Predict) -> Predict:
    """The same asked of each frame alone, as of a clip of one frame: nothing is known of the others."""

    def apart(x_t: Video, t: Time, condition: Condition) -> Float[Tensor, "batch out frames height width"]:
        frames = x_t.shape[2]
        return predict(*_frames_apart(x_t, t, condition))[:, :, 0].unflatten(0, (-1, frames)).transpose(1, 2)

    return apart


def _frames_apart(x_t: Video, t: Time, condition: Condition) -> tuple[Tensor, Tensor, Condition]:
    """Every frame as a clip of its own, with its clip's condition and its own instant's."""
    frames = x_t.shape[2]

    def by_frame(video: Tensor | None) -> Tensor | None:
        return None if video is None else video.transpose(1, 2).flatten(0, 1).unsqueeze(2)

    def repeat(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor.repeat_interleave(frames, dim=0)

    def times(t: Tensor) -> Tensor:
        return t.repeat_interleave(frames) if t.ndim == 1 else t.flatten()

    numbers = condition.numbers
    if numbers is not None:
        numbers = numbers.expand(-1, frames, -1).flatten(0, 1)[:, None]
    each = replace(
        condition,
        seconds=condition.seconds.flatten()[:, None],
        text=repeat(condition.text),
        text_mask=repeat(condition.text_mask),
        numbers=numbers,
        low_res=by_frame(condition.low_res),
        low_res_noise=repeat(condition.low_res_noise),
        prior=by_frame(condition.prior),
        structure=by_frame(condition.structure),
        content=repeat(condition.content),
        until=None if condition.until is None else times(condition.until),
        guidance_scale=repeat(condition.guidance_scale),
    )
    return x_t.transpose(1, 2).flatten(0, 1).unsqueeze(2), times(t), each
