"""Fields in NetCDF and Zarr, by xarray: a channel is a variable over time and space, or an entry of an axis.

A variable may be over members of an ensemble as well; each member is a recording.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np

from framefall.data.fields.field import DATES, Axis, Channel, Clock, Field, Values, kept_dtype, numbered, stored
from framefall.data.fields.recording import FieldError, Frames, Recording, Times, usual_step

TIMES = ("time", "t", "frame", "frames")  # what the axis of time is called where nothing else tells it
MEMBERS = ("member", "realization", "number", "ensemble", "ens")
CHANNELS = ("channel", "channels", "band", "component", "variable", "c")
MEMBER = MEMBERS[0]  # as it is written
ORDER = "channels"  # the attribute that names them in their order
_EPOCH = np.datetime64("1970-01-01T00:00:00", "us")
_CLASSIC = b"CDF"  # how NetCDF 3 begins


@dataclass(frozen=True)
class _Layout:
    """Which of a variable's axes is what; members and channels may have none."""

    time: str
    rows: str
    columns: str
    members: str | None
    channels: str | None


def recordings(path: Path) -> list[Recording]:
    """The recordings of a file or a Zarr folder: one, or as many as it has members; frames are read as needed."""
    dataset = _opened(path)
    layouts, notes = dict[str, _Layout](), list[str]()
    for name in _in_order(dataset, path.is_dir()):
        variable = dataset[name]
        found = _layout(dataset, variable)
        if isinstance(found, str):
            notes.append(f"its variable {name} is left out: {found}")
        elif layouts and found != (first := next(iter(layouts.values()))):
            notes.append(f"its variable {name} is left out: it is not over {first.time}, {first.rows}, {first.columns}")
        else:
            layouts[name] = found
    if not layouts:
        why = "; ".join(notes) or "it has no variable"
        raise FieldError(path, f"a variable must be over time and two axes of space ({why})")
    return list(_recordings(path, dataset, list(layouts), next(iter(layouts.values())), tuple(notes)))


def _in_order(dataset: Any, folder: bool) -> list[str]:
    """The variables: a folder has them in no order, so that they are sorted, unless it says which it was written in."""
    names = [str(name) for name in dataset.data_vars]
    said = str(dataset.attrs.get(ORDER, "")).split()
    return sorted(names, key=lambda name: (said.index(name) if name in said else len(said), name)) if folder else names


def _recordings(
    path: Path, dataset: Any, names: list[str], layout: _Layout, notes: tuple[str, ...]
) -> Iterator[Recording]:
    for name in names:
        dtype = np.dtype(dataset[name].encoding.get("dtype", dataset[name].dtype))
        if dtype.itemsize > 4:
            notes += (f"its variable {name} is kept as float32, not as {dtype}",)
    parts = [part for name in names for part in _channels(dataset, name, layout)]
    times, clock = _clock(dataset, layout.time)
    try:
        dtype, missing = _types([dataset[name] for name in names])
        field = Field(
            channels=[Channel(name=label, units=units) for label, units, _ in parts],
            rows=_axis(dataset, layout.rows),
            columns=_axis(dataset, layout.columns),
            clock=replace(clock, step=usual_step(times) or 1.0),
            dtype=dtype,
            missing=missing,
        )
    except ValueError as error:
        raise FieldError(path, str(error)) from None
    count = dataset.sizes[layout.members] if layout.members else 1
    for member in range(count):

        def read(numbers: slice, member: int = member) -> Frames:
            chosen: dict[str, Any] = {layout.time: numbers}
            if layout.members:
                chosen[layout.members] = member
            found = []
            for _, _, part in parts:
                there = {name: index for name, index in chosen.items() if name in part.dims}
                array = part.isel(there).transpose(layout.time, layout.rows, layout.columns)
                found.append(np.asarray(array.values, np.float32))
            values = np.stack(found)
            return np.where(np.isfinite(values), values, np.float32(np.nan))

        name = "" if not layout.members else f"{layout.members}={member}"
        yield Recording(field=field, times=times, frames=read, member=name, notes=notes if not member else ())


