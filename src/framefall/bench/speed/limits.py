"""What this machine reaches in matrix products, convolutions, attention and memory, and what share of it our layers do.

One thread, CPU time. Rates are GFLOP/s, of memory GB/s; each with its spread.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from framefall.bench.speed.layers import LAYERS, Ceiling, Parts, share
from framefall.bench.speed.timing import Spread, in_turns, ratio, spread
from framefall.progress import Events, Stepped, operation

Probe = tuple[Callable[[], object], int]  # a call of something simple, and how many operations or bytes it is

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_MIB = 2**20
SIZES = (_MIB, 16 * _MIB, 256 * _MIB)  # bytes that a pass over memory touches: in cache, between, beyond


@operation
def limits_bench(seconds: float) -> Events[dict[str, Any]]:
    """Rates of the machine, then of each layer of our networks its fraction of the ceiling, and what bounds it.

    The ceiling of products is the best median among matrix products and convolutions in that dtype, of memory that of
    the triad nearest in size.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    total = len(PROBES) + len(DTYPES)
    results: dict[str, Any] = {}
    ratios: dict[str, Spread] = {}
    try:
        with torch.no_grad():
            for done, (group, probes) in enumerate(PROBES.items()):
                yield Stepped(done, total, group)
                rates = _rates(probes(), seconds)
                results[group] = {name: spread(each) for name, each in rates.items()}
                ratios |= _gains(group, rates)
            layers = {name: make() for name, make in LAYERS.items()}
            fractions: dict[str, dict[str, Any]] = {name: {} for name in layers}
            for at, dtype in enumerate(DTYPES):
                yield Stepped(len(PROBES) + at, total, f"layers in {dtype}")
                for name, row in _fractions(layers, dtype, ceiling(results, dtype), seconds).items():
                    fractions[name][dtype] = row
    finally:
        torch.set_num_threads(threads)
    return {"results": {**results, "fraction_of_ceiling": fractions}, "ratios": ratios}


def ceiling(results: Mapping[str, Any], dtype: str) -> Ceiling:
    """The machine's limits out of the probes' rates."""
    rates = [
        rate["median"]
        for group in ("matmul", "convolution")
        for name, rate in results[group].items()
        if name.endswith(dtype)
    ]
    bandwidth = {size: 1e9 * results["memory"][f"triad_{size // _MIB}_mib"]["median"] for size in SIZES}
    return Ceiling(1e9 * max(rates), bandwidth)


def _fractions(layers: Mapping[str, Parts], dtype: str, limit: Ceiling, seconds: float) -> dict[str, Any]:
    """Every layer under autocast, as the networks run it."""
    with torch.autocast("cpu", DTYPES[dtype], enabled=dtype != "float32", cache_enabled=False):
        taken = in_turns({name: partial(call, *given) for name, (call, given) in layers.items()}, seconds)
        return {name: share(layer, spread(taken[name]), limit) for name, layer in layers.items()}


def _rates(probes: Mapping[str, Probe], seconds: float) -> dict[str, list[float]]:
    taken = in_turns({name: call for name, (call, _) in probes.items()}, seconds)
    return {name: [probes[name][1] / one / 1e9 for one in times] for name, times in taken.items()}


def _gains(group: str, rates: Mapping[str, list[float]]) -> dict[str, Spread]:
    """What short numbers buy here, round by round."""
    return {
        f"{group}_{name}_bfloat16_over_float32": ratio(rates[f"{name}_bfloat16"], rates[f"{name}_float32"])
        for name in (full.removesuffix("_float32") for full in rates if full.endswith("_float32"))
    }


def _matmul() -> dict[str, Probe]:
    """Square; a transformer's token matrix; a thin one, as at a U-Net's outer level."""
    shapes = {"square_1024": (1024, 1024, 1024), "tokens_4096x256x1024": (4096, 256, 1024), "thin": (65536, 64, 64)}
    probes: dict[str, Probe] = {}
    for name, (rows, inside, outside) in shapes.items():
        for dtype, kind in DTYPES.items():
            parts = torch.randn(rows, inside).to(kind), torch.randn(outside, inside).to(kind)
            probes[f"{name}_{dtype}"] = partial(F.linear, *parts), 2 * rows * inside * outside
    return probes


def _convolution() -> dict[str, Probe]:
    """64 channels, 16 frames of 32 x 32; channels last where it does not say contiguous."""
    dim, frames, size = 64, 16, 32
    work = 2 * dim * dim * frames * size * size
    probes: dict[str, Probe] = {}
    for dtype, kind in DTYPES.items():
        rows, clip = torch.randn(frames, dim, size, size).to(kind), torch.randn(1, dim, frames, size, size).to(kind)
        lines = torch.randn(1, dim, frames, size * size).to(kind)
        frame, time, joint = (torch.randn(dim, dim, *kernel).to(kind) for kernel in ((3, 3), (3, 1), (3, 3, 3)))
        made: dict[str, Probe] = {
            "1x3x3_as_2d": (partial(F.conv2d, _last(rows), _last(frame), padding=1), 9 * work),
            "1x3x3_as_2d_contiguous": (partial(F.conv2d, rows, frame, padding=1), 9 * work),
            "3x3x3": (partial(F.conv3d, _last(clip), _last(joint), padding=1), 27 * work),
            "3x1x1": (partial(F.conv3d, _last(clip), _last(time[..., None]), padding=(1, 0, 0)), 3 * work),
            "3x1x1_as_2d": (partial(F.conv2d, _last(lines), _last(time), padding=(1, 0)), 3 * work),
        }
        probes |= {f"{name}_{dtype}": probe for name, probe in made.items()}
    return probes


def _attention() -> dict[str, Probe]:
    """Torch's own, heads of 64: along 16 frames at 256 positions, within 16 frames, over all tokens."""
    shapes = {"time_256x4x16": (256, 4, 16), "frames_16x4x256": (16, 4, 256), "joint_1x4x4096": (1, 4, 4096)}
    probes: dict[str, Probe] = {}
    for name, (rows, heads, tokens) in shapes.items():
        for dtype, kind in DTYPES.items():
            query, key, value = (torch.randn(rows, heads, tokens, 64).to(kind) for _ in range(3))
            work = 4 * rows * heads * tokens * tokens * 64
            probes[f"{name}_{dtype}"] = partial(F.scaled_dot_product_attention, query, key, value), work
    return probes


def _memory() -> dict[str, Probe]:
    """Bytes read and written, by how many are touched; fresh: a sum into pages the process did not have."""
    probes: dict[str, Probe] = {}
    for size in SIZES:
        name = f"{size // _MIB}_mib"
        a, b, c = (torch.rand(size // 12) for _ in range(3))  # a float32 has 4 bytes
        half, other = (torch.rand(size // 8) for _ in range(2))
        probes[f"copy_{name}"] = partial(half.copy_, other), size
        probes[f"triad_{name}"] = partial(torch.add, a, b, alpha=2.0, out=c), size
    probes["sum_into_fresh_pages"] = partial(torch.add, a, b), size
    return probes


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last if x.dim() == 4 else torch.channels_last_3d)


PROBES: dict[str, Callable[[], dict[str, Probe]]] = {
    "matmul": _matmul,
    "convolution": _convolution,
    "attention": _attention,
    "memory": _memory,
}
