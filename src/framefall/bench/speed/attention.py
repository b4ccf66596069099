"""What attention along time costs against the number of frames: over all of them, and over a pattern.

One thread and CPU time, so that other work on the machine counts as little as it can; every way at every length takes
its turn in each round, and a ratio is taken round by round. The same numbers of tokens are worked on at each length:
a long clip has fewer positions. What is reported is the cost of one position's whole clip.
"""

import weakref
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from framefall import outputs
from framefall.bench.speed.attention_picture import draw_attention
from framefall.bench.speed.timing import ROUNDS, Spread, cpu_seconds_for, ratio
from framefall.layers.attention import attend
from framefall.layers.patterns import window
from framefall.layers.sparse import blocks_attend, sparse_attend
from framefall.outputs import Output
from framefall.progress import Events, Stepped, operation

FRAMES = (16, 32, 64, 128, 256, 512, 1024)
WINDOW, HEADS, HEAD_DIM = window(4), 8, 64
_TOKENS = 4096  # positions times frames
_SQUARE, _WIDE = 1024, 1 << 24  # the sizes at which the machine shows what it can: of a matrix, and of what is read
_LOOK = 0.05  # seconds, five times each
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]
Taken = dict[tuple[str, int], list[float]]

WAYS: dict[str, Attention] = {
    "full": attend,
    "sparse": lambda query, key, value: sparse_attend(query, key, value, WINDOW),
    "blocks": lambda query, key, value: blocks_attend(query, key, value, WINDOW),  # where no kernel can be built
}


@operation
def attention_bench(
    seconds: float = 1.0, frames: Iterable[int] = FRAMES, rounds: int = ROUNDS, picture: Path | Output | None = None
) -> Events[dict[str, Any]]:
    """Times (each way at each length for about `seconds` in all) and memory, as `results` and `ratios`, and a picture.

    Ratios: a clip of 1024 frames over one of 64 (16 is linear), full over sparse at 1024, sparse over full at 32;
    for forward and training, float32 and bfloat16, and for the memory of both; those without a group are of forward
    passes in float32.
    """
    picture = None if picture is None else outputs.opened(picture)
    lengths = sorted({*frames, 32, 64, 1024})
    runs = [(mode, name) for mode in ("forward", "training") for name in _DTYPES]
    total, done = len(runs) * rounds + 1, 0
    results: dict[str, Any] = {}
    ratios: dict[str, Any] = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ceilings = _ceilings()
        for mode, name in runs:
            jobs = {
                (way, count): _job(call, count, _DTYPES[name], mode == "training")
                for count in lengths
                for way, call in WAYS.items()
            }
            taken: Taken = {key: [] for key in jobs}
            for _ in range(rounds):
                yield Stepped(done, total, f"{mode}, {name}")
                done += 1
                for key, job in jobs.items():
                    taken[key].append(cpu_seconds_for(job, seconds / rounds) / _positions(key[1]))
            results[f"{mode}_{name}"] = _microseconds(taken)
            ratios[f"{mode}_{name}"] = _ratios(taken)
        yield Stepped(done, total, "memory")
        for mode in ("forward", "training"):
            peaks: Taken = {
                (way, count): [_peak(_job(call, count, torch.float32, mode == "training")) / _positions(count)]
                for count in (32, 64, 1024)
                for way, call in WAYS.items()
            }
            results[f"{mode}_memory"] = {
                way: {str(count): peaks[way, count][0] / 2**10 for count in (32, 64, 1024)} for way in WAYS
            }
            ratios[f"{mode}_memory"] = _ratios(peaks)
    finally:
        torch.set_num_threads(threads)
    results["ceilings"] = ceilings
    results["attained"] = {name: _attained(results[f"forward_{name}"], name, ceilings) for name in _DTYPES}
    if picture is not None:
        draw_attention(results, picture)
    return {"results": results, "ratios": {**ratios["forward_float32"], **ratios}}


