"""Fields in OME-TIFF: microscopy over time, with the names of channels and the size of a pixel."""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from framefall.data.fields.beside import KEY, Beside, parsed, without_missing, written
from framefall.data.fields.field import Axis, Channel, Clock, Field, Values, stored
from framefall.data.fields.recording import FieldError, Frames, Recording, Times

_UNITS = {"µm": "micrometre", "um": "micrometre"}


def recordings(path: Path) -> list[Recording]:
    """The one recording of a file: over time, channels, height and width.

    Pixels that lie in one piece are mapped and read as needed; packed ones are unpacked into memory.
    """
    tifffile = library()
    try:
        with tifffile.TiffFile(path, _multifile=False) as file:  # none but itself
            series, words = file.series[0], file.ome_metadata
            if series.dataoffset is None:
                array = series.asarray()
            else:
                kind = np.dtype(series.dtype).newbyteorder(file.byteorder)
                array = np.memmap(path, kind, "r", series.dataoffset, tuple(series.shape))
    except Exception as error:
        raise FieldError(path, f"its data is damaged ({' '.join(str(error).split())[:120]})") from None
    axes, shape = list(series.axes), dict(zip(series.axes, series.shape, strict=True))
    names = {
        "T": next((name for name in "TQI" if name in axes), ""),
        "C": next((name for name in "CS" if name in axes), ""),
    }
    if over := [name for name in axes if name not in (*names.values(), "Y", "X") and shape[name] > 1]:
        what = f"it is over {''.join(axes)}, with {shape[over[0]]} of {over[0]}"
        raise FieldError(path, f"{what}; take one plane, or the brightest of all, and name the axes TCYX")
    if array.dtype.kind not in "uif":
        raise FieldError(path, f"it must hold real numbers, got {array.dtype}")
    said = _said(tifffile, path, words, shape.get(names["T"], 1), shape.get(names["C"], 1), (shape["Y"], shape["X"]))
    size = shape.get(names["T"], 1), shape.get(names["C"], 1), shape["Y"], shape["X"]
    field, times = said.field(path, np.dtype(array.dtype), size)
    order = [axis for axis in (names["C"], names["T"], "Y", "X") if axis in axes]

    def read(numbers: slice) -> Frames:
        index = tuple(numbers if axis == names["T"] else slice(None) if axis in order else 0 for axis in axes)
        left = [axis for axis in axes if axis in order]
        values = np.asarray(array[index]).transpose([left.index(axis) for axis in order])
        for place, axis in enumerate((names["C"], names["T"])):
            if axis not in axes:
                values = np.expand_dims(values, place)
        return without_missing(values, said.missing)

    return [Recording(field=field, times=times, frames=read)]


def _said(tifffile: Any, path: Path, words: str | None, frames: int, channels: int, size: tuple[int, int]) -> Beside:
    """What the file says of itself: our own description, or what OME has words for."""
    if not words:
        return Beside()
    try:
        image = tifffile.xml2dict(words)["OME"]["Image"]
    except Exception as error:
        raise FieldError(path, f"its OME-XML is damaged ({' '.join(str(error).split())[:80]})") from None
    image = image[0] if isinstance(image, list) else image
    description = image.get("Description", "")
    if isinstance(description, str) and f'"{KEY}"' in description:
        return parsed(description, path)
    pixels = image.get("Pixels", {})
    named = pixels.get("Channel", [])
    named = named if isinstance(named, list) else [named]
    labels = [str(one.get("Name", f"channel{number}")) for number, one in enumerate(named)]
    found = Beside(
        clock=Clock(units=str(pixels.get("TimeIncrementUnit", "s")), step=float(pixels.get("TimeIncrement", 1.0)))
    )
    if len(labels) == channels and len(set(labels)) == channels:
        found = replace(found, channels=[Channel(name=label) for label in labels])
    found = replace(found, rows=_size(pixels, "Y", size[0]), columns=_size(pixels, "X", size[1]))
    planes = pixels.get("Plane", [])
    planes = planes if isinstance(planes, list) else [planes]
    stamps = {
        int(one["TheT"]): float(one["DeltaT"]) for one in planes if "DeltaT" in one and not int(one.get("TheC", 0))
    }
    if set(stamps) == set(range(frames)) and frames > 1:
        found = replace(found, times=[stamps[number] for number in range(frames)])
    return found


def _size(pixels: Mapping[str, Any], key: str, count: int) -> Axis | None:
    """Where pixels lie, by the size that one has."""
    each = float(pixels.get(f"PhysicalSize{key}", 0.0))
    unit = str(pixels.get(f"PhysicalSize{key}Unit", "µm"))
    values = [number * each for number in range(count)]
    return Axis(name=key.lower(), units=_UNITS.get(unit, unit), values=values) if each else None


def write(path: Path, members: list[Values], field: Field, times: Times, tags: Mapping[str, str]) -> None:
    """The one member as an OME-TIFF over time, channels, height and width."""
    tifffile = library()
    (values,) = members
    about: dict[str, Any] = {
        "axes": "TCYX",
        "Channel": {"Name": field.names},
        "Description": written(field, times, dict(tags)),
        "TimeIncrement": field.clock.step,
        **({"TimeIncrementUnit": field.clock.units} if field.clock.units in _SECONDS else {}),
    }
    for axis, key in ((field.rows, "Y"), (field.columns, "X")):
        if axis.units in _LENGTHS and len(axis.values) > 1:
            about |= {f"PhysicalSize{key}": abs(axis.values[1] - axis.values[0])}
            about |= {f"PhysicalSize{key}Unit": _LENGTHS[axis.units]}
    data = np.ascontiguousarray(stored(values, field).transpose(1, 0, 2, 3))
    about["UUID"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, hashlib.sha256(data.tobytes()).hexdigest())}"
    tifffile.imwrite(path, data, ome=True, photometric="minisblack", metadata=about, compression=None)


_SECONDS = frozenset({"s", "ms", "min", "h", "d"})  # units of time that OME has
_LENGTHS = {"micrometre": "µm", "µm": "µm", "um": "µm", "nm": "nm", "mm": "mm", "cm": "cm", "m": "m", "km": "km"}


def library() -> Any:
    """tifffile; a `ValueError` says how to get it."""
    try:
        return import_module("tifffile")
    except ModuleNotFoundError as error:
        raise ValueError(f"OME-TIFF needs {error.name}: pip install 'framefall[science]'") from None
