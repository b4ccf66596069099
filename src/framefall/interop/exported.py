"""Our base as a pipeline of diffusers: a folder of its kind, whose scheduler walks and whose network is ours.

`CascadePipeline.from_pretrained(folder)` loads it; it needs Framefall, and no code lies in the folder. It is a
rectified flow: the network says x0, and the scheduler is given the velocity (x_t - x0) / t.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import ConfigMixin, DiffusionPipeline, FlowMatchEulerDiscreteScheduler, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.utils import BaseOutput
from torch import Tensor

from framefall.cascade.cascade import Cascade
from framefall.cascade.codec import Codec, Latents, Pixels, build_autoencoder
from framefall.cascade.conditioning import Conditioning
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import StageConfig
from framefall.cascade.tasks import Base
from framefall.config import from_json, to_json
from framefall.diffusion.samplers import Step
from framefall.diffusion.times import grid
from framefall.models.registry import build
from framefall.noise import Key, normal_field
from framefall.outputs import FolderKind
from framefall.outputs import folder as output_folder
from framefall.video import Video


class CascadeNetwork(ModelMixin, ConfigMixin):
    """A base's network, and its autoencoder where it works on latents, with all of the stage's settings."""

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self, stage: dict[str, Any]) -> None:
        super().__init__()
        config = from_json(StageConfig, json.dumps(stage), origin="the network's config")
        self.settings = config
        self.backbone = build(config.backbone)
        self.autoencoder = None if config.latent is None else build_autoencoder(config.latent)

    @property
    def stage(self) -> Stage:
        """What denoises with it."""
        codec: Codec = Pixels() if self.autoencoder is None else Latents(self.autoencoder)
        return Stage(name="base", config=self.settings, backbone=self.backbone.eval(), codec=codec)


@dataclass
class CascadePipelineOutput(BaseOutput):
    """What it makes: `frames` are `[clips, frames, height, width, channels]` in 0..1, or as `output_type` says."""

    frames: Any


class CascadePipeline(DiffusionPipeline):
    """A base of Framefall's as a text-to-video pipeline of diffusers."""

    def __init__(self, network: CascadeNetwork, scheduler: FlowMatchEulerDiscreteScheduler) -> None:
        super().__init__()
        self.register_modules(network=network, scheduler=scheduler)
        self.num_timesteps = 0

    @property
    def fps(self) -> float:
        """Frames a second of what it makes."""
        return self.network.settings.shape.fps

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | list[str] | None = None,
        num_frames: int | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        generator: torch.Generator | None = None,
        seed: int | None = None,
        latents: Tensor | None = None,
        output_type: str = "np",
        callback_on_step_end: Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]] | None = None,
        return_dict: bool = True,
    ) -> CascadePipelineOutput | tuple[Any]:
        """The clips of prompts. What is not given is as the model has it.

        The noise is `latents`, or our own of a `seed`, which makes the clip that `framefall generate` makes of it, or
        that of a `generator`. `output_type` is "np", "pt" (`[clips, frames, channels, height, width]` in 0..1) or
        "video" (ours, `[clips, channels, frames, height, width]` in -1..1).
        """
        stage: Stage = self.network.stage
        captions = list(prompt) if isinstance(prompt, list | tuple) else [prompt]
        frames, size = self._shape(stage, num_frames, height, width)
        sampling = stage.config.fast
        sampling = replace(sampling, steps=num_inference_steps or sampling.steps)
        if guidance_scale is not None:
            sampling = replace(sampling, guidance=replace(sampling.guidance, scale=float(guidance_scale)))
        self.scheduler.set_timesteps(sigmas=grid(sampling.steps)[:-1].tolist(), device=stage.device)
        sigmas = self.scheduler.sigmas.double()
        self.num_timesteps = len(self.scheduler.timesteps)
        condition = stage.condition(captions, frames=frames, fps=stage.config.shape.fps)
        known = stage.codec.conditioning(Conditioning())
        condition = stage.conditioned(condition, known, torch.zeros(len(captions), device=stage.device))
        denoise = stage.denoiser(condition, known, sampling, sigmas)
        x = self._noise(stage, range(frames), size, len(captions), generator, seed, latents)
        x0 = x
        for index, (timestep, sigma) in enumerate(zip(self.scheduler.timesteps, sigmas.tolist(), strict=False)):
            x0 = denoise(x, torch.full((len(x),), sigma, device=x.device))
            x = self.scheduler.step((x - x0) / sigma, timestep, x, return_dict=False)[0]
            if callback_on_step_end is not None:
                callback_on_step_end(self, index, timestep, {"latents": x})
        last = Step(self.num_timesteps - 1, self.num_timesteps, 0.0, x, x0)
        made = _as(stage.codec.finish(last, Conditioning(), frames, size).x, output_type)
        return CascadePipelineOutput(frames=made) if return_dict else (made,)

    @staticmethod
    def _shape(stage: Stage, frames: int | None, height: int | None, width: int | None) -> tuple[int, tuple[int, int]]:
        """Frames and size of a clip, of those that the base makes at once."""
        own = stage.config.shape
        frames, size = frames or own.frames, (height or own.height, width or own.width)
        sizes = dict.fromkeys([(own.height, own.width), *((one.height, one.width) for one in stage.config.shapes)])
        if size not in sizes:
            known = ", ".join(f"{across}x{down}" for down, across in sizes)
            raise ValueError(f"size must be one that the model was trained on, got {size[1]}x{size[0]}; try {known}")
        if not 0 < frames <= own.frames:
            raise ValueError(f"frames must be 1 to the {own.frames} that the network makes at once, got {frames}")
        return frames, size

    @staticmethod
    def _noise(
        stage: Stage,
        frames: Sequence[int],
        size: tuple[int, int],
        clips: int,
        generator: torch.Generator | None,
        seed: int | None,
        latents: Tensor | None,
    ) -> Tensor:
        """Noise of t = 1, on the network's grid."""
        places, area = stage.codec.grid(frames, size)
        shape = clips, stage.config.channels, len(places), *area
        if latents is not None:
            if tuple(latents.shape) != shape:
                raise ValueError(f"latents must have shape {shape}, got {tuple(latents.shape)}")
            return latents.to(stage.device, torch.float32)
        if seed is None:
            return torch.randn(shape, generator=generator).to(stage.device)
        keys = [Key(seed, "sample", str(clip)).named(f"{stage.name}/start") for clip in range(clips)]
        fields = [normal_field(key, shape[1], places, range(area[0]), range(area[1])) for key in keys]
        return torch.stack(fields).to(stage.device)


