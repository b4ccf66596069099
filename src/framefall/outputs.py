"""What a person names to be written, and the one rule for it: nothing goes that Framefall did not make.

What stands there is replaced if it is provably Framefall's and as it was made: a file with its seal (`seal.py`), a
folder that is what its manifest says (`publish.py`) and holds nothing else. Another file is refused unless `overwrite`
is asked for. Never replaced is what the work reads, what is of another kind, and a folder that Framefall did not make.
All of that is found out before the work begins, as a `ValueError` of one sentence, and looked at again when it ends.
"""

import contextlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from framefall import publish, published
from framefall.seal import seal, sealed

LONGEST = 200  # bytes of a name: a partial name is longer, and file systems end at 255
FLAG = "--overwrite (in Python overwrite=True)"


@dataclass(frozen=True)
class FolderKind:
    """A kind of folder that is written as a whole: frames, a model."""

    name: str
    needs: str  # a file that each has
    only: str = ".*"  # the names of all its files, as a pattern


@dataclass(frozen=True, kw_only=True)
class Output:
    """A name that was free, or held what may be replaced, when it was looked at."""

    path: Path  # as it was named
    place: Path  # where links lead
    found: tuple[int, ...]  # what stood there
    kind: FolderKind | None = None  # of a folder; a file has none
    overwrite: bool | None = False

    @contextlib.contextmanager
    def writing(self) -> Iterator[Path]:
        """A partial name, of a file to write or of a new folder to fill, that is published when the block ends well.

        Raises `publish.Taken` where somebody wrote there meanwhile.
        """
        if self.kind:
            with publish.folder(self.place, self._may_go) as partial:
                yield partial
        else:
            with publish.file(self.place, self._may_go) as partial:
                yield partial
                seal(partial)

    def _may_go(self, old: Path) -> bool:
        return _standing(old) == self.found and not _objection(old, old, self.kind, self.overwrite)


def file(path: str | Path, *, overwrite: bool = False, sources: Iterable[str | Path] = ()) -> Output:
    """A file to be written. `sources` are files and folders that are read for it."""
    (found,) = files([path], overwrite=overwrite, sources=sources)
    return found


def opened(output: str | Path | Output) -> Output:
    """A file to be written, which may have been looked at before."""
    return output if isinstance(output, Output) else file(output)


def files(paths: Sequence[str | Path], *, overwrite: bool = False, sources: Iterable[str | Path] = ()) -> list[Output]:
    """Files to be written together: all are looked at before the first of them is."""
    return _outputs([Path(path) for path in paths], None, overwrite, [Path(source) for source in sources])


def folder(
    path: str | Path, kind: FolderKind, *, overwrite: bool | None = False, sources: Iterable[str | Path] = ()
) -> Output:
    """A folder to be written as a whole, in place of one of its kind that is Framefall's.

    Where `overwrite` is None there is no such flag.
    """
    (found,) = _outputs([Path(path)], kind, overwrite, [Path(source) for source in sources])
    return found


def check_together(outputs: Sequence[Output]) -> None:
    """Refuses outputs of one work of which one lies in another, or is it."""
    for number, one in enumerate(outputs):
        for other in outputs[number + 1 :]:
            for inner, outer in ((one, other), (other, one)):
                if outer.place in (inner.place, *inner.place.parents):
                    raise ValueError(
                        f"{inner.path} lies in {outer.path}, and both are to be written; choose another name"
                    )


def check_container(path: str | Path, sources: Iterable[str | Path] = ()) -> None:
    """Refuses a folder in which files are to be put one by one: one that cannot be written, or lies in what is read."""
    place = _led(Path(path))
    _check_apart(Path(path), place, True, [Path(source) for source in sources])
    _check_no_part(Path(path), place)
    if os.path.lexists(place) and not place.is_dir():
        raise ValueError(_unlike(Path(path), place.lstat().st_mode, "a folder"))
    _check_parent(Path(path), place)


def _outputs(
    paths: Sequence[Path], kind: FolderKind | None, overwrite: bool | None, sources: Sequence[Path]
) -> list[Output]:
    places = [_led(path) for path in paths]
    for path, place in zip(paths, places, strict=True):
        _check_apart(path, place, bool(kind), sources)
        _check_no_part(path, place)
        if objection := _objection(path, place, kind, overwrite):
            raise ValueError(objection)
    for parent, path in {place.parent: path for path, place in zip(paths, places, strict=True)}.items():
        _check_parent(path, parent)
        if parent.is_dir():
            publish.sweep(parent)
    if len(set(places)) < len(places):
        twice = next(place for place in places if places.count(place) > 1)
        raise ValueError(f"outputs must be files of their own, and {twice} is two of them; remove the link")
    return [
        Output(path=path, place=place, found=_standing(place), kind=kind, overwrite=overwrite)
        for path, place in zip(paths, places, strict=True)
    ]


