"""The compiled kernel behind sparse attention on CPUs: `window_attention.cpp`, compiled for one head size at a time.

Where it cannot be built (`compiled.py`), on another device or for another number format `serves` says no, and
attention takes its other way.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from framefall.layers import compiled
from framefall.layers.compiled import LANES
from framefall.layers.patterns import Pattern

_WIDEST = 8  # vectors a head
_MOST = 512  # keys a query; the kernel won over blocks at 257 (docs/log.md)


def serves(query: Tensor, key: Tensor, value: Tensor, pattern: Pattern) -> bool:
    """Whether the kernel is there for such tensors, and worth calling."""
    if torch.compiler.is_exporting() or torch.jit.is_tracing():  # type: ignore[attr-defined]
        return False  # another engine does not know the kernel
    frames, dim = query.shape[-2:]
    known = query.device.type == "cpu" and query.dtype in (torch.float32, torch.bfloat16) and query.dim() <= 6
    alike = query.dtype == key.dtype == value.dtype and query.shape == key.shape == value.shape
    keys = min(len(pattern.offsets), frames) + min(pattern.anchors, frames)
    fits = query.numel() > 0 and keys <= _MOST and dim <= _WIDEST * LANES
    return known and alike and fits and compiled.has(*_named(dim))


def attend(query: Tensor, key: Tensor, value: Tensor, pattern: Pattern) -> Tensor:
    """Attention over a pattern, laid out in memory as the query is; strided inputs are read where they lie."""
    return _forward(query, key, value, list(pattern.offsets), pattern.anchors, pattern.causal)


@torch.library.custom_op("framefall::window_attention", mutates_args=())
def _forward(query: Tensor, key: Tensor, value: Tensor, offsets: Sequence[int], anchors: int, causal: bool) -> Tensor:
    out = torch.empty_like(query)
    _call((query, key, value, out), offsets, anchors, causal, backward=False)
    return out


@torch.library.custom_op("framefall::window_attention_backward", mutates_args=())
def _backward(
    query: Tensor, key: Tensor, value: Tensor, grad: Tensor, offsets: Sequence[int], anchors: int, causal: bool
) -> tuple[Tensor, Tensor, Tensor]:
    grads = torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)
    _call((query, key, value, grad, *grads), offsets, anchors, causal, backward=True)
    return grads


@_forward.register_fake
def _(query: Tensor, key: Tensor, value: Tensor, offsets: Sequence[int], anchors: int, causal: bool) -> Tensor:
    return torch.empty_like(query)


@_backward.register_fake
def _(
    query: Tensor, key: Tensor, value: Tensor, grad: Tensor, offsets: Sequence[int], anchors: int, causal: bool
) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    query, key, value, *ctx.pattern = inputs
    ctx.save_for_backward(query, key, value)


def _differentiate(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    return *_backward(*ctx.saved_tensors, grad, *ctx.pattern), None, None, None


_forward.register_autograd(_differentiate, setup_context=_remember)


@register_flop_formula(torch.ops.framefall.window_attention)
def _forward_flops(query: Sequence[int], key: Any, value: Any, offsets: Any, anchors: int, *_: Any, **__: Any) -> int:
    """Two products with each key seen, a multiplication and an addition each; a clip's ends are not deducted."""
    rows = 1
    for size in query:
        rows *= size
    return 4 * rows * min(query[-2], len(offsets) + anchors)


@register_flop_formula(torch.ops.framefall.window_attention_backward)
def _backward_flops(query: Any, key: Any, value: Any, grad: Any, offsets: Any, anchors: int, *_: Any, **__: Any) -> int:
    return 5 * _forward_flops(query, key, value, offsets, anchors) // 2


class _Task(ctypes.Structure):
    """`Task` of the source."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("bfloat", "backward", "threads", "dim", "frames", "anchors", "causal")),
        ("offsets", ctypes.c_int64),
        ("scale", ctypes.c_double),
        ("sizes", ctypes.c_int64 * 4),
        ("strides", ctypes.c_int64 * 5 * 7),
        ("offset", ctypes.POINTER(ctypes.c_int64)),
        ("data", ctypes.c_void_p * 7),
    )


def _call(tensors: tuple[Tensor, ...], offsets: Sequence[int], anchors: int, causal: bool, backward: bool) -> None:
    """Runs the kernel on tensors that share a shape; it writes the last of them."""
    tensors = tuple(one if one.stride(-1) == 1 else one.contiguous() for one in tensors)
    query, (*rows, frames, dim) = tensors[0], tensors[0].shape
    axes = sorted(range(len(rows)), key=query.stride, reverse=True)  # what lies side by side comes last
    missing = [0] * (4 - len(axes))
    task = _Task(
        bfloat=query.dtype == torch.bfloat16,
        backward=backward,
        threads=torch.get_num_threads(),
        dim=dim,
        frames=frames,
        anchors=min(anchors, frames),
        causal=causal,
        offsets=len(offsets),
        scale=dim**-0.5,
        offset=(ctypes.c_int64 * len(offsets))(*offsets),
    )
    task.sizes[:] = [1 for _ in missing] + [rows[axis] for axis in axes]
    for which, tensor in enumerate(tensors):
        task.strides[which][:] = missing + [tensor.stride(axis) for axis in axes] + [tensor.stride(-2)]
        task.data[which] = tensor.data_ptr()
    library = compiled.library(*_named(dim))
    if library is None or library.window_attention(ctypes.byref(task)):
        raise RuntimeError("the kernel for sparse attention found no memory: free some, or set FRAMEFALL_NO_KERNEL=1")


def _named(dim: int) -> tuple[str, str]:
    """The source, and what it is compiled for: heads of so many vectors."""
    return "window_attention", f"WIDTH={-(-dim // LANES)}"