def export_base(model: str | Path | Cascade, folder: str | Path) -> None:
    """Writes a model's base as a pipeline's folder, in one step. Raises `ValueError` for one that is no such flow."""
    cascade = model if isinstance(model, Cascade) else load_cascade(model)
    base = cascade.stages[0]
    if not isinstance(base.task, Base):
        raise ValueError(f"{cascade.config.name} must begin with a base to be a pipeline, and begins with {base.name}")
    if base.config.process != "rectified_flow" or base.config.fast.sampler not in ("euler", "ddim"):
        raise ValueError(
            f"{base.name} must be a rectified flow that Euler's method walks, as FlowMatchEulerDiscreteScheduler does,"
            f" is {base.config.process} by {base.config.fast.sampler}; export another model"
        )
    output = output_folder(folder, PIPELINE, overwrite=None)
    network = CascadeNetwork(stage=json.loads(to_json(base.config)))
    network.backbone.load_state_dict(base.backbone.state_dict())
    if network.autoencoder is not None and base.codec.autoencoder is not None:
        network.autoencoder.load_state_dict(base.codec.autoencoder.state_dict())
    scheduler = FlowMatchEulerDiscreteScheduler(shift=base.config.fast.shift)
    with output.writing() as partial:
        CascadePipeline(network.eval(), scheduler).save_pretrained(partial, safe_serialization=True)


PIPELINE = FolderKind("a pipeline", needs="model_index.json")


def _as(video: Video, output_type: str) -> Any:
    unit = (video.float().clamp(-1, 1) + 1) / 2
    if output_type == "video":
        return video
    if output_type == "pt":
        return unit.transpose(1, 2)
    if output_type == "np":
        return unit.permute(0, 2, 3, 4, 1).cpu().numpy()
    raise ValueError(f"output_type must be np, pt or video, got {output_type!r}")
