"""A stage's network as a graph of plain tensors: what torch.export, ONNX and OpenVINO write into a file.

The graph is what the stage believes in, `(x_t, t, condition) -> x0`: prediction, process and bridge are inside, and
every condition is an input by its name in `Condition`. Batch, frames and sizes are free where torch can prove that.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import Sampling
from framefall.diffusion.guidance_config import Guidance
from framefall.diffusion.samplers import SAMPLERS
from framefall.diffusion.times import following
from framefall.models.backbone import Backbone, Condition
from framefall.models.engine import Flat, tensors_of
from framefall.noise import Key, normal
from framefall.video import Time, Video, resize

TOLERANCE = 1e-3  # of x0, whose values are within about -1..1: an exported network that is further off is not written


@dataclass(frozen=True, kw_only=True)
class Example:
    """A walk of a stage, with everything that its network is told: an exported network can be tried on it."""

    start: Video  # where the walk begins
    condition: Condition
    sampling: Sampling
    times: Tensor

    @property
    def frames_have_times(self) -> bool:
        """Whether diffusion time is one number a frame, so that given frames can be told."""
        return self.condition.low_res is not None and self.condition.low_res_noise is None

    def t(self, time: float) -> Time:
        """A time of the walk as the network takes it."""
        size = (1, self.start.shape[2]) if self.frames_have_times else (1,)
        return torch.full(size, time)

    def at(self, index: int) -> Condition:
        """The condition at a step: a distilled network is told where it goes to."""
        if self.condition.until is None:
            return self.condition
        return replace(self.condition, until=self.t(float(self.times[index + 1])))

    def arrays(self) -> dict[str, np.ndarray]:
        """The inputs of the first step but for the time, by their names."""
        found = {"x_t": self.start, **tensors_of(self.condition)}
        return {name: one.numpy() for name, one in found.items()}


def example(stage: Stage, below: Video | None, caption: str | None) -> Example:
    """A walk of the stage's fast sampling, without guidance, of one clip; `below` is a clip of the stage below it."""
    shape, sampling = stage.config.shape, replace(stage.sampling("fast"), sampler="euler", guidance=Guidance())
    low, frames = None, shape.frames
    if stage.task.super_resolution:
        given = frames if stage.task.crops else stage.task.least_frames // stage.task.time_factor + 1
        frames = frames if stage.task.crops else stage.task.least_frames
        assert below is not None
        low = below[:, :, [min(at, below.shape[2] - 1) for at in range(given)]]
        low = resize(low, shape.height // stage.task.space_factor, shape.width // stage.task.space_factor)
    places, area = stage.codec.grid(range(frames), (shape.height, shape.width))
    known = stage.codec.conditioning(stage.task.conditioning(low, frames))
    level = torch.full((1,), sampling.low_res_noise)
    condition = stage.conditioned(stage.condition([caption], frames=frames, fps=shape.fps), known, level)
    size = len(places), *area
    if condition.low_res is None and stage.task.known == "any":  # nothing is given
        condition = replace(
            condition, low_res=torch.zeros(1, stage.task.low_res_channels(stage.config.channels), *size)
        )
    reads = stage.config.backbone
    if reads.structure_channels:
        condition = replace(condition, structure=torch.zeros(1, reads.structure_channels, *size))
    if reads.content_dim:
        condition = replace(condition, content=torch.zeros(1, reads.content_dim))
    if reads.flow_map:
        condition = replace(condition, until=torch.zeros(1))
    if baked := stage.config.backbone.baked_guidance:
        condition = replace(condition, guidance_scale=torch.full((1,), baked[0]))
    noise = normal([Key(0, "export", stage.name)], (stage.config.channels, *size))
    start = stage.process.start(stage.endpoint(noise, known))
    return Example(start=start, condition=condition, sampling=sampling, times=sampling.times())


def walked(stage: Stage, tried: Example) -> Video:
    """Where the walk ends by our own network: pixels, or latents where the stage works on them."""

    def denoise(x_t: Video, t: Time) -> Video:
        told = tried.condition
        if told.until is not None:
            told = replace(told, until=tried.t(float(following(t, tried.times)[0])))
        return stage.x0(x_t, tried.t(float(t[0])), told)

    with torch.no_grad():
        *_, last = SAMPLERS["euler"](denoise, stage.process, tried.start, tried.times, None)
    return last.x


class Belief(Backbone):
    """A stage's `x0` as a module: its network, with what makes a clean video of its output."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.backbone = stage.backbone
        self._x0 = stage.x0

    def forward(self, x_t: Video, t: Time, condition: Condition) -> Video:
        """The clean video that the stage believes in."""
        return self._x0(x_t, t, condition)


def program(stage: Stage, tried: Example, *, free: bool = True) -> torch.export.ExportedProgram:
    """The graph, with any number of clips, and with `free` any number of frames and sizes as far as torch allows."""
    names = tuple(tensors_of(tried.condition))
    given = (tried.start, tried.t(0.5), *tensors_of(tried.condition).values())
    given = tuple(torch.cat((one, one)) for one in given)  # of one clip torch would make a graph for one
    clips, auto = torch.export.Dim("clips", min=1, max=1 << 16), torch.export.Dim.AUTO
    of_video = {0: clips, **(dict.fromkeys((2, 3, 4), auto) if free else {})}
    of_frames = {0: clips, **({1: auto} if free else {})}
    free_axes: dict[str, dict[int, Any]] = {
        **dict.fromkeys(("x_t", "low_res", "prior", "structure"), of_video),
        "seconds": of_frames,
        "t": of_frames if tried.frames_have_times else {0: clips},
        "until": of_frames if tried.frames_have_times else {0: clips},
    }
    axes = {name: free_axes.get(name, {0: clips}) for name in ("x_t", "t", *names)}
    shapes = {"x_t": axes["x_t"], "t": axes["t"], "tensors": tuple(axes[name] for name in names)}
    network = Flat(Belief(stage), names).eval()
    with torch.no_grad(), torch.autocast("cpu", enabled=False), _quiet():
        return torch.export.export(network, given, dynamic_shapes=shapes, strict=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """Exporters warn of themselves, and torch writes a record of each symbol for whoever listens."""
    before, trace = logging.root.manager.disable, logging.getLogger("torch.__trace")
    kept, trace.handlers = trace.handlers, []
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        trace.handlers = kept


Run = Callable[[dict[str, np.ndarray]], np.ndarray]  # named inputs to x0


@dataclass(frozen=True, kw_only=True)
class Format:
    """A kind of file that a graph is written as, and what runs it."""

    suffix: str
    packages: tuple[str, ...]  # what must be installed
    write: Callable[[torch.export.ExportedProgram, tuple[str, ...], Path], None]
    load: Callable[[Path, tuple[str, ...]], Run]


def _write_program(graph: torch.export.ExportedProgram, names: tuple[str, ...], path: Path) -> None:
    with _quiet():
        torch.export.save(graph, path)


def _load_program(path: Path, names: tuple[str, ...]) -> Run:
    with _quiet():
        network = torch.export.load(path).module()

    def run(given: dict[str, np.ndarray]) -> np.ndarray:
        with torch.no_grad():
            return network(*(torch.from_numpy(given[name]) for name in names)).numpy()

    return run


def _write_onnx(graph: torch.export.ExportedProgram, names: tuple[str, ...], path: Path) -> None:
    with _quiet():
        made = torch.onnx.export(
            graph, dynamo=True, input_names=list(names), output_names=["x0"], optimize=False, verbose=False
        )
        assert made is not None
        made.save(path)


def _load_onnx(path: Path, names: tuple[str, ...]) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda given: session.run(None, {name: given[name] for name in names})[0]


def _write_openvino(graph: torch.export.ExportedProgram, names: tuple[str, ...], path: Path) -> None:
    import openvino

    with _quiet():
        model = openvino.convert_model(graph)
    for given, name in zip(model.inputs, names, strict=True):
        given.get_tensor().set_names({name})
    model.outputs[0].get_tensor().set_names({"x0"})
    openvino.save_model(model, path, compress_to_fp16=False)


def _load_openvino(path: Path, names: tuple[str, ...]) -> Run:
    import openvino

    wishes = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    model = openvino.Core().compile_model(path, "CPU", wishes)
    return lambda given: np.array(model({name: given[name] for name in names})[0])


FORMATS: dict[str, Format] = {
    "onnx": Format(suffix="onnx", packages=("onnx", "onnxscript", "onnxruntime"), write=_write_onnx, load=_load_onnx),
    "openvino": Format(suffix="xml", packages=("openvino",), write=_write_openvino, load=_load_openvino),
    "torch-export": Format(suffix="pt2", packages=(), write=_write_program, load=_load_program),
}
