"""What a stage is, beside its weights: its task, shape, network and process, and how it is sampled."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from framefall import checks
from framefall.cascade.saved import limits
from framefall.cascade.tasks import Task
from framefall.data.buckets import Bucket, ladder
from framefall.diffusion import prediction as predictions
from framefall.diffusion.guidance_config import Guidance
from framefall.diffusion.loss import Norm
from framefall.diffusion.process import PROCESSES
from framefall.diffusion.samplers import SAMPLERS, TimeGrid
from framefall.diffusion.times import LogitNormal, grid
from framefall.models.autoencoder import AutoencoderConfig
from framefall.models.backbone import check_told
from framefall.models.content import CONTENT_DIM
from framefall.models.registry import BackboneConfig
from framefall.models.tower import TextTower
from framefall.ranges import Scale, Share, Size, Some, within
from framefall.video import VideoShape

_TWICE = ("heun", "predictor_corrector")  # ask once more where a step has come to, but at t = 0


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a stage walks from noise to video."""

    steps: Annotated[int, within(1, 4096)] = 4
    sampler: str = "euler"  # a name in SAMPLERS
    guidance: Guidance = field(default_factory=Guidance)
    shift: Scale = 1.0  # above 1: more of the steps at high noise
    low_res_noise: Share = 0.05  # how far to distrust the stage below; 0 on real video
    history_noise: Share = 0.1  # diffusion time at which a window is shown the frames of those before it, which err
    anchors: Some = 1  # frames of the scene's beginning in the place of as many of a window's history
    carried: bool = True  # frames beside what is known carry its motion on, where a base can be told that they may err
    steady: bool = False  # of a base: what stands still keeps the light of the scene's beginning
    consistent: bool = False  # move each large frame so that its area mean is exactly the small one it was made of

    def __post_init__(self) -> None:
        checks.whole("steps", self.steps, 1)
        checks.number("shift", self.shift, above=0, example=1)
        checks.number("low_res_noise", self.low_res_noise, least=0, most=1, example=0.05)
        checks.whole("anchors", self.anchors, 0)
        if self.sampler not in SAMPLERS:
            raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}; got {self.sampler!r}")

    @property
    def calls(self) -> int:
        """How often the network is asked in a row, each time about what it said before."""
        return 2 * self.steps - 1 if self.sampler in _TWICE else self.steps

    @property
    def asked(self) -> list[float]:
        """The times of these calls."""
        first = self.times()[:-1].tolist()
        return first + first[1:] if self.sampler in _TWICE else first

    def times(self, start: float = 1.0) -> TimeGrid:
        """The diffusion times of the walk, from `start` on."""
        return grid(self.steps, shift=self.shift, start=start)


@dataclass(frozen=True, kw_only=True)
class Few:
    """What a stage was distilled into, which draws `fast` in its place: few steps, with guidance baked in."""

    backbone: BackboneConfig
    fast: Sampling
    distilled_from: str = ""  # the model whose many steps it does in few, and by which method

    def __post_init__(self) -> None:
        if getattr(self.backbone, "baked_guidance", None) is None:
            raise ValueError(f"few must be a distilled network with baked_guidance, got kind={self.backbone.kind!r}")


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """Everything about a stage but its weights."""

    task: Task
    shape: VideoShape  # what the stage makes by default; for spatial super-resolution, a training example
    backbone: BackboneConfig
    latent: AutoencoderConfig | None = None  # the network works on its latents; None: on pixels
    text: TextTower | None = None  # the tower whose states of captions the network reads; None: MiniLM
    process: str = "rectified_flow"  # a name in PROCESSES
    prediction: predictions.Prediction = "x0"
    loss: Literal["x0", "noise", "velocity"] = "velocity"
    norm: Norm = "l2"  # of the error: l1 answers what is not known by its median, for stages that are asked once
    change: Size = 0.0  # how much errors of what changes from frame to frame count besides: they are flicker
    times: LogitNormal = field(default_factory=LogitNormal)
    fast: Sampling = field(default_factory=Sampling)
    best: Sampling = field(default_factory=lambda: Sampling(steps=16, sampler="dpm++2m"))
    few: Few | None = None  # a distilled network beside its own

    def __post_init__(self) -> None:
        if self.few is not None:
            self.with_few()  # its checks
        if self.process not in PROCESSES:
            raise ValueError(f"process must be one of {', '.join(PROCESSES)}; got {self.process!r}")
        predictions.check(self.prediction, PROCESSES[self.process])
        if self.task.bridge is not None and (self.process == "edm" or self.prediction != "x0"):
            given = f"process={self.process!r}, prediction={self.prediction!r}"
            raise ValueError(
                f"a bridge needs a path that ends without data, and x0; got {given}; try rectified_flow and x0"
            )
        if self.task.known != "any" and not 0 <= self.task.known < self.shape.frames:
            raise ValueError(
                f"known first frames must be fewer than the stage's {self.shape.frames}, got {self.task.known}; try 3"
            )
        if self.task.known == "any" and self.latent is not None:
            raise ValueError("a stage that can be told any frames works on pixels, got latents; set known to a number")
        if self.latent is not None and self.latent.channels != self.shape.channels:
            raise ValueError(
                f"latent and shape must agree on channels, got {self.latent.channels}"
                f" and {self.shape.channels}; set both"
            )
        frames = max(self.shape.frames, self.task.least_frames)
        own = Bucket(frames=frames, height=self.shape.height, width=self.shape.width)
        limits.check((own, *self.shapes), self.shape.channels, self.backbone, self.latent)
        for sampling in (self.fast, self.best):
            self.check(sampling)
        channels = self.channels
        if self.backbone.channels != channels:
            what = "shape" if self.latent is None else "latent"
            raise ValueError(
                f"backbone and {what} must agree on channels, got {self.backbone.channels} and {channels}; set both"
            )
        takes = self.task.low_res_channels(channels)
        if self.backbone.low_res_channels != takes:
            fitting = {"base": "transformer", "temporal_sr": "interpolator", "spatial_sr": "convnet"}[self.task.kind]
            raise ValueError(
                f"{self.task.kind} needs a backbone with {takes} channels of conditioning (low_res_channels),"
                f" got {self.backbone.low_res_channels}; try kind={fitting!r}"
            )

        maps = (1 if self.latent is None else self.latent.latent_channels) + 1 if self.task.structure else 0
        check_told(self.backbone, maps, self.task.structure, CONTENT_DIM, None if self.text is None else self.text.dim)

    def with_few(self) -> "StageConfig":
        """The stage with the distilled network in place of its own; itself if there is none."""
        few = self.few
        return self if few is None else replace(self, backbone=few.backbone, fast=few.fast, few=None)

    def check(self, sampling: Sampling) -> None:
        """Refuses a way to sample that is not for this stage."""
        if sampling.guidance.threshold is not None and self.latent is not None:
            given = f"threshold={sampling.guidance.threshold}"
            raise ValueError(
                f"dynamic thresholding is for pixels, and this stage makes latents; got {given}; leave it out"
            )

    @property
    def shapes(self) -> tuple[Bucket, ...]:
        """Its own and those of the buckets, each once; none if the stage knows its own shape alone."""
        own = Bucket(frames=self.shape.frames, height=self.shape.height, width=self.shape.width)
        if self.task.buckets == "auto":
            return ladder(own.frames, own.height, own.width)
        return tuple(dict.fromkeys((own, *self.task.buckets))) if self.task.buckets else ()

    @property
    def channels(self) -> int:
        """Of what the network makes: those of the video, or of its latents."""
        return self.shape.channels if self.latent is None else self.latent.latent_channels
