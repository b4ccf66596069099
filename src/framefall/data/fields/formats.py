"""The kinds of files that fields are in: one table for reading and writing."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from framefall import outputs
from framefall.data.fields import arrays, gridded, ome
from framefall.data.fields.field import Field, Values
from framefall.data.fields.recording import FieldError, Recording, Times
from framefall.outputs import FolderKind, Output

ZARR = FolderKind("arrays", needs=".zmetadata")
Write = Callable[[Path, list[Values], Field, Times, Mapping[str, str]], None]


@dataclass(frozen=True)
class Format:
    """How a kind of file is read and written."""

    read: Callable[[Path], list[Recording]]
    write: Write
    members: bool = False  # whether one file holds a whole ensemble
    folder: FolderKind | None = None
    describe: Callable[[Field, Times, Mapping[str, str]], str] | None = None  # into a file beside it


NETCDF = Format(gridded.recordings, gridded.write_netcdf, members=True)
OME = Format(ome.recordings, ome.write)
FORMATS = {
    ".nc": NETCDF,
    ".nc4": NETCDF,
    ".zarr": Format(gridded.recordings, gridded.write_zarr, members=True, folder=ZARR),
    ".npy": Format(arrays.recordings, arrays.write, describe=arrays.described),
    ".ome.tif": OME,
    ".ome.tiff": OME,
}
NAMES = ", ".join(FORMATS)


def format_of(path: str | Path) -> Format | None:
    """The kind of a file, by its name; none where that is no field's."""
    name = Path(path).name.lower()
    return next((form for suffix, form in FORMATS.items() if name.endswith(suffix)), None)


def stem_of(path: Path) -> tuple[str, str]:
    """A name without its suffix, and the suffix, of which `.ome.tif` is one."""
    suffix = next((one for one in FORMATS if path.name.lower().endswith(one)), path.suffix)
    return path.name[: len(path.name) - len(suffix)], path.name[len(path.name) - len(suffix) :]


def recordings(path: str | Path) -> list[Recording]:
    """What a file holds; a `FieldError` says what is wrong with it."""
    path, form = Path(path), format_of(path)
    if form is None:
        raise FieldError(path, f"the name of a field must end in one of {NAMES}")
    if not path.exists():
        raise FieldError(path, "it is not there")
    if path.is_dir() != (form.folder is not None):
        raise FieldError(path, "it is a folder" if path.is_dir() else "it must be a folder")
    return form.read(path)


def output(path: str | Path, *, overwrite: bool = False, sources: Iterable[str | Path] = ()) -> Output:
    """Where a field is to be written; refuses what must not be replaced."""
    path, form = Path(path), format_of(path)
    if form is None:
        raise ValueError(f"the name of a field must end in one of {NAMES}; got {path.name!r}")
    if form.folder:
        return outputs.folder(path, form.folder, overwrite=overwrite, sources=sources)
    names = [path, path.with_name(path.name + arrays.BESIDE)] if form.describe else [path]
    return outputs.files(names, overwrite=overwrite, sources=sources)[0]


def write(
    path: str | Path | Output, members: list[Values], field: Field, times: Times, tags: Mapping[str, str] | None = None
) -> None:
    """Writes members, physical `[channels, frames, height, width]` each with NaN where they are missing.

    Raises `ValueError` for several members in a format that holds one, and for what `outputs` refuses.
    """
    made = path if isinstance(path, Output) else output(path)
    form = format_of(made.path)
    assert form is not None
    if len(members) > 1 and not form.members:
        raise ValueError(f"{made.path.name} holds one member, got {len(members)}; write .nc or .zarr")
    with made.writing() as partial:
        form.write(partial, members, field, times, tags or {})
    if form.describe:
        beside = outputs.file(made.path.with_name(made.path.name + arrays.BESIDE), overwrite=bool(made.overwrite))
        with beside.writing() as partial:
            partial.write_text(form.describe(field, times, tags or {}))