def _opened(path: Path) -> Any:
    xarray = libraries()
    if path.is_dir():
        how: dict[str, Any] = {"engine": "zarr", "consolidated": (path / ".zmetadata").is_file()}
    else:
        with open(path, "rb") as file:
            classic = file.read(3) == _CLASSIC
        if not classic:
            check_links(path)
        how = {"engine": "scipy" if classic else "h5netcdf"}
    try:
        try:
            dataset = xarray.open_dataset(path, decode_timedelta=False, cache=False, **how)
        except ValueError:  # a calendar that this machine cannot tell dates of
            dataset = xarray.open_dataset(path, decode_timedelta=False, decode_times=False, cache=False, **how)
    except Exception as error:  # each library has its own
        raise FieldError(path, f"its data is damaged ({' '.join(str(error).split())[:120]})") from None
    return dataset.squeeze(
        [name for name, size in dataset.sizes.items() if size == 1 and not _is_known(dataset, name)], drop=True
    )


def _is_known(dataset: Any, name: Hashable) -> bool:
    """Whether an axis is one of time, of members, or of space, which stays though it has one place."""
    if _is_time(dataset, str(name)) or str(name).lower() in (*MEMBERS, *CHANNELS):
        return True
    return all(name in variable.dims[-2:] for variable in dataset.data_vars.values() if name in variable.dims)


def _is_time(dataset: Any, name: str) -> bool:
    if name in dataset.coords:
        coordinate = dataset.coords[name]
        if coordinate.dtype.kind == "M" or coordinate.attrs.get("axis") == "T":
            return True
        if coordinate.attrs.get("standard_name") == "time":
            return True
    return name.lower() in TIMES


def _layout(dataset: Any, variable: Any) -> _Layout | str:
    """Which axis of a variable is what, or why it is no field."""
    if variable.dtype.kind not in "uif":
        return f"it holds {variable.dtype} and not real numbers"
    names = [str(name) for name in variable.dims]
    times = [name for name in names if _is_time(dataset, name)]
    members = [name for name in names if name.lower() in MEMBERS]
    channels = [name for name in names if name.lower() in CHANNELS and name not in times]
    space = [name for name in names if name not in (*times, *members, *channels)]
    if len(times) != 1 or len(space) != 2 or len(members) > 1 or len(channels) > 1:
        return f"it is over {', '.join(names) or 'nothing'}; select from it what is over time and two axes"
    return _Layout(times[0], space[0], space[1], *(found[0] if found else None for found in (members, channels)))


def _channels(dataset: Any, name: str, layout: _Layout) -> Iterator[tuple[str, str, Any]]:
    """The name, the units and the numbers of each channel of a variable."""
    variable = dataset[name]
    units = str(variable.attrs.get("units", ""))
    if layout.channels is None:
        yield name, units, variable
        return
    for index in range(dataset.sizes[layout.channels]):
        known = layout.channels in dataset.coords
        label = str(dataset.coords[layout.channels].values[index]) if known else f"{name}{index}"
        yield label, units, variable.isel({layout.channels: index})


def _types(variables: list[Any]) -> tuple[Literal["uint8", "uint16", "float32"], float | None]:
    """The type in which all are kept, and what stands for a missing number in it."""
    types, missing = set(), set[float]()
    for variable in variables:
        encoding = variable.encoding
        packed = "scale_factor" in encoding or "add_offset" in encoding
        types.add("float32" if packed else kept_dtype(np.dtype(encoding.get("dtype", variable.dtype))))
        fill = encoding.get("_FillValue", encoding.get("missing_value"))
        if fill is not None and np.isfinite(fill):
            missing.add(float(fill))
    if len(types) != 1 or len(missing) > 1 or types == {"float32"}:
        return "float32", None
    return types.pop(), missing.pop() if missing else None


def _clock(dataset: Any, name: str) -> tuple[Times, Clock]:
    """When the frames are, and how that is told."""
    if name not in dataset.coords:
        return np.arange(dataset.sizes[name], dtype=np.float64), Clock(name=name)
    coordinate = dataset.coords[name]
    if coordinate.dtype.kind == "M":
        since = coordinate.values.astype("datetime64[us]") - _EPOCH
        return since.astype(np.int64) / 1e6, Clock(name=name, units=DATES)
    return np.asarray(coordinate.values, np.float64), Clock(name=name, units=str(coordinate.attrs.get("units", "")))


