"""What a stage works in: pixels, or the latents of an autoencoder. The stage does not ask which.

A task stays a matter of frames. Its answer, and all that is shown of it beforehand, is encoded before the noise
process and decoded after the last step; frames that are known exactly replace the decoded ones.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from framefall.cascade.conditioning import Conditioning, Structure
from framefall.diffusion.samplers import Step
from framefall.models.autoencoder import AutoencoderConfig, VideoAutoencoder
from framefall.models.backbone import Condition
from framefall.models.precision import autocast
from framefall.video import Video, resize

Seen = Float[Tensor, "batch seen_channels seen_frames seen_height seen_width"]  # a video as the network sees it


class Codec(ABC):
    """Between a stage's frames and what its network sees."""

    autoencoder: VideoAutoencoder | None = None
    time = 1  # frames that a step along the network's time axis is

    @abstractmethod
    def grid(self, frames: Sequence[int], size: tuple[int, int]) -> tuple[Sequence[int], tuple[int, int]]:
        """Absolute frame numbers and size of what the network makes for these frames."""

    @abstractmethod
    def encode(self, video: Video) -> Seen:
        """What the network sees of a video."""

    @abstractmethod
    def conditioning(self, known: Conditioning) -> Conditioning:
        """What is known of the frames, on the network's grid."""

    @abstractmethod
    def condition(self, condition: Condition) -> Condition:
        """The moments and numbers of the network's frames."""

    @abstractmethod
    def finish(self, step: Step, known: Conditioning, frames: int, size: tuple[int, int]) -> Step:
        """The last step as frames; `known` is what the task knows of the frames. Earlier steps stay what they are."""


class Pixels(Codec):
    """The network sees the frames themselves."""

    def grid(self, frames: Sequence[int], size: tuple[int, int]) -> tuple[Sequence[int], tuple[int, int]]:
        """The same."""
        return frames, size

    def encode(self, video: Video) -> Seen:
        """The same."""
        return video

    def conditioning(self, known: Conditioning) -> Conditioning:
        """The same."""
        return known

    def condition(self, condition: Condition) -> Condition:
        """The same."""
        return condition

    def finish(self, step: Step, known: Conditioning, frames: int, size: tuple[int, int]) -> Step:
        """The same."""
        return step


@dataclass(frozen=True, eq=False)
class Latents(Codec):
    """The network sees the latents of a frozen autoencoder."""

    autoencoder: VideoAutoencoder

    @property
    def time(self) -> int:  # type: ignore[override]
        """Frames a latent frame has."""
        return self.autoencoder.config.time

    def grid(self, frames: Sequence[int], size: tuple[int, int]) -> tuple[Sequence[int], tuple[int, int]]:
        """Latent frames, from the one in which the first frame would lie."""
        count, *area = self.autoencoder.config.latent_shape(len(frames), *size)
        first = frames[0] // self.time
        return range(first, first + count), (area[0], area[1])

    @torch.no_grad()
    def encode(self, video: Video) -> Seen:
        """The latents, in tiles where the picture is large; gradients end here."""
        with autocast(video.device):
            return self.autoencoder.encode(video, tile=_TILE)

    def conditioning(self, known: Conditioning) -> Conditioning:
        """Videos are encoded; what is left of the channels (where, how far) is taken at the end of each group."""
        return replace(
            known,
            low_res=None if known.low_res is None else self._encode_channels(known.low_res),
            prior=None if known.prior is None else self.encode(known.prior),
            structure=None if known.structure is None else self._encode_structure(known.structure),
            known=None,  # a latent is never known exactly: `finish` puts what is known where it belongs
        )

    def condition(self, condition: Condition) -> Condition:
        """The end of each latent frame's group is its moment."""
        numbers, places = condition.numbers, self._ends(condition.seconds.shape[1])
        if numbers is not None and numbers.shape[1] > 1:
            numbers = numbers[:, places]
        return replace(condition, seconds=condition.seconds[:, places], numbers=numbers)

    def finish(self, step: Step, known: Conditioning, frames: int, size: tuple[int, int]) -> Step:
        """The last step decoded, with what is known as it is."""
        if step.index < step.total - 1:
            return step
        with torch.no_grad(), autocast(step.x.device):
            video = self.autoencoder.decode(step.x, frames, *size, tile=_TILE)
        if known.known is not None:
            video = known.known.kept(video)
        return replace(step, x=video, x0=video)

    def _encode_channels(self, low_res: Tensor) -> Tensor:
        """Each group of channels that is a video as its latents; the rest on their grid."""
        *videos, rest = low_res.split(self.autoencoder.config.channels, dim=1)
        if rest.shape[1] == self.autoencoder.config.channels:
            videos, rest = [*videos, rest], rest[:, :0]
        latents = [self.encode(video) for video in videos]
        if rest.shape[1]:
            height, width = latents[0].shape[-2:]
            latents.append(resize(rest[:, :, self._ends(rest.shape[2])], height, width, "area"))
        return torch.cat(latents, dim=1)

    def _encode_structure(self, structure: Structure) -> Tensor:
        """The map as the latents of a grey video, and how exactly it is told."""
        latents = self.encode(structure[:, :1].expand(-1, self.autoencoder.config.channels, -1, -1, -1))
        height, width = latents.shape[-2:]
        details = resize(structure[:, 1:, self._ends(structure.shape[2])], height, width, "area")
        return torch.cat((latents, details), dim=1)

    def _ends(self, frames: int) -> list[int]:
        """The last frame of each group."""
        return [min(index, frames - 1) for index in range(0, frames + self.time - 1, self.time)]


def build_codec(config: AutoencoderConfig | None) -> Codec:
    """Pixels, or latents of an autoencoder with fresh weights from torch's generator."""
    return Pixels() if config is None else Latents(build_autoencoder(config))


def build_autoencoder(config: AutoencoderConfig) -> VideoAutoencoder:
    """The same of latents, as a stage uses it: nobody trains it there."""
    return VideoAutoencoder(config).requires_grad_(False).eval()


_TILE = 512  # pixels along each side that are encoded or decoded at a time
