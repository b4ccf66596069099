"""Fields in `.npy`: `[frames, height, width]` or `[frames, height, width, channels]`, described by a JSON file beside.

`flow.npy.json` may hold `{"field": {"channels": [{"name": "u", "units": "m/s"}, ...], "times": [...], ...}}`.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from framefall import bounded
from framefall.data.fields.beside import Beside, parsed, without_missing, written
from framefall.data.fields.field import Field, Values, stored
from framefall.data.fields.recording import FieldError, Frames, Recording, Times

BESIDE = ".json"  # after the file's name


def recordings(path: Path) -> list[Recording]:
    """The one recording of a file, which is mapped and read as needed."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise FieldError(path, f"it is no array of numbers ({' '.join(str(error).split())[:80]})") from None
    if array.dtype.kind not in "uif" or array.ndim not in (3, 4) or not array.size:
        given = f"got {array.dtype} {list(array.shape)}"
        raise FieldError(path, f"it must be real numbers [frames, height, width] or [..., channels], {given}")
    array = array[..., None] if array.ndim == 3 else array
    beside = path.with_name(path.name + BESIDE)
    said = parsed(bounded.read(beside), path) if beside.is_file() else Beside()
    frames, height, width, channels = array.shape
    field, times = said.field(path, array.dtype, (frames, channels, height, width))

    def read(numbers: slice) -> Frames:
        return without_missing(np.asarray(array[numbers]), said.missing).transpose(3, 0, 1, 2)

    return [Recording(field=field, times=times, frames=read)]


def write(path: Path, members: list[Values], field: Field, times: Times, tags: Mapping[str, str]) -> None:
    """The one member as numbers; the words go beside it (`described`)."""
    (values,) = members
    np.save(path, stored(values, field).transpose(1, 2, 3, 0), allow_pickle=False)


def described(field: Field, times: Times, tags: Mapping[str, str]) -> str:
    """What goes into the file beside it."""
    return written(field, times, dict(tags))
