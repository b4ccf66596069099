import math
import time

import torch
from torch import nn

from framefall.bench.speed.timing import (
    cpu_seconds,
    cpu_seconds_for,
    flop_counter,
    flops,
    in_turns,
    product,
    ratio,
    spread,
)


def test_a_ratio_is_of_turns_taken_side_by_side() -> None:
    taken = in_turns({"slow": lambda: sum(range(40_000)) and None, "fast": lambda: sum(range(4_000)) and None}, 0.2)
    found = ratio(taken["slow"], taken["fast"])
    assert 3 < found["low"] <= found["median"] <= found["high"]
    assert all(math.isfinite(value) for value in found.values())


def test_a_spread_is_the_median_and_the_middle_half() -> None:
    assert spread([5.0, 1.0, 2.0, 3.0, 4.0]) == {"median": 3.0, "low": 2.0, "high": 4.0}
    assert ratio([2.0, 4.0], [1.0, 2.0]) == {"median": 2.0, "low": 2.0, "high": 2.0}


def test_sleep_is_no_cpu_time() -> None:
    assert cpu_seconds(lambda: time.sleep(0.05)) < 0.04


def test_a_job_is_called_for_as_long_as_said_and_at_least_once() -> None:
    calls: list[int] = []
    assert cpu_seconds_for(lambda: calls.append(sum(range(20_000))), 0.0) > 0 and len(calls) == 1
    cpu_seconds_for(lambda: calls.append(sum(range(20_000))), 0.02)
    assert len(calls) > 3


def test_torchs_own_attention_is_counted() -> None:
    parts = [torch.randn(2, 3, 16, 8) for _ in range(3)]
    counted = flops(lambda: nn.functional.scaled_dot_product_attention(*parts))
    assert counted == 4 * 2 * 3 * 16 * 16 * 8


def test_the_way_back_is_counted_with_its_own_products() -> None:
    parts = [torch.randn(2, 3, 16, 8, requires_grad=True) for _ in range(3)]
    with flop_counter() as counter:
        nn.functional.scaled_dot_product_attention(*parts).sum().backward()
    product_of_scores = 2 * 2 * 3 * 16 * 16 * 8
    assert counter.get_total_flops() == (2 + 5) * product_of_scores  # the scores are computed again on the way back


def test_a_product_is_what_it_says() -> None:
    multiply, operations = product(torch.float32, 32)
    assert flops(multiply) == operations == 2 * 32**3
    assert multiply().shape == (32, 32)  # type: ignore[attr-defined]
