"""A stage: a network with all it takes to train and sample it. One class serves base and both super-resolutions."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from framefall.cascade.codec import Codec, Pixels
from framefall.cascade.conditioning import Base, Shown, SpatialSR, Task, TaskName, TemporalSR, corrupt
from framefall.cascade.tiles import Predict, blended, exact
from framefall.data.buckets import Bucket, ladder
from framefall.diffusion import prediction as predictions
from framefall.diffusion.guidance import guided
from framefall.diffusion.process import PROCESSES, Process, per_clip
from framefall.diffusion.samplers import SAMPLERS, Denoise, Step
from framefall.diffusion.times import LogitNormal, grid
from framefall.models.autoencoder import AutoencoderConfig
from framefall.models.backbone import Backbone, Condition
from framefall.models.precision import autocast
from framefall.models.registry import BackboneConfig
from framefall.noise import Key, normal_field
from framefall.video import Time, Video, VideoShape


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a stage walks from noise to video."""

    steps: int = 4
    sampler: str = "euler"  # a name in SAMPLERS
    guidance_scale: float = 1.0  # 1: no guidance, and half the work
    guidance_interval: tuple[float, float] = (0.1, 0.9)  # diffusion times at which guidance acts
    guidance_rescale: float = 0.7
    shift: float = 1.0  # above 1: more of the steps at high noise
    low_res_noise: float = 0.05  # how far to distrust the stage below; 0 on real video
    consistent: bool = False  # move each large frame so that its area mean is exactly the small one it was made of

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}; try 4")
        if self.sampler not in SAMPLERS:
            raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}; got {self.sampler!r}")

    @property
    def calls(self) -> int:
        """How often the network is asked in a row, each time about what it said before."""
        return 2 * self.steps - 1 if self.sampler == "heun" else self.steps


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """Everything about a stage but its weights."""

    task: TaskName
    shape: VideoShape  # what the stage makes by default; for spatial super-resolution, a training example
    buckets: tuple[Bucket, ...] | Literal["auto"] = ()  # shapes beside its own that a base is trained on, and can make
    backbone: BackboneConfig
    latent: AutoencoderConfig | None = None  # the network works on its latents; None: on pixels
    factor: int = 1  # of time or of space; 1 for a base stage
    intervals: int = 5  # temporal super-resolution works on this many intervals at a time
    known: int = 0  # a base stage can go on from up to this many given first frames
    process: str = "rectified_flow"  # a name in PROCESSES
    prediction: predictions.Prediction = "x0"
    loss: Literal["x0", "noise", "velocity"] = "velocity"
    relative_loss: bool = False  # the logarithm of a clip's error over its prior's: decibels, not brightness
    times: LogitNormal = field(default_factory=LogitNormal)
    bridge: float | None = None  # start from the prior plus this much noise; None: from noise alone
    spread: float = 0.1  # of a bridge: how far x0 lies from the prior, as a standard deviation
    low_res_noise: float = 0.0  # strongest noise-conditioning augmentation in training
    fast: Sampling = field(default_factory=Sampling)
    best: Sampling = field(default_factory=lambda: Sampling(steps=16, sampler="dpm++2m"))

    def __post_init__(self) -> None:
        if self.process not in PROCESSES:
            raise ValueError(f"process must be one of {', '.join(PROCESSES)}; got {self.process!r}")
        predictions.check(self.prediction, PROCESSES[self.process])
        if (self.factor == 1) != (self.task == "base"):
            raise ValueError(
                f"factor must be 1 for a base stage and above 1 for the others, got {self.factor} for {self.task}"
            )
        if self.bridge is not None and self.task == "base":
            raise ValueError(f"a base stage has no prior to bridge from, got bridge={self.bridge}; leave it out")
        if self.bridge is not None and (self.process == "edm" or self.prediction != "x0"):
            given = f"process={self.process!r}, prediction={self.prediction!r}"
            raise ValueError(
                f"a bridge needs a path that ends without data, and x0; got {given}; try rectified_flow and x0"
            )
        if self.bridge is not None and not (self.bridge > 0 and self.spread > 0):
            given = f"bridge={self.bridge}, spread={self.spread}"
            raise ValueError(f"bridge and spread must be above 0, got {given}; try bridge=0.5, spread=0.1")
        if self.known and (self.task != "base" or not 0 < self.known < self.shape.frames):
            raise ValueError(
                f"known first frames are for a base stage and fewer than its {self.shape.frames}, got {self.known}"
                f" for {self.task}; try 3"
            )
        if self.buckets and self.task != "base":
            raise ValueError(
                f"buckets are for a base stage, {self.task} works on windows of a clip of any shape; leave them out"
            )
        if self.intervals < 1:
            raise ValueError(f"intervals must be at least 1, got {self.intervals}; try 5")
        expected = {"base": "transformer", "temporal_sr": "interpolator", "spatial_sr": "convnet"}[self.task]
        if self.latent is not None and self.latent.channels != self.shape.channels:
            raise ValueError(
                f"latent and shape must agree on channels, got {self.latent.channels}"
                f" and {self.shape.channels}; set both"
            )
        channels = self.channels
        if self.backbone.channels != channels:
            what = "shape" if self.latent is None else "latent"
            raise ValueError(
                f"backbone and {what} must agree on channels, got {self.backbone.channels} and {channels}; set both"
            )
        shown = {"base": channels + 1 if self.known else 0, "temporal_sr": 2 * channels + 1, "spatial_sr": channels}[
            self.task
        ]
        if self.backbone.low_res_channels != shown:
            raise ValueError(
                f"{self.task} needs a backbone that is shown {shown} channels of known frames,"
                f" got {self.backbone.low_res_channels}; try kind={expected!r}"
            )

    @property
    def shapes(self) -> tuple[Bucket, ...]:
        """Its own and those of the buckets, each once; none if the stage knows its own shape alone."""
        own = Bucket(frames=self.shape.frames, height=self.shape.height, width=self.shape.width)
        if self.buckets == "auto":
            return ladder(own.frames, own.height, own.width)
        return tuple(dict.fromkeys((own, *self.buckets))) if self.buckets else ()

    @property
    def channels(self) -> int:
        """Of what the network makes: those of the video, or of its latents."""
        return self.shape.channels if self.latent is None else self.latent.latent_channels


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """A network and its config; it denoises, and it samples one window of its task."""

    name: str
    config: StageConfig
    backbone: Backbone
    codec: Codec = field(default_factory=Pixels)  # what the network sees of a video

    @property
    def process(self) -> Process:
        """The path from data to noise."""
        return PROCESSES[self.config.process]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.backbone.parameters()).device

    def task(self, total: int | None = None, sampling: Sampling | None = None) -> Task:
        """The work as an object; `total` is how many frames are asked for."""
        config = self.config
        if config.task == "base":
            return Base(max(config.shape.frames, total or 0), total, config.known)
        if config.task == "temporal_sr":
            return TemporalSR(config.factor, config.intervals, total)
        reach = self.backbone.halo[0] if self.backbone.halo else 0
        calls = sampling.calls if sampling else 1
        return SpatialSR(config.factor, halo=reach * self.codec.time * calls, total=total)

    def sampling(self, quality: str) -> Sampling:
        """The `fast` or the `best` way to sample."""
        if quality not in ("fast", "best"):
            raise ValueError(f"quality must be fast or best, got {quality!r}")
        return self.config.best if quality == "best" else self.config.fast

    def endpoint(self, noise: Video, shown: Shown) -> Video:
        """Where the path ends at t = 1: noise alone, or a bridge's prior plus some noise."""
        if self.config.bridge is None or shown.prior is None:
            return noise
        return shown.prior + self.config.bridge * noise

    def x0(self, x_t: Video, t: Time, condition: Condition) -> Video:
        """The clean video that the stage believes in; gradients flow."""
        prior = condition.prior
        if self.config.bridge is None or prior is None:
            output = self.backbone(self.process.scale_input(x_t, t), t, condition).float()
            if self.config.prediction == "x0":
                return output
            return predictions.split(self.config.prediction, output, x_t, t, self.process)[0]
        # On a bridge the noisy video is a measurement of x0 whose quality is known: the network proposes, and
        # the measurement corrects the proposal as a Kalman filter would. At t = 1 it counts nothing, so that
        # no noise can leak into a single step; near t = 0 it counts alone.
        alpha, sigma = (per_clip(scale, x_t) for scale in self.process.scales(t))
        spread = self.config.spread
        gain = alpha * spread**2 / ((alpha * spread) ** 2 + (sigma * self.config.bridge) ** 2)
        proposal = self.backbone(gain / spread * (x_t - (alpha + sigma) * prior), t, condition).float()
        return proposal + gain * (x_t - sigma * prior - alpha * proposal)

    def denoiser(self, condition: Condition, shown: Shown, sampling: Sampling) -> Denoise:
        """(x_t, t) -> x0 with guidance, tiles and given frames; gradients are switched off here, once."""
        predict = self._tiles()(self.x0)

        def under(condition: Condition) -> Denoise:
            def denoise(x_t: Video, t: Time) -> Video:
                with torch.no_grad(), autocast(self.device):
                    return predict(x_t, t, condition)

            return denoise

        strong = guided(
            under(condition),
            under(condition.without_text()),
            scale=sampling.guidance_scale,
            interval=sampling.guidance_interval,
            rescale=sampling.guidance_rescale,
        )

        def keeping(x_t: Video, t: Time) -> Video:
            x0 = strong(x_t, t)
            if shown.given is not None:  # last, because guidance would move them
                x0[:, :, list(shown.given_at)] = shown.given
            return x0

        return keeping

    def sample(
        self,
        condition: Condition,
        low: Video | None,
        size: tuple[int, int],
        frames: range,
        keys: Sequence[Key],
        sampling: Sampling,
    ) -> Iterator[Step]:
        """Every step of one window: `frames` are absolute, so that noise does not depend on the window.

        The last step is frames; the steps before it are latents where the stage works on latents.
        """

        def noise(purpose: str, channels: int, frames: Sequence[int], shape: tuple[int, int]) -> Tensor:
            rows, columns = map(range, shape)
            fields = [
                normal_field(key.named(f"{self.name}/{purpose}"), channels, frames, rows, columns) for key in keys
            ]
            return torch.stack(fields).to(self.device)

        seen = low
        level = torch.full((len(keys),), sampling.low_res_noise, device=self.device)
        if low is not None and sampling.low_res_noise and self.config.task != "base":
            first = frames.start // self.config.factor if self.config.task == "temporal_sr" else frames.start
            span = range(first, first + low.shape[2])
            seen = corrupt(low, noise("low_res", low.shape[1], span, (low.shape[-2], low.shape[-1])), level)
        known = self.task(len(frames)).show(low, seen)
        shown, condition = self.codec.show(known), self.codec.tell(condition)
        if low is not None:
            doubt = None if self.config.task == "base" else level
            condition = replace(condition, low_res=shown.low_res, low_res_noise=doubt, prior=shown.prior)
        places, area = self.codec.grid(frames, size)

        def endpoint(purpose: str) -> Tensor:
            return self.endpoint(noise(purpose, self.config.channels, places, area), shown)

        x = self.process.start(endpoint("start"))
        times = grid(sampling.steps, shift=sampling.shift).to(self.device)
        denoise = self.denoiser(condition, shown, sampling)
        walk = SAMPLERS[sampling.sampler](denoise, self.process, x, times, lambda step: endpoint(f"fresh/{step}"))
        for step in walk:
            yield self.codec.finish(step, known, len(frames), size)

    def _tiles(self) -> Callable[[Predict], Predict]:
        """Large pictures go through the network in parts: exactly where its reach is known, blended elsewhere."""
        shape = self.config.shape
        if self.backbone.halo is not None:
            return exact(tile=_TILE, halo=self.backbone.halo[1])
        _, (height, width) = self.codec.grid([0], (shape.height, shape.width))
        return blended(height=height, width=width)


_TILE = 512  # pixels, or latents: what a stage with a known reach does at a time
