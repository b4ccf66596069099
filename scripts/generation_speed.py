"""Seconds a stage takes to generate one clip, beside the floor: its FLOPs at the measured matmul rate.

    python scripts/generation_speed.py [MODEL] [fast|best]

Prints JSON. The matmul rate is a 2048^3 product in the dtype that the networks use, measured in the same run.
"""

import json
import statistics
import sys
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from framefall.cascade.cascade import Cascade, CascadeConfig
from framefall.cascade.checkpoint import load_cascade
from framefall.cascade.request import Quality, Request
from framefall.cascade.stage import Stage
from framefall.models.precision import fast_dtype
from framefall.models.registry import build
from framefall.recipes.registry import RECIPES


def main(model: str, quality: Quality) -> None:
    """Three clips after a warm-up; medians."""
    cascade = untrained(model) if model in RECIPES else load_cascade(model)
    with FlopCounterMode(display=False) as counter:
        run(cascade, quality)
    rates, runs = [], []
    for _ in range(3):
        rates.append(matmul_rate())
        runs.append(run(cascade, quality))
    seconds = {name: statistics.median(one[name] for one in runs) for name in runs[0]}
    rate, total = statistics.median(rates), sum(seconds.values())
    flops = counter.get_total_flops()
    report = {
        "model": model,
        "quality": quality,
        "threads": torch.get_num_threads(),
        "dtype": str(fast_dtype(torch.device("cpu"))),
        "seconds": seconds | {"total": total},
        "gflop": flops / 1e9,
        "matmul_gflops": rate / 1e9,
        "fraction_of_matmul_rate": flops / total / rate,
    }
    print(json.dumps(report, indent=2))


def untrained(recipe: str) -> Cascade:
    """The recipe's cascade with fresh weights: as fast as a trained one."""
    configs = {name: part.stage for name, part in RECIPES[recipe]().stages.items()}
    stages = tuple(Stage(name=name, config=one, backbone=build(one.backbone).eval()) for name, one in configs.items())
    return Cascade(config=CascadeConfig(name=recipe, stages=configs), stages=stages)


def run(cascade: Cascade, quality: Quality) -> dict[str, float]:
    """Seconds by stage of one clip with a caption."""
    seconds: dict[str, float] = {}
    began = time.perf_counter()
    for event in cascade.stream(Request("the earth turns at night", seed=1, quality=quality)):
        name = event.stage.name if event.stage else "input"
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - began
        began = time.perf_counter()
    return seconds


def matmul_rate(size: int = 2048) -> float:
    """FLOP/s of a square product, the best of five."""
    a, b = (torch.randn(size, size).to(fast_dtype(torch.device("cpu"))) for _ in range(2))
    times = []
    for _ in range(5):
        began = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - began)
    return 2 * size**3 / min(times)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "nano", "best" if sys.argv[2:] == ["best"] else "fast")
