"""What sampling on a CPU gains from compiling our networks: torch.compile and OpenVINO beside eager torch."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from framefall.bench.speed.timing import in_turns, ratio
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.models.backbone import Backbone, Condition
from framefall.models.engine import Network, openvino_engine
from framefall.models.registry import build
from framefall.models.transformer import TransformerConfig
from framefall.models.unet import UNetConfig
from framefall.progress import Events, Stepped, operation
from framefall.video import Time, Video

Inputs = tuple[Video, Time, Condition]
EngineCase = Callable[[], tuple[Backbone, Inputs]]

EAGER = "eager_bfloat16"  # what the others are measured against


@operation
def engines_bench(
    seconds: float, cases: Iterable[str] | None = None, engines: Iterable[str] | None = None
) -> Events[dict[str, Any]]:
    """A forward pass of each network by each engine: CPU time of one thread, taking turns.

    Beside it how long an engine took to prepare, and how far its output lies from that of eager float32 (relative
    L2 distance). An engine that is not installed or fails is named with its reason. Shipped networks have their
    weights; the others random ones where they start at zero, or no error would show.
    """
    names = tuple(cases or CASES)
    chosen = {EAGER, *(engines or ENGINES)}
    results: dict[str, Any] = {}
    ratios: dict[str, Any] = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for done, name in enumerate(names):
            yield Stepped(done, len(names), name)
            with torch.no_grad():
                results[name], taken = _measured(*CASES[name](), [one for one in ENGINES if one in chosen], seconds)
            for engine, times in taken.items():
                if engine != EAGER:
                    ratios[f"{name}_{EAGER}_over_{engine}"] = ratio(taken[EAGER], times)
    finally:
        torch.set_num_threads(threads)
    return {"results": results, "ratios": ratios}


def _measured(
    network: Backbone, inputs: Inputs, engines: list[str], seconds: float
) -> tuple[dict[str, Any], dict[str, list[float]]]:
    network.eval()
    expected = network(*inputs)
    jobs: dict[str, Callable[[], Tensor]] = {}
    rows: dict[str, Any] = {}
    for engine in engines:
        began = time.perf_counter()
        try:
            job = partial(ENGINES[engine](network, inputs), *inputs)
            made = job()
        except Exception as error:  # another's compiler, which may not even be there
            rows[engine] = {"failed": f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"[:200]}
            continue
        prepared = time.perf_counter() - began
        distance = float((made.float() - expected).norm() / expected.norm())
        rows[engine] = {"prepare_seconds": prepared, "relative_l2_error": distance}
        jobs[engine] = job
    taken = in_turns(jobs, seconds)
    for engine, times in taken.items():
        rows[engine]["ms"] = 1000 * sorted(times)[len(times) // 2]
    return rows, taken


def _eager(dtype: torch.dtype, network: Callable[..., Tensor], _: Inputs) -> Network:
    def run(x_t: Video, t: Time, condition: Condition) -> Video:
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            return network(x_t, t, condition)

    return run


def _compiled(dtype: torch.dtype, network: Backbone, inputs: Inputs) -> Network:
    torch.compiler.reset()
    return _eager(dtype, torch.compile(network, dynamic=False), inputs)


def _openvino(dtype: torch.dtype, network: Backbone, inputs: Inputs) -> Network:
    return openvino_engine(network, *inputs, dtype)


ENGINES: dict[str, Callable[[Backbone, Inputs], Network]] = {
    "eager_float32": partial(_eager, torch.float32),
    EAGER: partial(_eager, torch.bfloat16),
    "compiled_bfloat16": partial(_compiled, torch.bfloat16),
    "openvino_float32": partial(_openvino, torch.float32),
    "openvino_bfloat16": partial(_openvino, torch.bfloat16),
}


def _fresh(config: UNetConfig | TransformerConfig, frames: int, size: int) -> tuple[Backbone, Inputs]:
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        network = build(config)
        for parameter in network.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.02)
        return network, (
            torch.randn(1, 3, frames, size, size),
            torch.full((1,), 0.5),
            Condition(seconds=_seconds(frames)),
        )


def _shipped(stage: str, frames: int, size: int) -> tuple[Backbone, Inputs]:
    """A stage of the cascade that generates by default."""
    cascade = load_cascade("pico")
    network = next(one.backbone for one in cascade.stages if one.name == stage)
    generator = torch.Generator().manual_seed(0)
    clip = torch.randn(1, 3, frames, size, size, generator=generator)
    if stage == "base":
        config: Any = network.config
        text = torch.randn(1, config.words, config.text_dim, generator=generator)
        told = Condition(seconds=_seconds(frames), text=text, text_mask=torch.ones(1, config.words, dtype=torch.bool))
    else:
        low = torch.rand(1, 3, frames, size, size, generator=generator) * 2 - 1
        told = Condition(seconds=_seconds(frames), low_res=low, low_res_noise=torch.zeros(1), prior=low)
    return network, (clip, torch.full((1,), 0.5), told)


def _seconds(frames: int) -> Tensor:
    return torch.arange(frames)[None] / 6


_FACTORISED = TransformerConfig(dim=256, depth=12, heads=4, patch=(1, 4, 4), fusion="temporal")
CASES: dict[str, EngineCase] = {
    "unet": partial(_fresh, UNetConfig(), 16, 64),
    "transformer": partial(_fresh, _FACTORISED, 16, 64),
    "base": partial(_shipped, "base", 16, 64),
    "spatial_sr": partial(_shipped, "spatial_sr", 4, 128),
}
