"""How benchmarks measure: CPU time of one thread, things compared taking turns, ratios round by round.

On shared cores only this is steady: what others do does not count, beyond caches and memory that are shared.
"""

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

ROUNDS = 9  # of turns: a median with its middle half
PRODUCT = 2048  # rows of the matrices that say at what rate a machine multiplies

Spread = dict[str, float]


def spread(values: Sequence[float]) -> Spread:
    """Median and range of the middle half."""
    low, median, high = np.percentile(np.asarray(values), (25, 50, 75))
    return {"median": float(median), "low": float(low), "high": float(high)}


def ratio(over: Sequence[float], under: Sequence[float]) -> Spread:
    """The ratio of two things' times round by round: the median and the range of its middle half."""
    return spread([a / b for a, b in zip(over, under, strict=True)])


def cpu_seconds(job: Callable[[], object], calls: int = 1) -> float:
    """CPU seconds of a call of `job`, user and system, all threads."""
    began = time.process_time()
    for _ in range(calls):
        job()
    return (time.process_time() - began) / calls


def cpu_seconds_for(job: Callable[[], object], seconds: float) -> float:
    """CPU seconds of a call of `job`, called for that long and at least once."""
    began, calls, passed = time.process_time(), 0, 0.0
    while calls == 0 or passed < seconds:
        job()
        calls += 1
        passed = time.process_time() - began
    return passed / calls


def in_turns(jobs: Mapping[str, Callable[[], object]], seconds: float, rounds: int = ROUNDS) -> dict[str, list[float]]:
    """CPU seconds of a call of each job in `rounds` rounds of turns; a job has about `seconds` in all."""
    calls = {}
    for name, job in jobs.items():
        job()
        calls[name] = max(1, int(seconds / rounds / max(cpu_seconds(job), 1e-9)))
    gc.collect()
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, job in jobs.items():
            taken[name].append(cpu_seconds(job, calls[name]))
    return taken


def flops(job: Callable[[], object]) -> int:
    """Floating-point operations of the matrix products, convolutions and attention of a call."""
    with torch.no_grad(), flop_counter() as counter:
        job()
    return int(counter.get_total_flops())


def flop_counter() -> FlopCounterMode:
    """Counts the same of all that runs while it is entered, backward passes too (`get_total_flops`)."""
    return FlopCounterMode(display=False, custom_mapping=MORE_FLOPS)


def product(dtype: torch.dtype, size: int | None = None) -> tuple[Callable[[], Tensor], int]:
    """A square matrix product, and its operations: at what rate this machine does it is what floors are made of."""
    size = size or PRODUCT
    left, right = (torch.randn(size, size).to(dtype) for _ in range(2))
    return lambda: F.linear(left, right), 2 * size**3


def _attention_flops(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query.shape, key.shape, value.shape))


def _attention_backward_flops(grad: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    return int(sdpa_backward_flop_count(grad.shape, query.shape, key.shape, value.shape))


# torch hands them tensors then, not their shapes
_attention_flops._get_raw = True  # type: ignore[attr-defined]
_attention_backward_flops._get_raw = True  # type: ignore[attr-defined]
# torch does not count the attention that it runs on CPUs
MORE_FLOPS: dict[Any, Callable[..., int]] = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward_flops,
}