def _axis(dataset: Any, name: str) -> Axis:
    if name not in dataset.coords or dataset.coords[name].dtype.kind not in "uif":
        return numbered(dataset.sizes[name], name)
    coordinate = dataset.coords[name]
    values = [float(value) for value in coordinate.values]
    return Axis(name=name, units=str(coordinate.attrs.get("units", "")), values=values)


def write(path: Path, members: list[Values], field: Field, times: Times, tags: Mapping[str, str], kind: str) -> None:
    """Writes members, physical `[channels, frames, height, width]` each, as NetCDF or Zarr (`kind`)."""
    xarray = libraries()
    several = len(members) > 1
    axes = (*((MEMBER,) if several else ()), field.clock.name, field.rows.name, field.columns.name)
    whole = np.stack(members) if several else members[0][None]
    variables, encoding = {}, {}
    for index, channel in enumerate(field.channels):
        values = stored(whole[:, index], field)
        variables[channel.name] = (axes, values if several else values[0], {"units": channel.units})
        fill: dict[str, Any] = {"dtype": field.dtype, "_FillValue": np.float32(np.nan)}
        if field.dtype != "float32":
            fill["_FillValue"] = None if field.missing is None else np.dtype(field.dtype).type(field.missing)
        encoding[channel.name] = {**fill, **({"zlib": True, "complevel": 1} if kind == ".nc" else {})}
    coordinates: dict[str, Any] = {
        axis.name: (axis.name, np.asarray(axis.values), {"units": axis.units} if axis.units else {})
        for axis in (field.rows, field.columns)
    }
    if field.clock.units == DATES:
        stamps = _EPOCH + np.rint(times * 1e6).astype("timedelta64[us]")
        coordinates[field.clock.name] = (field.clock.name, stamps, {})
        encoding[field.clock.name] = {"units": "microseconds since 1970-01-01", "dtype": "int64"}
    else:
        units = {"units": field.clock.units} if field.clock.units else {}
        coordinates[field.clock.name] = (field.clock.name, times, units)
    if several:
        coordinates[MEMBER] = (MEMBER, np.arange(len(members)), {})
    for name in coordinates:
        encoding.setdefault(name, {})["_FillValue"] = None
    order = {ORDER: " ".join(field.names)} if kind == ".zarr" and all(" " not in name for name in field.names) else {}
    dataset = xarray.Dataset(variables, coordinates, {**tags, **order})
    for name, variable in dataset.data_vars.items():
        if field.dtype != "float32":
            variable.attrs = {key: value for key, value in variable.attrs.items() if value}
            encoding[name].pop("dtype")
            if (missing := encoding[name].pop("_FillValue")) is not None:  # the numbers are as they are in the file
                variable.attrs["_FillValue"] = missing
    if kind == ".nc":
        dataset.to_netcdf(path, engine="h5netcdf", format="NETCDF4", encoding=encoding)
    else:
        dataset.to_zarr(path, mode="w", consolidated=True, zarr_format=2, encoding=encoding)


write_netcdf, write_zarr = partial(write, kind=".nc"), partial(write, kind=".zarr")


def libraries() -> Any:
    """xarray, with what it reads by; a `ValueError` says how to get them."""
    try:
        for name in ("h5netcdf", "zarr"):
            import_module(name)
        return import_module("xarray")
    except ModuleNotFoundError as error:
        raise ValueError(f"fields need {error.name}: pip install 'framefall[science]'") from None


def check_links(path: Path) -> None:
    """Refuses a NetCDF file that has its numbers in other files: it could read whatever this user may."""
    h5py = import_module("h5py")
    try:
        with h5py.File(path, "r") as file:
            groups = [file]
            while groups:
                group = groups.pop()
                for name in group:
                    link = group.get(name, getlink=True)
                    if isinstance(link, h5py.ExternalLink):
                        raise FieldError(path, f"its {name} lies in another file, {link.filename}, which is not opened")
                    if isinstance(link, h5py.SoftLink):
                        continue
                    inner = group[name]
                    if isinstance(inner, h5py.Group):
                        groups.append(inner)
                    elif isinstance(inner, h5py.Dataset) and (inner.external or inner.is_virtual):
                        raise FieldError(path, f"the numbers of its {name} lie in other files, which are not opened")
    except OSError as error:
        raise FieldError(path, f"it is no NetCDF file ({' '.join(str(error).split())[:80]})") from None
