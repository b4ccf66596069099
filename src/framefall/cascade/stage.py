"""A stage: a network with all it takes to train and sample it. One class serves base and both super-resolutions."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from framefall.cascade.codec import Codec, Pixels
from framefall.cascade.conditioning import Conditioning, corrupt, frame_seconds, told_structure
from framefall.cascade.known import Known
from framefall.cascade.request import Quality
from framefall.cascade.stage_config import Sampling, StageConfig
from framefall.cascade.tasks import Segment, SuperResolution, Task
from framefall.cascade.tiles import blended, exact
from framefall.diffusion import prediction as predictions
from framefall.diffusion.guidance_config import Sides, strengthened
from framefall.diffusion.process import PROCESSES, Process, over_video
from framefall.diffusion.reconstruction_guidance import reconstruction_guided
from framefall.diffusion.samplers import FIRST_ORDER, SAMPLERS, Denoise, Step, TimeGrid
from framefall.diffusion.times import following
from framefall.models.backbone import Backbone, Condition, Predict, frame_by_frame
from framefall.models.precision import autocast
from framefall.models.text import encode
from framefall.models.tower import Tower, matching, present
from framefall.noise import Key, normal_field
from framefall.video import Time, Video


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """A network and its config; it denoises, and it samples one window of its task."""

    name: str
    config: StageConfig
    backbone: Backbone
    codec: Codec = field(default_factory=Pixels)  # what the network sees of a video
    tower: Tower | None = None  # that of its config, where that names one
    few: Backbone | None = None  # the distilled network of its config, where that has one
    weaker: "Stage | None" = None  # a worse one of its kind, which guidance walks away from
    tile: int = 0  # pixels a side that a network with a known reach is given at a time; 0: the usual; no bits change

    @property
    def process(self) -> Process:
        """The path from data to noise."""
        return PROCESSES[self.config.process]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.backbone.parameters()).device

    @property
    def task(self) -> Task:
        """What the stage makes."""
        return self.config.task

    def next_segment(
        self, made: int, have: int, ended: bool, *, total: int | None, sampling: Sampling
    ) -> Segment | None:
        """The next piece of super-resolution after `made` frames, when `have` frames of the stage below have come."""
        assert isinstance(self.task, SuperResolution)
        reach = self.backbone.halo[0] if self.backbone.halo else 0
        halo = reach * self.codec.time * sampling.calls
        return self.task.next_segment(made, have, ended, frames=self.config.shape.frames, total=total, halo=halo)

    def sampling(self, quality: Quality) -> Sampling:
        """The `fast` or the `best` way to sample."""
        if quality not in ("fast", "best"):
            raise ValueError(f"quality must be fast or best, got {quality!r}")
        return self.config.best if quality == "best" else self.config.fast

    def condition(
        self,
        captions: Sequence[str | None],
        *,
        frames: int,
        fps: float | Tensor,
        numbers: Tensor | None = None,
        text_dtype: torch.dtype = torch.float32,
        states: Sequence[Tensor | None] | None = None,
        content: Tensor | None = None,
    ) -> Condition:
        """What the network is told of clips: moments, captions, numbers, content, as far as this network takes them.

        `fps` is one rate, or one a clip; `numbers` are `[clips, instants, count]`, zeros if a network that takes some
        is given none. A caption of `None` is the null caption; one whose `states` are given is not encoded again.
        What is known of the frames comes by `conditioned`.
        """
        reads, count = self.config.backbone.text_dim, self.config.backbone.numbers
        rates = torch.as_tensor(fps, dtype=torch.float32, device=self.device).expand(len(captions))
        text, mask = None, None
        if reads:
            words, tower = self.config.backbone.words, present(self.tower, self.config.text, self.name)
            text, mask = encode(captions, self.device, words, dtype=text_dtype, known=states, tower=tower)
        if not count:
            numbers = None
        elif numbers is None:
            numbers = torch.zeros(len(captions), 1, count)
        elif numbers.shape[-1] != count:
            raise ValueError(f"{self.name} takes {count} numbers, got {numbers.shape[-1]}; give as many, or none")
        if numbers is not None:
            numbers = numbers.to(self.device).expand(len(captions), -1, -1)
        if not self.config.backbone.content_dim:
            content = None
        elif content is not None:
            content = content.to(self.device).expand(len(captions), -1)
        return Condition(
            seconds=frame_seconds(frames, rates), text=text, text_mask=mask, numbers=numbers, content=content
        )

    def conditioned(self, condition: Condition, known: Conditioning, low_res_noise: Time) -> Condition:
        """The same with what is known of the frames, all as the network sees it: pixels or latents.

        `known` is on the network's grid (`codec.conditioning`); `low_res_noise` says how far a stage below is to be
        distrusted, and a stage without one is not told.
        """
        return replace(
            self.codec.condition(condition),
            low_res=known.low_res,
            prior=known.prior,
            structure=known.structure,
            low_res_noise=low_res_noise if self.task.super_resolution else None,
        )

    def endpoint(self, noise: Video, known: Conditioning) -> Video:
        """Where the path ends at t = 1: noise alone, or a bridge's prior plus some noise."""
        if self.task.bridge is None or known.prior is None:
            return noise
        return known.prior + self.task.bridge * noise

    def x0(self, x_t: Video, t: Time, condition: Condition) -> Video:
        """The clean video that the stage believes in; gradients flow."""
        prior = condition.prior
        if self.task.bridge is None or prior is None:
            output = self.backbone(self.process.scale_input(x_t, t), t, condition).float()
            if self.config.prediction == "x0":
                return output
            return predictions.split(self.config.prediction, output, x_t, t, self.process)[0]
        # On a bridge the noisy video is a measurement of x0 whose quality is known: the network proposes, and
        # the measurement corrects the proposal as a Kalman filter would. At t = 1 it counts nothing, so that
        # no noise can leak into a single step; near t = 0 it counts alone.
        alpha, sigma = (over_video(scale, x_t) for scale in self.process.scales(t))
        spread = self.task.spread
        gain = alpha * spread**2 / ((alpha * spread) ** 2 + (sigma * self.task.bridge) ** 2)
        proposal = self.backbone(gain / spread * (x_t - (alpha + sigma) * prior), t, condition).float()
        return proposal + gain * (x_t - sigma * prior - alpha * proposal)

    def guided_by(self, weaker: "Stage") -> "Stage":
        """The same stage with a weaker model of its kind to walk away from (autoguidance)."""
        for what, of in _ALIKE.items():
            ours, theirs = of(self.config), of(weaker.config)
            if ours != theirs:
                raise ValueError(
                    f"a weaker model must have the {what} of the model, {ours}, got {theirs};"
                    " try an earlier checkpoint of the same training"
                )
        return replace(self, weaker=weaker)

    def denoiser(
        self, condition: Condition, known: Conditioning, sampling: Sampling, times: TimeGrid | None = None
    ) -> Denoise:
        """(x_t, t) -> x0 with guidance, tiles and what is known; gradients are switched off here, once.

        `times` are those of the walk, the sampling's own by default. A side that forgets is shown known frames as pure
        noise at t = 1, and nothing beside the noisy video.
        """
        kept, guidance, times = known.known, sampling.guidance, sampling.times() if times is None else times
        ahead = times if self.config.backbone.flow_map and sampling.sampler in FIRST_ORDER else None
        if self.config.backbone.baked_guidance is not None:
            condition = replace(condition, guidance_scale=self._baked(guidance.scale, condition))
            guidance = replace(guidance, scale=1.0)
        null = condition.without_text()
        # a model that is not told what is known can be led to it by the gradient of its error there
        led = guidance.reconstruction_scale > 0 and kept is not None and not known.told

        def side(told: Condition, predict: Predict = self.x0, forgets: bool = False) -> Denoise:
            predict = self._tiles()(predict)

            def denoise(x_t: Video, t: Time) -> Video:
                x_t, t = known.applied(x_t, t, self.process, forgets)
                here = told if ahead is None else replace(told, until=following(t, ahead))
                with torch.set_grad_enabled(led), autocast(self.device):
                    return predict(x_t, t, here)

            return denoise

        remembers = kept is not None and not self.task.super_resolution
        sides = Sides(
            full=side(condition),
            without_text=side(null),
            per_frame=side(condition, frame_by_frame(self.x0)),
            per_frame_without_text=side(null, frame_by_frame(self.x0)),
            without_structure=None if condition.structure is None else side(condition.without_structure()),
            without_content=None if condition.content is None else side(condition.without_content()),
            without_history=side(replace(condition, low_res=None), forgets=True) if remembers else None,
            weaker=None if self.weaker is None else side(condition, self.weaker.x0),
        )
        strong = strengthened(guidance, sides, times)
        if kept is None:
            return strong
        if led:
            weights = kept.weights.expand(len(kept.video), 1, *kept.video.shape[2:])
            strong = reconstruction_guided(strong, self.process, kept.video, weights, guidance.reconstruction_scale)
        return lambda x_t, t: kept.kept(strong(x_t, t))  # last, because guidance would move it

    def sample(
        self,
        condition: Condition,
        low: Video | None,
        size: tuple[int, int],
        frames: range,
        keys: Sequence[Key],
        sampling: Sampling,
        known: Known | None = None,
        strength: float = 1.0,
        structure: Known | None = None,
    ) -> Iterator[Step]:
        """Every step of one window: `frames` are absolute, so that noise does not depend on the window.

        What is `known` of these frames comes out as it is. With a `strength` below 1 the walk begins at that diffusion
        time from the known video with noise on it, also where its mask is 0 (SDEdit, Meng et al. 2021). The last step
        is frames; the steps before it are latents where the stage works on latents. `structure` says where things are
        to be, and its mask how exactly.
        """

        def noise(purpose: str, channels: int, frames: Sequence[int], shape: tuple[int, int]) -> Tensor:
            rows, columns = map(range, shape)
            fields = [
                normal_field(key.named(f"{self.name}/{purpose}"), channels, frames, rows, columns) for key in keys
            ]
            return torch.stack(fields).to(self.device)

        corrupted = None
        level = torch.full((len(keys),), sampling.low_res_noise, device=self.device)
        if low is not None and sampling.low_res_noise and self.task.super_resolution:
            first = frames.start // self.task.time_factor
            span = range(first, first + low.shape[2])
            corrupted = corrupt(low, noise("low_res", low.shape[1], span, (low.shape[-2], low.shape[-1])), level)
        conditioning = self.task.conditioning(low, len(frames), corrupted, known)
        if structure is not None and self.task.structure:
            told = told_structure(structure.video, structure.weights)
            conditioning = replace(conditioning, structure=told.to(self.device))
        seen = self.codec.conditioning(conditioning)
        condition = self.conditioned(condition, seen, level)
        places, area = self.codec.grid(frames, size)

        def endpoint(purpose: str) -> Tensor:
            return self.endpoint(noise(purpose, self.config.channels, places, area), seen)

        times = sampling.times(strength).to(self.device)
        if strength < 1.0 and known is not None:
            at = torch.full((len(keys),), float(times[0]), device=self.device)
            x = self.process.add_noise(self.codec.encode(known.video), endpoint("start"), at)
        else:
            x = self.process.start(endpoint("start"))
        denoise = self.denoiser(condition, seen, sampling, times)
        walk = SAMPLERS[sampling.sampler](denoise, self.process, x, times, lambda step: endpoint(f"fresh/{step}"))
        for step in walk:
            yield self.codec.finish(step, conditioning, len(frames), size)

    def told_by(self, tower: Tower) -> "Stage":
        """The same stage with the text tower that it was trained with. Raises `ValueError` for another one."""
        return replace(self, tower=matching(tower, self.config.text, self.name))

    def _baked(self, scale: float, condition: Condition) -> Tensor:
        """A guidance scale as the network takes it, one a clip; refuses one that it was not trained on."""
        low, high = self.config.backbone.baked_guidance or (1.0, 1.0)
        if not low <= scale <= high:
            raise ValueError(
                f"the guidance scale of this distilled {self.name} must be within {low:g} to {high:g}, which it was"
                f" trained on, got {scale:g}; take one of these, or the model that it was distilled from"
            )
        return torch.full((len(condition.seconds),), float(scale), device=self.device)

    def _tiles(self) -> Callable[[Predict], Predict]:
        """Large pictures go through the network in parts: exactly where its reach is known, blended elsewhere."""
        shape = self.config.shape
        if self.backbone.halo is not None:
            return exact(tile=self.tile or TILE, halo=self.backbone.halo[1])
        _, (height, width) = self.codec.grid([0], (shape.height, shape.width))
        return blended(height=height, width=width)


TILE = 512  # pixels, or latents: what a stage with a known reach does at a time
# what a model and a weaker one must have in common, so that both can be asked the same
_ALIKE: dict[str, Callable[[StageConfig], object]] = {
    "task": lambda config: config.task.kind,
    "process": lambda config: config.process,
    "latents": lambda config: config.latent,
    "channels": lambda config: (config.channels, config.backbone.low_res_channels),
    "words": lambda config: (config.backbone.text_dim, config.backbone.words, config.text),
    "numbers": lambda config: config.backbone.numbers,
    "structure": lambda config: (config.task.structure, config.backbone.structure_channels),
    "content": lambda config: config.backbone.content_dim,
}
