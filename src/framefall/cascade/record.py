"""A request as plain values that JSON can hold, and back: what a file says of how it was asked for.

Whatever a request holds (text, numbers, tuples, tensors, frozen dataclasses of `OBJECTS`) is written by one rule, so
that a new field needs nothing here. A tensor too large for a file's tags is named by its hash: whoever makes the clip
again must give it again.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

from framefall.cascade.known import Known
from framefall.cascade.request import Request
from framefall.diffusion.guidance_config import Guidance

OBJECTS: dict[str, type] = {"Guidance": Guidance, "Known": Known}  # dataclasses that stand in a request, by name
NUMBERS = 4096  # of a tensor that is written out; a larger one is named by its hash


def to_record(request: Request) -> dict[str, Any]:
    """The fields that are not as they are by default, as plain values."""
    return _fields(request)


def from_record(record: Mapping[str, Any], changes: Mapping[str, Any] | None = None) -> Request:
    """The request that was written, with `changes` in the place of what it says.

    Raises `ValueError` for fields that no request has, and for tensors of which it knows no more than the hash.
    """
    changes = dict(changes or {})
    known = {one.name for one in fields(Request)}
    if unknown := sorted(record.keys() - known):
        raise ValueError(f"a request has no {unknown[0]}; a newer Framefall wrote it: update Framefall to read it")
    for one, other in (("frames", "seconds"), ("seconds", "frames")):
        if changes.get(one) is not None:  # two ways to say the same
            changes.setdefault(other, None)
    values = {name: value for name, value in record.items() if name not in changes}
    if "prompt" in changes or "count" in changes:  # one prompt for as many clips as are asked for now
        prompt = changes.get("prompt", record.get("prompt"))
        count = changes.get("count", 1)
        changes |= {"prompt": prompt[0] if isinstance(prompt, list) and prompt else prompt}
        if count != 1 or not isinstance(record.get("names"), list) or len(record["names"]) != 1:
            values.pop("names", None)
        values.pop("prompt", None)
    return Request(**{name: _read(name, value) for name, value in values.items()}, **changes)


def _fields(value: Any) -> dict[str, Any]:
    """A dataclass's fields that differ from their defaults."""
    found = {}
    for one in fields(value):
        mine = getattr(value, one.name)
        default = one.default if one.default_factory is MISSING else one.default_factory()
        if isinstance(mine, Tensor) or type(mine) is not type(default) or mine != default:
            found[one.name] = _written(mine)
    return found


def _written(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, tuple | list):
        return [_written(one) for one in value]
    if isinstance(value, Mapping):
        return {"settings": {name: _written(one) for name, one in value.items()}}
    if isinstance(value, Tensor):
        return _tensor(value)
    if is_dataclass(value) and OBJECTS.get(type(value).__name__) is type(value):
        return {"object": type(value).__name__, **_fields(value)}
    raise AssertionError(f"a request can be written with what stands in OBJECTS, got {type(value).__name__}: add it")


def _tensor(value: Tensor) -> dict[str, Any]:
    about = {"dtype": str(value.dtype).removeprefix("torch."), "shape": list(value.shape)}
    plain = value.detach().cpu().contiguous()
    if value.numel() <= NUMBERS:
        return {
            "tensor": plain.double().flatten().tolist() if value.is_floating_point() else plain.flatten().tolist()
        } | about
    return {"sha256": hashlib.sha256(plain.view(torch.uint8).numpy().data).hexdigest()} | about


def _read(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_read(name, one) for one in value)
    if not isinstance(value, dict):
        return value
    if "settings" in value:
        return {key: _read(f"{name}.{key}", one) for key, one in value["settings"].items()}
    if "sha256" in value:
        sizes = "x".join(map(str, value.get("shape", ())))
        raise ValueError(f"{name} ({sizes} numbers) is too large to stand in a file's tags: give it again")
    if "tensor" in value:
        dtype = getattr(torch, str(value.get("dtype")), None)
        if not isinstance(dtype, torch.dtype):
            raise ValueError(f"{name} must be of a type of torch's, got {value.get('dtype')!r}")
        return torch.tensor(value["tensor"], dtype=dtype).reshape(value["shape"])
    kind = OBJECTS.get(str(value.get("object")))
    if kind is None:
        raise ValueError(f"{name} must be written by this version of Framefall, got {str(value)[:60]}")
    return kind(**{key: _read(f"{name}.{key}", one) for key, one in value.items() if key != "object"})