def _positions(frames: int) -> int:
    return max(1, _TOKENS // frames)


def _job(call: Attention, frames: int, dtype: torch.dtype, training: bool) -> Callable[[], None]:
    generator = torch.Generator().manual_seed(frames)
    shape = (_positions(frames), HEADS, frames, HEAD_DIM)
    query, key, value, grad = (torch.randn(shape, generator=generator).to(dtype) for _ in range(4))
    leaves = [part.requires_grad_(training) for part in (query, key, value)]

    def run() -> None:
        with torch.set_grad_enabled(training):
            out = call(*leaves)
        if training:
            torch.autograd.grad(out, leaves, grad)

    run()
    return run


def _microseconds(taken: Taken) -> dict[str, dict[str, float]]:
    table: dict[str, dict[str, float]] = {}
    for (way, count), times in taken.items():
        table.setdefault(way, {})[str(count)] = 1e6 * float(np.median(times))
    return table


def _ratios(taken: Taken) -> dict[str, Spread]:
    pairs = {
        "sparse_1024_over_64": (("sparse", 1024), ("sparse", 64)),
        "full_1024_over_64": (("full", 1024), ("full", 64)),
        "full_over_sparse_at_1024": (("full", 1024), ("sparse", 1024)),
        "full_over_blocks_at_1024": (("full", 1024), ("blocks", 1024)),
        "sparse_over_full_at_32": (("sparse", 32), ("full", 32)),
    }
    return {name: ratio(taken[over], taken[under]) for name, (over, under) in pairs.items()}


def _peak(job: Callable[[], None]) -> float:
    """Bytes of tensors alive at once beyond those there were before; what an operator uses inside is not seen."""
    with _Alive() as seen:
        job()
    return float(seen.peak)


class _Alive(TorchDispatchMode):
    """Counts the memory of every tensor that an operator makes, until it is freed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = {one.untyped_storage()._cdata for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)}
        out = func(*args, **(kwargs or {}))
        for made in tree_leaves(out):
            if isinstance(made, Tensor) and made.untyped_storage()._cdata not in before | self.known:
                storage = made.untyped_storage()
                self.known.add(storage._cdata)
                self.now += storage.nbytes()
                weakref.finalize(storage, self._freed, storage._cdata, storage.nbytes())
        self.peak = max(self.peak, self.now)
        return out

    def _freed(self, name: int, size: int) -> None:
        self.known.discard(name)
        self.now -= size


def _ceilings() -> dict[str, float]:
    """What this machine does at best now: matrix products, and numbers read and written."""
    found = {}
    for name, dtype in _DTYPES.items():
        square, wide = torch.randn(_SQUARE, _SQUARE).to(dtype), torch.randn(_WIDE).to(dtype)
        matmul = partial(torch.matmul, square, square, out=torch.empty_like(square))
        add = partial(torch.add, wide, wide, out=torch.empty_like(wide))
        found[f"matmul_{name}_gflops"] = 2 * _SQUARE**3 / min(cpu_seconds_for(matmul, _LOOK) for _ in range(5)) / 1e9
        found[f"memory_{name}_gbytes"] = 2 * wide.nbytes / min(cpu_seconds_for(add, _LOOK) for _ in range(5)) / 1e9
    return found


def _attained(table: dict[str, dict[str, float]], name: str, ceilings: dict[str, float]) -> dict[str, float]:
    """How near the sparse way at 1024 frames comes to both: each number read once, two products with each key seen."""
    rows, taken = HEADS * 1024, table["sparse"]["1024"] / 1e6
    moved = 4 * rows * HEAD_DIM * _DTYPES[name].itemsize
    worked = 4 * rows * HEAD_DIM * len(WINDOW.offsets)
    return {
        "gbytes": moved / taken / 1e9,
        "of_memory": moved / taken / 1e9 / ceilings[f"memory_{name}_gbytes"],
        "gflops": worked / taken / 1e9,
        "of_matmul": worked / taken / 1e9 / ceilings["matmul_float32_gflops"],  # sums are float32 in both
    }
