"""Which arithmetic a device does well: bfloat16 where its matrix units know it, float32 elsewhere.

Weights stay float32; only the products are cast (autocast).
"""

import contextlib

import torch


def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 on a GPU or CPU with instructions for it, otherwise float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    if device.type == "cpu" and torch.cpu._is_avx512_bf16_supported():
        return torch.bfloat16
    return torch.float32


def autocast(device: torch.device, enabled: bool = True) -> contextlib.AbstractContextManager[object]:
    """Runs products in the device's fast dtype; does nothing where that is float32."""
    dtype = fast_dtype(device)
    if not enabled or dtype == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=dtype)
