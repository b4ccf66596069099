"""The compiled side of `fused.py`: `fused.cpp` as functions that torch can differentiate.

Sums and norms are taken in float32 whatever the tensors hold, and rounded once.
"""

import ctypes
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from framefall.layers import compiled

KNOWN = (torch.float32, torch.bfloat16)
_EPSILON = torch.finfo(torch.float32).eps  # that of torch's norm
_LIBRARY = "fused"


def serves(*tensors: Tensor) -> bool:
    """Whether the library is there, for such tensors."""
    plain = all(one.device.type == "cpu" and one.dtype in KNOWN and one.numel() for one in tensors)
    return plain and not compiled.is_read() and compiled.has(_LIBRARY)


def modulate(x: Tensor, shift: Tensor, scale: Tensor, wanted: torch.dtype) -> Tensor:
    """The modulated norm, in the number format that is wanted."""
    return _apply(_Modulate, x, shift, scale, wanted)


def gated_sum(x: Tensor, gate: Tensor, y: Tensor) -> Tensor:
    """The residual sum, in float32."""
    return _apply(_GatedSum, x, gate, y)


def gate_values(packed: Tensor) -> Tensor:
    """SwiGLU's gate."""
    return _apply(_GateValues, packed)


def project_heads(
    packed: Tensor, query_weight: Tensor, key_weight: Tensor, angles: Tensor, heads: int, apart: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values `[batch, frames, positions, heads, head_dim]`."""
    return _apply(_ProjectHeads, packed, query_weight, key_weight, angles, heads, apart)


def _apply(function: type[torch.autograd.Function], *arguments: Any) -> Any:
    return function.apply(*arguments)


class _Sizes(ctypes.Structure):
    """`Sizes` of the source."""

    _fields_ = tuple((name, ctypes.c_int64) for name in ("threads", "batch", "rows", "dim"))


def _sizes(batch: int, rows: int, dim: int) -> tuple[Any, int]:
    """A tensor's sizes as the source takes them, and how many chunks it makes of it."""
    threads = min(torch.get_num_threads(), 1 + batch * rows * dim // _WORTH)
    return ctypes.byref(_Sizes(threads, batch, rows, dim)), batch * -(-rows // _call("chunk_rows"))


_WORTH = 1 << 17  # numbers that are worth another thread


def _call(name: str, *arguments: Any) -> int:
    """A function of the library; tensors go as the addresses of their first numbers."""
    library = compiled.library(_LIBRARY)
    assert library is not None
    function: Callable[..., int] = getattr(library, name)
    return function(*(_passed(one) for one in arguments))


def _passed(one: Any) -> Any:
    if isinstance(one, Tensor):
        return ctypes.c_void_p(one.data_ptr())
    if isinstance(one, float):
        return ctypes.c_double(one)
    return ctypes.c_int64(one) if isinstance(one, (int, bool)) else one


def _bfloat(x: Tensor) -> bool:
    return x.dtype == torch.bfloat16


def _row(x: Tensor) -> Tensor:
    return x.float().contiguous()


def _summed(parts: Tensor, like: Tensor) -> Tensor:
    """Gradients of what rows share, `[batch * chunks, dim]`, as one row a clip."""
    return parts.view(like.shape[0], -1, like.shape[-1]).sum(1, keepdim=True).to(like.dtype)


class _Modulate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, shift: Tensor, scale: Tensor, wanted: torch.dtype) -> Tensor:
        x = x.contiguous()
        out = torch.empty_like(x, dtype=wanted)
        sizes, _ = _sizes(*x.shape)
        _call("modulate", sizes, _bfloat(x), _bfloat(out), _EPSILON, x, _row(shift), _row(scale), out)
        ctx.save_for_backward(x, shift, scale)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, shift, scale = ctx.saved_tensors
        grad = grad.contiguous()
        sizes, chunks = _sizes(*x.shape)
        grad_x, sums = torch.empty_like(x), x.new_zeros(2, chunks, x.shape[-1], dtype=torch.float32)
        _call(
            "modulate_backward",
            sizes, _bfloat(x), _bfloat(grad), _EPSILON, x, _row(scale), grad, grad_x, sums[0], sums[1],
        )  # fmt: skip
        return grad_x, _summed(sums[0], shift), _summed(sums[1], scale), None


class _GatedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gate: Tensor, y: Tensor) -> Tensor:
        x, y = x.contiguous(), y.contiguous()
        out = torch.empty_like(x, dtype=torch.float32)
        sizes, _ = _sizes(*x.shape)
        _call("gated_sum", sizes, _bfloat(x), _bfloat(y), x, _row(gate), y, out)
        ctx.save_for_backward(gate, y)
        ctx.dtype = x.dtype
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        gate, y = ctx.saved_tensors
        grad = grad.contiguous()
        sizes, chunks = _sizes(*y.shape)
        grad_y, sums = torch.empty_like(y), y.new_zeros(chunks, y.shape[-1], dtype=torch.float32)
        _call("gated_sum_backward", sizes, _bfloat(y), _row(gate), y, grad, grad_y, sums)
        return grad.to(ctx.dtype), _summed(sums, gate), grad_y


class _GateValues(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, packed: Tensor) -> Tensor:
        packed = packed.contiguous()
        hidden = packed.shape[-1] // 2
        out = packed.new_empty(*packed.shape[:-1], hidden)
        _call("gate_values", _sizes(1, out.numel() // hidden, hidden)[0], _bfloat(packed), packed, out)
        ctx.save_for_backward(packed)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (packed,) = ctx.saved_tensors
        grad, out = grad.contiguous(), torch.empty_like(packed)
        sizes = _sizes(1, grad.numel() // grad.shape[-1], grad.shape[-1])[0]
        _call("gate_values_backward", sizes, _bfloat(packed), packed, grad, out)
        return out


class _HeadsTask(ctypes.Structure):
    """`Heads` of the source."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("bfloat", "threads", "batch", "frames", "positions", "heads", "dim")),
        ("angles", ctypes.c_int64 * 3),
        ("strides", ctypes.c_int64 * 4 * 3),
        ("epsilon", ctypes.c_double),
        ("packed", ctypes.c_void_p),
        ("weights", ctypes.c_void_p * 2),
        ("cos", ctypes.c_void_p),
        ("sin", ctypes.c_void_p),
        ("parts", ctypes.c_void_p * 3),
        ("grad_packed", ctypes.c_void_p),
        ("grad_weights", ctypes.c_void_p),
    )


class _ProjectHeads(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, packed: Tensor, query_weight: Tensor, key_weight: Tensor, angles: Tensor, heads: int, apart: bool
    ) -> tuple[Tensor, ...]:
        packed = packed.contiguous()
        batch, frames, positions, whole = packed.shape
        size = whole // (3 * heads)
        inner = (heads, positions) if apart else (positions, heads)
        parts = [packed.new_empty(batch, frames, *inner, size) for _ in range(3)]
        parts = [part.transpose(2, 3) if apart else part for part in parts]
        angles = angles.float()
        given = packed, query_weight, key_weight, angles.cos(), angles.sin()
        _project(*given, parts, heads)
        ctx.save_for_backward(*given)
        ctx.heads = heads
        return tuple(parts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        packed, query_weight, key_weight, cos, sin = ctx.saved_tensors
        parts = [grad if grad.stride(-1) == 1 else grad.contiguous() for grad in grads]
        out = torch.empty_like(packed)
        chunks = _sizes(1, packed.numel() // packed.shape[-1], 1)[1]
        sums = packed.new_zeros(chunks, 2, parts[0].shape[-1], dtype=torch.float32)
        _project(packed, query_weight, key_weight, cos, sin, parts, ctx.heads, (out, sums))
        query_grad, key_grad = sums.sum(0)
        return out, query_grad.to(query_weight.dtype), key_grad.to(key_weight.dtype), None, None, None


def _project(
    packed: Tensor,
    query_weight: Tensor,
    key_weight: Tensor,
    cos: Tensor,
    sin: Tensor,
    parts: list[Tensor],
    heads: int,
    grads: tuple[Tensor, Tensor] | None = None,
) -> None:
    """Fills the parts; or, given what to write into, reads them as gradients and writes those of the projection."""
    batch, frames, positions, whole = packed.shape
    cos, sin = (one.contiguous().expand(batch, frames, positions, -1) for one in (cos, sin))
    weights = [_row(query_weight), _row(key_weight)]
    task = _HeadsTask(
        bfloat=_bfloat(packed),
        threads=min(torch.get_num_threads(), 1 + packed.numel() // _WORTH),
        batch=batch,
        frames=frames,
        positions=positions,
        heads=heads,
        dim=whole // (3 * heads),
        epsilon=_EPSILON,
        packed=packed.data_ptr(),
        cos=cos.data_ptr(),
        sin=sin.data_ptr(),
    )
    task.angles[:] = cos.stride()[:3]
    task.weights[:] = [weight.data_ptr() for weight in weights]
    task.parts[:] = [part.data_ptr() for part in parts]
    for which, part in enumerate(parts):
        task.strides[which][:] = part.stride()[:4]
    if grads is not None:
        task.grad_packed, task.grad_weights = (one.data_ptr() for one in grads)
    _call("project_heads", ctypes.byref(task), grads is not None)
