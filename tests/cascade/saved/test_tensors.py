"""A safetensors file is read only when all that its header claims is in it, and fits to the network that wants it."""

import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import nn

from framefall.cascade.saved import tensors
from framefall.publish import Corrupt

SOUND = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}


def laid_out(header: object, numbers: int = 32, length: int | None = None) -> bytes:
    """A file with this header, whatever it says."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + bytes(numbers)


def one(dtype: str = "F32", shape: object = (2, 4), place: object = (0, 32)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": place}


HOSTILE = {
    "empty": b"",
    "length 2^63": struct.pack("<Q", 1 << 63) + b"{}",
    "length beyond the file": laid_out({}, 0, length=1000),
    "large header": laid_out(b" " * (tensors.HEADER + 1) + b"{}", 0),
    "no object": laid_out([1, 2], 0),
    "nested": laid_out(b"[" * 100_000, 0),
    "twice": laid_out(b'{"a": {"dtype": "F32", "shape": [8], "data_offsets": [0, 32]}, "a": 3}'),
    "overlap": laid_out({"a": one(), "b": one()}),
    "gap": laid_out({"a": one(shape=(1, 4), place=(16, 32))}),
    "beyond the end": laid_out({"a": one(shape=(8, 4), place=(0, 128))}),
    "short of the end": laid_out({"a": one(shape=(1, 4), place=(0, 16))}),
    "wrong size": laid_out({"a": one(shape=(3, 4))}),
    "negative": laid_out({"a": one(shape=(-2, -4))}),
    "truth values in the shape": laid_out({"a": one(shape=(True, 8))}),
    "overflow": laid_out({"a": one(shape=(1 << 40, 1 << 40))}),
    "a number of tensors": laid_out({str(n): one("F32", (0,), (0, 0)) for n in range(tensors.MOST + 1)}, 0),
    "entry is text": laid_out({"a": "F32"}),
} | {dtype: laid_out({"a": one(dtype, (32,))}) for dtype in ("BOOL", "I8", "U8", "F8_E4M3", "C64", "F64", "object")}


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", HOSTILE)
def test_a_header_that_lies_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Corrupt, match=r"a\.safetensors"):
        tensors.read_tensors(written(tmp_path / "a.safetensors", HOSTILE[name]))


def test_a_sound_file_comes_back(tmp_path: Path) -> None:
    found = tensors.read_tensors(written(tmp_path / "a.safetensors", save(SOUND)))
    assert found.keys() == SOUND.keys() and all(torch.equal(found[name], SOUND[name]) for name in SOUND)


def test_a_network_larger_than_its_file_is_given_up_before_it_has_memory() -> None:
    filled = []

    class Layer(nn.Linear):
        def reset_parameters(self) -> None:
            filled.append(self.weight.numel())
            super().reset_parameters()

    header = {"weight": tensors.Stored("F32", (2, 3))}
    with pytest.raises(Corrupt, match="belongs to another config"):
        tensors.built(lambda: Layer(4096, 4096), header, "a")
    assert not filled
    assert tensors.built(lambda: Layer(3, 2), header, "a").weight.shape == (2, 3)
    Layer(4096, 4096)  # outside nothing is counted: as it is without the limit
    assert filled == [6, 4096 * 4096]


def test_numbers_of_another_kind_are_no_weights() -> None:
    expected = {"weight": torch.ones(2)}
    with pytest.raises(Corrupt, match="must hold floats"):
        tensors.check_shapes({"weight": tensors.Stored("I64", (2,))}, expected, "a")
    with pytest.raises(Corrupt, match="must hold floats"):
        tensors.check_tensors({"weight": torch.ones(2, dtype=torch.bool)}, expected, "a")
