"""Our layers at the sizes they have in the networks, and the least time that the machine's limits allow them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from framefall.bench.speed.timing import MORE_FLOPS, Spread
from framefall.layers.attention import SelfAttention, SwiGLU
from framefall.layers.fusion import SpatialAttention, TemporalAttention
from framefall.layers.patterns import parse
from framefall.layers.spacetime import FrameNorm, SpaceTimeBlock
from framefall.layers.tokens import coordinates, patchify, rotary_angles

Parts = tuple[Callable[..., Tensor], tuple[Any, ...]]  # a layer, and what it is called with

FRAMES = 16


@dataclass(frozen=True)
class Ceiling:
    """What the machine reaches in one dtype: operations a second, and bytes a second by the size of the work."""

    flops: float
    bandwidth: Mapping[int, float]

    def floor(self, flops: float, size: float) -> tuple[float, float]:
        """The least seconds for the operations, and for the bytes."""
        nearest = min(self.bandwidth, key=lambda one: abs(np.log(one / max(size, 1.0))))
        return flops / self.flops, size / self.bandwidth[nearest]


def share(layer: Parts, seconds: Spread, ceiling: Ceiling) -> dict[str, Any]:
    """The layer's rates, its fraction of the ceiling as a whole and step by step, and which limit prevails.

    As a whole: every operation at the best rate, and inputs, weights and output once through memory. Step by step:
    each of torch's operations by itself, with all that it reads and writes: the most that eager execution can reach.
    """
    call, given = layer
    with _Steps() as steps:
        made = call(*given)
    weights = list(call.parameters()) if isinstance(call, nn.Module) else []
    moved = 1.0 * sum(_bytes(one, made.element_size()) for one in [*tree_leaves(given), *weights, made])
    flops = 1.0 * sum(step.flops for step in steps.taken)
    products, memory = ceiling.floor(flops, moved)
    floors = [ceiling.floor(step.flops, step.bytes) for step in steps.taken]
    by_steps = sum(map(max, floors))
    in_products = sum(first for first, second in floors if first >= second)
    took = seconds["median"]
    return {
        "ms": 1000 * took,
        "gflop_a_second": flops / took / 1e9,
        "gb_a_second": moved / took / 1e9,
        "flops_a_byte": flops / moved,
        "fraction_of_ceiling": {
            "median": max(products, memory) / took,
            "low": max(products, memory) / seconds["high"],
            "high": max(products, memory) / seconds["low"],
        },
        "bound": "products" if products >= memory else "memory",
        "fraction_step_by_step": by_steps / took,
        "bound_step_by_step": "products" if in_products >= by_steps / 2 else "memory",
        "share_of_products_step_by_step": in_products / by_steps if by_steps else 0.0,
    }


@dataclass(frozen=True)
class _Step:
    flops: float
    bytes: float


class _Steps(TorchDispatchMode):
    """Lists torch's operations as they run, with their work; views are none."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[_Step] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        made = func(*args, **(kwargs or {}))
        if not func.is_view and func is not torch.ops.aten.detach.default:
            count = (flop_registry | MORE_FLOPS).get(func._overloadpacket)
            flops = count(*args, **(kwargs or {}), out_val=made) if count else 0
            self.taken.append(_Step(1.0 * flops, 1.0 * sum(map(_bytes, tree_leaves((args, kwargs, made))))))
        return made


def _bytes(value: object, size: int | None = None) -> int:
    """Of a tensor, without what is repeated; `size` of an element, if it were stored so."""
    if not isinstance(value, Tensor):
        return 0
    count = 1
    for length, stride in zip(value.shape, value.stride(), strict=True):
        count *= length if stride else 1
    return count * (size or value.element_size())


def _rows(dim: int, size: int) -> Tensor:
    return torch.randn(FRAMES, dim, size, size).contiguous(memory_format=torch.channels_last)


def _block(kind: str, dim: int, size: int) -> Parts:
    """A residual block of the U-Net."""
    block = SpaceTimeBlock(dim, 128, kind).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return block, (_rows(dim, size), torch.randn(1, 1, 128), FRAMES)


def _within(dim: int, size: int) -> Parts:
    return SpatialAttention(dim, dim // 32), (torch.randn(1, FRAMES, size * size, dim),)


def _along(dim: int, size: int, pattern: str | None, frames: int = FRAMES) -> Parts:
    layer = TemporalAttention(dim, dim // 32, parse(pattern) if pattern else None)
    return layer, (torch.randn(1, frames, size * size, dim), torch.arange(frames)[None] / 6)


def _joint() -> Parts:
    """The attention of nano's base: 8 frames of 8 x 8 patches."""
    angles = rotary_angles(coordinates(torch.arange(FRAMES)[None] / 6, 64, 64, (2, 8, 8)), 64)
    return SelfAttention(256, 4), (torch.randn(1, angles.shape[1], 256), angles)


LAYERS: dict[str, Callable[[], Parts]] = {
    "block_per_frame_32_at_64x64": lambda: _block("per_frame", 32, 64),
    "block_per_frame_96_at_16x16": lambda: _block("per_frame", 96, 16),
    "block_per_frame_384_at_4x4": lambda: _block("per_frame", 384, 4),
    "block_factorised_64_at_32x32": lambda: _block("factorised", 64, 32),
    "block_joint_64_at_32x32": lambda: _block("joint", 64, 32),
    "frame_norm_64_at_32x32": lambda: (FrameNorm(64), (_rows(64, 32),)),
    "spatial_attention_96_at_16x16": lambda: _within(96, 16),
    "temporal_attention_64_at_32x32": lambda: _along(64, 32, None),
    "temporal_attention_sparse_64_at_32x32": lambda: _along(64, 32, "window(2)"),
    "temporal_attention_64_of_256_frames": lambda: _along(64, 16, None, 256),
    "temporal_attention_sparse_64_of_256_frames": lambda: _along(64, 16, "window(2)", 256),
    "joint_attention_256_of_512_tokens": _joint,
    "swiglu_256_of_512_tokens": lambda: (SwiGLU(256), (torch.randn(1, 512, 256),)),
    "swiglu_256_of_4096_tokens": lambda: (SwiGLU(256), (torch.randn(1, 4096, 256),)),
    "linear_256_to_768_of_4096_tokens": lambda: (nn.Linear(256, 768), (torch.randn(1, 4096, 256),)),
    "patchify_64x64": lambda: (patchify, (torch.randn(1, 3, FRAMES, 64, 64), (2, 8, 8))),
}
