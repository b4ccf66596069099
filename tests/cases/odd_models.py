"""Models that something is wrong with, each made out of a copy of a sound one. `MODELS` has them all."""

import json
import os
import struct

import numpy as np

from cases.drawing import like_a_model, sparse

MODELS = {}
UNSIGNED = {"manifest-is-a-fifo", "manifest-of-2-gb", "half-a-model"}  # their manifest is the fault, or tells of it


def model(build):
    """A builder that changes a copy of a sound model; it is called as the function is, with dashes."""
    MODELS[build.__name__.replace("_", "-")] = build
    return build


def config(folder, change):
    """Changes a model's config; a change may also be (old text, new text)."""
    path = folder / "config.json"
    if callable(change):
        values = json.loads(path.read_text())
        change(values["stages"])
        path.write_text(json.dumps(values, indent=2))
    else:
        text = path.read_text()
        assert change[0] in text, change
        path.write_text(text.replace(*change))


def tensors(folder, kind, stage="base"):
    """The stage's tensors as another kind of number, zeros, with the same names and shapes."""
    path = folder / f"{stage}.safetensors"
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header, place = json.loads(data[8 : 8 + length]), 0
    size = {"BOOL": 1, "I8": 1, "I64": 8, "C64": 8, "F8_E4M3": 1}[kind]
    header.pop("__metadata__", None)
    for entry in header.values():
        count = int(np.prod(entry["shape"])) * size
        entry.update(dtype=kind, data_offsets=[place, place + count])
        place += count
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(place))


@model
def config_depth_1e5(folder):
    config(folder, lambda stages: stages["base"]["backbone"].update(depth=100_000))


@model
def config_heads_0(folder):
    config(folder, lambda stages: stages["base"]["backbone"].update(heads=0))


@model
def config_frames_1e9(folder):
    config(folder, lambda stages: stages["base"]["shape"].update(frames=10**9))


@model
def config_height_8000(folder):
    config(folder, lambda stages: stages["base"]["shape"].update(height=8000, width=8000))


@model
def config_intervals_1e9(folder):
    config(folder, lambda stages: stages["temporal_sr"].update(intervals=10**9))


@model
def config_fps_infinite(folder):
    config(folder, ('"fps": 6.0', '"fps": Infinity'))


@model
def config_guidance_nan(folder):
    config(folder, ('"scale": 2.5', '"scale": NaN'))


@model
def tensors_of_booleans(folder):
    tensors(folder, "BOOL")


@model
def tensor_header_of_36_mb(folder):
    """The model's own tensors, and 720,000 more without a number in them."""
    path = folder / "base.safetensors"
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    text = data[8 : 8 + length]
    many = b"".join(b'"z%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},' % n for n in range(720_000))
    text = b"{" + many + text.lstrip()[1:]
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


@model
def manifest_is_a_fifo(folder):
    os.remove(folder / "manifest.json")
    os.mkfifo(folder / "manifest.json")


@model
def manifest_of_2_gb(folder):
    os.remove(folder / "manifest.json")
    sparse(folder / "manifest.json", 2 << 30)


@model
def half_a_model(folder):
    """A model of one stage, cut short after it was published."""
    _only(folder, "temporal_sr")
    path = folder / "temporal_sr.safetensors"
    os.truncate(path, path.stat().st_size // 2)


def _only(folder, stage):
    config(folder, lambda stages: [stages.pop(name) for name in list(stages) if name != stage])
    for path in folder.glob("*.safetensors"):
        if path.stem != stage:
            path.unlink()
    like_a_model(folder)
