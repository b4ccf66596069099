"""Tensors in a safetensors file: the header is checked, and a network of its size built, before a number is read.

A header says of each tensor its name, its shape and where its numbers lie. What it claims must fit to the file, and the
names and shapes to the network that is to hold them; only then are numbers read, as what they were written as.
"""

import contextlib
import math
import os
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from framefall import bounded
from framefall.publish import Corrupt

HEADER = 1 << 22  # bytes of a header
MOST = 20_000  # tensors in a file
FLOATS = {"F32": 4, "F16": 2, "BF16": 2}  # what weights are stored as, and the bytes of each number
_WHOLE = {"I64": 8, "I32": 4}  # what an optimiser counts with
_SLACK = 1 << 20  # numbers
_RESTORE = "restore it from a copy"
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Stored:
    """What a header says of one tensor."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def numbers(self) -> int:
        """How many it has."""
        return math.prod(self.shape)

    @property
    def is_float(self) -> bool:
        """Whether they are floats."""
        return self.dtype in FLOATS


def read_header(file: int, origin: str) -> dict[str, Stored]:
    """The tensors that an open safetensors file says it has; `Corrupt` if they are not exactly what is in it."""
    size = os.fstat(file).st_size
    head = os.pread(file, 8, 0)
    length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
    if not 2 <= length <= size - 8:
        raise Corrupt(f"{origin} is not a whole safetensors file: {_RESTORE}")
    if length > HEADER:
        raise Corrupt(f"{origin} must have a header of at most {HEADER:,} bytes, has one of {length:,}: {_RESTORE}")
    os.lseek(file, 8, os.SEEK_SET)
    parts, left = [], length
    while left and (part := os.read(file, left)):
        parts.append(part)
        left -= len(part)
    try:
        listed = bounded.parse(b"".join(parts))
        listed.pop("__metadata__", None)
        return _checked(listed, size - 8 - length, origin)
    except Corrupt:
        raise
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Corrupt(f"{origin} is not a whole safetensors file (its header is damaged): {_RESTORE}") from None


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, as float32 where they are floats.

    The bytes are read, not mapped: a mapped file that shrinks would end the process.
    """
    try:
        with bounded.opened(path) as file:
            read_header(file, str(path))
            os.lseek(file, 0, os.SEEK_SET)
            return parse_tensors(bounded.read_all(file, path, os.fstat(file).st_size), str(path))
    except FileNotFoundError:
        raise Corrupt(f"{path} is missing: restore the folder from a copy") from None
    except bounded.Unreadable as error:
        raise Corrupt(f"{error}: {_RESTORE}") from None


def parse_tensors(data: bytes, origin: str) -> dict[str, Tensor]:
    """The tensors in the bytes of a file whose header has been looked at."""
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise Corrupt(f"{origin} is not a whole safetensors file ({error}): {_RESTORE}") from None
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def check_shapes(stored: Mapping[str, Stored | Tensor], expected: Mapping[str, Tensor], origin: str) -> None:
    """Refuses missing, unknown, wrongly shaped tensors, and whole numbers in place of weights, by name."""
    for name in sorted(stored.keys() ^ expected.keys()):
        fault = "lacks" if name in expected else "has an unknown tensor"
        raise Corrupt(f"{origin} {fault} {name}: it belongs to another config")
    for name, tensor in stored.items():
        got, want = tuple(tensor.shape), tuple(expected[name].shape)
        if got != want:
            raise Corrupt(f"{origin}: {name} must have shape {want}, got {got}: it belongs to another config")
        floats = tensor.is_float if isinstance(tensor, Stored) else tensor.is_floating_point()
        if floats != expected[name].is_floating_point():
            kind = "floats" if expected[name].is_floating_point() else "whole numbers"
            raise Corrupt(f"{origin}: {name} must hold {kind}, got {tensor.dtype}: {_RESTORE}")


def check_tensors(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], origin: str) -> None:
    """Refuses what `check_shapes` does, and numbers that are not finite."""
    check_shapes(tensors, expected, origin)
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise Corrupt(f"{origin}: {name} holds numbers that are not finite: train the stage again")


def built(make: Callable[[], Network], stored: Mapping[str, Stored], origin: str) -> Network:
    """A network of about as many numbers as a file has for it: one of many more is given up before it has memory.

    A few too many are let pass: `check_shapes` says which they are.
    """
    with _at_most(2 * sum(one.numbers for one in stored.values()) + _SLACK, origin):
        return make()


@contextlib.contextmanager
def _at_most(numbers: int, origin: str) -> Iterator[None]:
    """Refuses to give modules that this thread builds more than so many weights.

    A new weight has an address and no memory yet: torch fills it after it is registered, which is where it is counted.
    """
    thread, taken = threading.get_ident(), 0

    def count(module: nn.Module, name: str, weight: Any) -> None:
        nonlocal taken
        if weight is None or threading.get_ident() != thread:
            return
        taken += weight.numel()
        if taken > numbers:
            raise Corrupt(f"{origin} lacks weights that its config asks for: it belongs to another config")

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()


def _checked(listed: dict[str, Any], size: int, origin: str) -> dict[str, Stored]:
    """The entries, whose numbers must fill `size` bytes without a gap or an overlap."""
    if len(listed) > MOST:
        raise Corrupt(f"{origin} must have at most {MOST:,} tensors, has {len(listed):,}: {_RESTORE}")
    found, places = {}, []
    for name, entry in listed.items():
        one = Stored(entry["dtype"], tuple(entry["shape"]))
        if one.dtype not in FLOATS and one.dtype not in _WHOLE:
            allowed = ", ".join(FLOATS)
            raise Corrupt(f"{origin}: {name[:80]} must hold floats ({allowed}), got {str(one.dtype)[:20]}: {_RESTORE}")
        begin, end = entry["data_offsets"]
        whole = all(type(number) is int and 0 <= number <= 1 << 48 for number in (*one.shape, begin, end))
        if not whole or len(one.shape) > 8 or end - begin != one.numbers * (FLOATS | _WHOLE)[one.dtype]:
            raise ValueError(name)
        found[name] = one
        places.append((begin, end))
    reached = 0
    for begin, end in sorted(places):
        if begin != reached:
            raise ValueError(begin)
        reached = end
    if reached != size:
        raise ValueError(reached)
    return found