def _led(path: Path) -> Path:
    """Where a name leads: links are followed, and the file appears where they point."""
    if len(os.fsencode(path.name)) > LONGEST:
        raise ValueError(f"a name must have at most {LONGEST} bytes, got {path.name[:20]}...; choose a shorter one")
    try:
        place = Path(os.path.realpath(path))
        if path.is_symlink() and not place.parent.is_dir():
            raise ValueError(f"{path} is a link to {place}, whose folder is not there; make it, or choose another name")
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            place.lstat()
    except OSError as error:
        raise ValueError(f"{path} cannot be written ({error.strerror}); choose another name") from None
    return place


def _standing(place: Path) -> tuple[int, ...]:
    """Tells what has a name from whatever else may take it."""
    try:
        status = place.lstat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _check_apart(path: Path, place: Path, whole: bool, sources: Sequence[Path]) -> None:
    """Refuses an output that is read for itself, by whatever name, or that lies in what is read or around it."""
    ours, around = _identity(place), {_identity(parent) for parent in place.parents}
    for source in sources:
        theirs = _identity(source)
        if theirs is None:
            continue
        if theirs == ours:
            raise ValueError(f"{path} is read for what is made, as {source}: it is never replaced; choose another name")
        if source.is_dir() and theirs in around:
            raise ValueError(f"{path} lies in {source}, which is read for it; choose a name outside of it")
        if whole and ours in {_identity(parent) for parent in Path(os.path.realpath(source)).parents}:
            raise ValueError(f"{path} holds {source}, which is read for it: it is never replaced; choose another name")


def _check_no_part(path: Path, place: Path) -> None:
    """Refuses an output inside of a folder that was published as a whole: with a file more it is that no longer."""
    for parent in place.parents:
        if published.is_published(parent):
            raise ValueError(f"{path} lies in {parent}, which Framefall made as a whole; choose a name outside of it")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _objection(path: Path, place: Path, kind: FolderKind | None, overwrite: bool | None) -> str:
    """Why what stands at a place may not be replaced, as a sentence about `path`; empty where it may."""
    try:
        mode = place.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    wanted = stat.S_ISDIR if kind else stat.S_ISREG
    if not wanted(mode):
        return _unlike(path, mode, "a folder" if kind else "a file")
    if kind:
        return _objection_to_folder(path, place, kind, overwrite)
    if overwrite or sealed(place):
        return ""
    return f"{path} is there, and is not as Framefall made it: {FLAG} replaces it, or choose another name"


def _unlike(path: Path, mode: int, what: str) -> str:
    return f"{path} is {publish.kind(mode)}, and {what} is to be written; choose another name"


def _objection_to_folder(path: Path, place: Path, kind: FolderKind, overwrite: bool | None) -> str:
    if not any(place.iterdir()):
        return ""
    if not ((place / publish.MANIFEST).is_file() and (place / kind.needs).is_file()):
        return (
            f"{path} is a folder that holds other things than {kind.name} of Framefall's: it is never replaced"
            f"{'' if overwrite is None else ', nor by --overwrite'}; choose another name"
        )
    try:
        listed = publish.verify(place)
        strangers = [name for name in listed if not re.fullmatch(kind.only, name)] or _strangers(place, listed)
        changed = f"{strangers[0]} is not Framefall's" if strangers else ""
    except publish.Corrupt as error:
        changed = str(error).rsplit(": ", 1)[0]
    if overwrite or not changed:
        return ""
    what = "" if overwrite is None else f"{FLAG} replaces all of it, or "
    return f"{path} is no longer as Framefall made it ({changed}): {what}choose another name"


def _strangers(place: Path, listed: Iterable[str]) -> list[str]:
    """What a folder holds beside the files of its manifest and the folders that these lie in."""
    own = {place / publish.MANIFEST, *(place / name for name in listed)}
    around = {parent for one in own for parent in one.parents}
    return [
        one.relative_to(place).as_posix()
        for one in sorted(place.rglob("*"))
        if one.is_symlink() or not (one in own if one.is_file() else one.is_dir() and one in around)
    ]


def _check_parent(path: Path, parent: Path) -> None:
    """Refuses a folder that cannot be written into, or cannot be made."""
    standing = next(one for one in (parent, *parent.parents) if os.path.lexists(one))
    if not standing.is_dir():
        raise ValueError(f"{path} must lie in a folder, and {standing} is none; choose another name")
    try:
        publish.try_out(standing)
    except OSError as error:
        raise ValueError(
            f"{path} must be written, and {standing} cannot be ({error.strerror}); choose another place"
        ) from None
