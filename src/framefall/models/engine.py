"""Networks run by OpenVINO on a CPU, where that is installed and right; by torch everywhere else.

    pip install 'framefall[openvino]'

A network is traced and compiled for the sizes it meets, which takes seconds: worth it for many evaluations of one
size. On a CPU with bfloat16 instructions OpenVINO computes everything in bfloat16, where autocast does but the
products. Sines of a large argument, as of diffusion time, would be noise then: they stay in float32, and outputs
are as near to those of float32 as autocast's (docs/log.md has the figures).
"""

import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from framefall.models.backbone import Backbone, Condition
from framefall.models.experts import Experts
from framefall.models.precision import fast_dtype
from framefall.video import Time, Video

TOLERANCE = 0.02  # relative L2 distance of an engine's output from float32 beyond which it is not used

Network = Callable[[Video, Time, Condition], Video]


def accelerated(backbone: Backbone) -> Backbone:
    """The network with an engine where there is one, else itself; its weights must not change any more."""
    if isinstance(backbone, Experts):  # a graph of both would compute both
        return backbone.each(accelerated)
    return Engine(backbone) if importlib.util.find_spec("openvino") else backbone


class Engine(Backbone):
    """A network compiled for each size it meets, if what is compiled agrees with it within `TOLERANCE`.

    What needs gradients, another device, or a network that cannot be compiled or comes out wrong, runs in torch.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.halo = backbone.halo
        self.compiled: dict[object, Network | None] = {}  # by sizes; None: runs in torch

    def forward(self, x_t: Video, t: Time, condition: Condition) -> Video:
        """What the network gives, in float32."""
        tensors = [x_t, t, *tensors_of(condition).values()]
        if torch.is_grad_enabled() or any(one.device.type != "cpu" for one in tensors):
            return self.backbone(x_t, t, condition)
        sizes = tuple((tuple(one.shape), one.dtype) for one in tensors)
        key = (tuple(tensors_of(condition)), sizes, torch.get_num_threads())
        if key not in self.compiled:
            self.compiled[key] = _checked(self.backbone, x_t, t, condition)
        return (self.compiled[key] or self.backbone)(x_t, t, condition)


def openvino_engine(backbone: Backbone, x_t: Video, t: Time, condition: Condition, dtype: torch.dtype) -> Network:
    """The network compiled for inputs of just these sizes; products are of `dtype`. Raises whatever OpenVINO raises."""
    from openvino import convert_model

    tensors = (x_t, t, *tensors_of(condition).values())
    network = Flat(backbone, tuple(tensors_of(condition))).eval()
    with torch.no_grad(), torch.autocast("cpu", enabled=False), _Constants(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(network, tensors, check_trace=False)
        converted = convert_model(traced, example_input=tensors, input=[list(one.shape) for one in tensors])
    early, late = _waves_apart(converted)
    waves, rest = _compiled(early, torch.float32), _compiled(late, dtype)

    def run(x_t: Video, t: Time, condition: Condition) -> Video:
        given = [one.detach().contiguous().numpy() for one in (x_t, t, *tensors_of(condition).values())]
        known = waves.infer(given, share_inputs=True)
        made = rest.infer([*given, *(known[at] for at in range(len(known)))], share_inputs=True)
        return torch.from_numpy(np.array(made[0]))  # a copy: the engine reuses its memory

    return run


def _waves_apart(model: Any) -> tuple[Any, Any]:
    """A model in two: one that computes its sines and cosines, and the rest, which is given them beside its inputs."""
    from openvino import Model, opset13

    waves = [one for one in model.get_ordered_ops() if one.get_type_name() in ("Sin", "Cos")]
    given = [opset13.parameter(one.get_output_shape(0), np.float32) for one in waves]
    for wave, parameter in zip(waves, given, strict=True):
        wave.output(0).replace(parameter.output(0))
    early = Model([opset13.result(wave.output(0)) for wave in waves], model.get_parameters(), "waves")
    return early, Model(model.get_results(), [*model.get_parameters(), *given], "rest")


def _compiled(model: Any, dtype: torch.dtype) -> Any:
    from openvino import Core

    wishes = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "bf16" if dtype == torch.bfloat16 else "f32",
    }
    return Core().compile_model(model, "CPU", wishes).create_infer_request()


def _checked(backbone: Backbone, x_t: Video, t: Time, condition: Condition) -> Network | None:
    """The engine, or None where there is none that is right."""
    try:
        engine = openvino_engine(backbone, x_t, t, condition, fast_dtype(x_t.device))
        # on other inputs than those it was traced with, so that what the trace took for constant shows
        changed = {name: one * 0.9 if one.is_floating_point() else one for name, one in tensors_of(condition).items()}
        other = (x_t.flip(-1, 2) * 0.9 + 0.05, t * 0.8, Condition(**changed))
        made = engine(*other)
    except Exception:  # whatever goes wrong in another's compiler: torch can do it
        return None
    with torch.autocast("cpu", enabled=False):
        expected = backbone(*other)
    return engine if (made - expected).norm() <= TOLERANCE * expected.norm() else None


def tensors_of(condition: Condition) -> dict[str, Tensor]:
    """What a condition has, by its names."""
    values = {field.name: getattr(condition, field.name) for field in fields(condition)}
    return {name: value for name, value in values.items() if value is not None}


class Flat(nn.Module):
    """The network as a function of tensors alone."""

    def __init__(self, backbone: Backbone, names: tuple[str, ...]) -> None:
        super().__init__()
        self.backbone, self.names = backbone, names

    def forward(self, x_t: Tensor, t: Tensor, *tensors: Tensor) -> Tensor:
        """What the network gives; `tensors` are those of its condition, in the order of their names."""
        return self.backbone(x_t, t, Condition(**dict(zip(self.names, tensors, strict=True))))


class _Constants(TorchFunctionMode):
    """Frequencies become constants: the engine knows no logspace."""

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if func is torch.logspace:
            first, last, count = args[:3]
            base = float((kwargs or {}).get("base", 10.0))
            return torch.from_numpy(np.logspace(float(first), float(last), int(count), base=base, dtype=np.float32))
        return func(*args, **(kwargs or {}))
