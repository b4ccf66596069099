"""Text-to-video pipelines of diffusers as what makes the first, small clip: a folder that `DiffusionPipeline` loads.

Of a stranger's folder only what cannot run code is read: classes of diffusers and transformers by their names, weights
in safetensors. The pipeline runs in a thread of its own, so that its steps come out as they happen and closing the
generator stops it.
"""

import hashlib
import inspect
import queue
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from framefall import bounded
from framefall.noise import Key
from framefall.published import sha256
from framefall.video import Video

INDEX = "model_index.json"
# frames a second that a pipeline's networks were trained at: no folder says it
FPS: Mapping[str, float] = {
    "WanPipeline": 16.0,
    "LTXPipeline": 24.0,
    "HunyuanVideoPipeline": 24.0,
    "MochiPipeline": 30.0,
}
USUAL_FPS = 8.0  # of CogVideoX, AnimateDiff, ModelScope and whatever else
EXPORTED = "framefall.interop.exported"  # where the parts of a base of ours are
_LIBRARIES = ("diffusers", "transformers")
_TAKES = ("prompt", "num_frames", "generator", "output_type")


@dataclass(frozen=True, eq=False)
class TextToVideo:
    """A pipeline that makes videos of prompts."""

    folder: Path
    pipeline: Any

    @property
    def name(self) -> str:
        """Its class."""
        return type(self.pipeline).__name__

    @property
    def fps(self) -> float:
        """Frames a second of what it makes."""
        return float(getattr(self.pipeline, "fps", None) or FPS.get(self.name, USUAL_FPS))

    @cached_property
    def sha256(self) -> str:
        """The hash of all that decides on what it computes: every file of its folder that is read."""
        read = [path for path in sorted(self.folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
        lines = [f"{path.relative_to(self.folder).as_posix()} {sha256(path)}" for path in read if path.suffix in _READ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def at_least(self, frames: int) -> int:
        """The fewest frames that it can make and that are no fewer: of k latent frames there are (k - 1) * n + 1."""
        step = int(getattr(self.pipeline, "vae_scale_factor_temporal", 1))
        return -(-(frames - 1) // step) * step + 1

    def clip(
        self,
        prompt: str | None,
        key: Key,
        *,
        frames: int | None = None,
        size: tuple[int, int] | None = None,
        steps: int | None = None,
        guidance: float | None = None,
    ) -> Iterator[tuple[int, int] | Video]:
        """(step, of how many) as they end, and then the clip `[1, 3, frames, height, width]`; equal keys, equal clips.

        What is not given is as the pipeline has it.
        """
        asked: dict[str, Any] = {"prompt": prompt or "", "output_type": "np"}
        asked["generator"] = torch.Generator().manual_seed(key.word() >> 1)
        asked |= {} if frames is None else {"num_frames": self.at_least(frames)}
        asked |= {} if size is None else {"height": size[0], "width": size[1]}
        asked |= {} if steps is None else {"num_inference_steps": steps}
        asked |= {} if guidance is None else {"guidance_scale": float(guidance)}
        for event in self._run(asked):
            yield event if isinstance(event, tuple) else _video(event, self.folder)

    def _run(self, asked: dict[str, Any]) -> Iterator[Any]:
        told: queue.Queue[Any] = queue.Queue()
        stopped = threading.Event()
        takes = inspect.signature(self.pipeline.__call__).parameters

        def ended(step: int) -> None:
            if stopped.is_set():
                raise _Stopped
            total = getattr(self.pipeline, "num_timesteps", None) or len(self.pipeline.scheduler.timesteps)
            told.put((step + 1, total))

        def step_end(pipeline: Any, step: int, timestep: Any, kept: dict[str, Any]) -> dict[str, Any]:
            ended(step)
            return kept

        if "callback_on_step_end" in takes:
            asked = asked | {"callback_on_step_end": step_end}
        elif "callback" in takes:
            asked = asked | {"callback": lambda step, timestep, latents: ended(step), "callback_steps": 1}

        def work() -> None:
            try:
                told.put(self.pipeline(**asked).frames)
            except BaseException as error:
                told.put(error)

        thread = threading.Thread(target=work, name="pipeline", daemon=True)
        thread.start()
        try:
            while isinstance(event := told.get(), tuple):
                yield event
        finally:
            stopped.set()
            thread.join()
        if isinstance(event, ValueError | TypeError | RuntimeError):
            raise ValueError(f"{self.folder} cannot make what is asked of it: {_one_line(event)}") from None
        if isinstance(event, BaseException):
            raise event
        yield event


class _Stopped(Exception):
    """Ends a pipeline whose steps nobody reads any more."""


def open_pipeline(folder: str | Path, device: str | torch.device = "cpu") -> TextToVideo:
    """The text-to-video pipeline in a folder. Raises `ValueError` for what is none, or could run code of its own."""
    folder = Path(folder)
    try:
        import diffusers
    except ModuleNotFoundError as error:
        if error.name != "diffusers":
            raise
        raise ValueError("a pipeline of diffusers as a base needs it: pip install 'framefall[diffusers]'") from None
    name = _checked(folder, diffusers)
    try:
        pipeline = _kind(name, diffusers).from_pretrained(
            folder, use_safetensors=True, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # of whatever kind: a library says in many ways that it cannot read a folder
        raise ValueError(f"{folder} cannot be loaded as a {name}: {_one_line(error)}") from None
    pipeline.set_progress_bar_config(disable=True)
    return TextToVideo(folder=folder, pipeline=pipeline.to(device))


def _checked(folder: Path, diffusers: Any) -> str:
    """The class of a folder's pipeline, when its index names nothing but classes of libraries that we know."""
    if not (folder / INDEX).is_file():
        raise ValueError(
            f"{folder} must be a folder with a {INDEX}, as diffusers saves pipelines, and has none; name such a folder"
        )
    try:
        index = bounded.read_json(folder / INDEX)
        if not isinstance(index, dict):
            raise ValueError("must be an object")
    except ValueError as error:
        raise ValueError(f"{folder / INDEX} cannot be read: {error}") from None
    name = index.get("_class_name")
    known = _kind(name, diffusers)
    if not (isinstance(known, type) and issubclass(known, diffusers.DiffusionPipeline)):
        raise ValueError(f"{folder} must hold a pipeline of diffusers, and names {str(name)[:60]!r}; name another")
    for part, value in index.items():
        if isinstance(value, list) and len(value) == 2 and value[0] not in (None, *_LIBRARIES, EXPORTED):
            raise ValueError(
                f"{folder} must be made of parts of {' and '.join(_LIBRARIES)}, and its {part[:40]} is of"
                f" {str(value[0])[:60]!r}: what could run code of its own is not loaded"
            )
    if not set(_TAKES) <= inspect.signature(known.__call__).parameters.keys():
        raise ValueError(f"{folder} must make videos of a prompt, and {name} does not; name a text-to-video pipeline")
    return str(name)


def _kind(name: object, diffusers: Any) -> Any:
    """The class of a name: of diffusers, or our own, which is there before its folder names it."""
    if name == "CascadePipeline":
        return import_module(EXPORTED).CascadePipeline
    return getattr(diffusers, name, None) if isinstance(name, str) else None


def _video(frames: Any, folder: Path) -> Video:
    """What a pipeline gives, in 0..1 with the channels last, as a video."""
    video = torch.as_tensor(frames).float()
    if video.ndim != 5 or video.shape[-1] != 3 or not bool(torch.isfinite(video).all()):
        raise ValueError(
            f"{folder} must make finite videos of 3 channels, got {tuple(video.shape)}; its weights may be damaged"
        )
    return (2 * video.permute(0, 4, 1, 2, 3) - 1).clamp(-1, 1).cpu().contiguous()


def _one_line(error: BaseException) -> str:
    return re.sub(r"\s+", " ", str(error)).strip()[:300] or type(error).__name__


_READ = {".json", ".safetensors", ".txt", ".model"}
