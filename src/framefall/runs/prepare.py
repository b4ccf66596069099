"""A source looked at and made ready: pixels and captions of every stage in one folder that can be trained on alone."""

import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from framefall import locks, outputs, publish
from framefall.data.cached import prepared
from framefall.data.cached.ahead import Ahead
from framefall.data.cached.shards import Numbered, Shards
from framefall.data.cached.store import RESERVE, Store
from framefall.data.cached.told import captions
from framefall.data.fields.folder import is_fields
from framefall.data.folder import Folder, FolderConfig
from framefall.data.loader import Source, streams
from framefall.progress import Each, Events, Note, Stepped, operation
from framefall.runs.on_ray import Place, spread
from framefall.runs.sources import open_source
from framefall.runs.training.train import named
from framefall.train import objective
from framefall.train.recipe import Recipe, StageRecipe

_BUSY = "preparing"  # the file that says who is at work in a folder
_MAKING = "preparing clips and captions"


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What has been made ready."""

    shards: str  # the folder
    source: str
    clips: dict[str, int] = field(default_factory=dict)  # prepared for each stage; of a folder they are cut as needed
    captions: dict[str, int] = field(default_factory=dict)  # distinct ones of a folder, encoded for each stage
    nbytes: int = 0  # of the folder
    used: tuple[str, ...] = ()  # files, or worlds
    skipped: dict[str, str] = field(default_factory=dict)  # files that cannot be used, with the reason
    notes: tuple[str, ...] = ()


@operation
def prepare(
    source: str | Path,
    output: str | Path,
    recipe: Recipe | str = "nano",
    *,
    stages: Sequence[str] | None = None,
    on: Place | None = None,
) -> Events[Prepared]:
    """Makes a folder that `train` takes in the place of `source`, for the same clips and captions to the bit.

    Of a folder it holds the decoded frames, of which every stage cuts its clips, and the states of the captions; of a
    world the clips of every stage with theirs. One that was stopped is gone on with. With `recipe.workers` other
    processes share the work; on Ray (`on`) each file that is decoded and each shard of clips is a part of it.
    """
    path, recipe = Path(output), named(recipe) if isinstance(recipe, str) else recipe
    parts = {name: recipe.stages[name] for name in stages or recipe.stages if name in recipe.stages}
    for name in stages or ():
        if name not in recipe.stages:
            raise ValueError(f"a stage must be one of {', '.join(recipe.stages)}; got {name!r}")
    config = replace(recipe.data, cache=str(path), cache_gb=math.inf)
    if prepared.is_prepared(source):
        raise ValueError(f"the source must not be prepared already, {source} is; train on it as it is")
    if is_fields(source):
        raise ValueError(f"fields are read from their own files, {source} has nothing to prepare; train on it as it is")
    outputs.check_container(path, [source])
    there = path.exists()
    publish.sweep(path)  # a kill in the first moment leaves nothing but a partial file
    if there and not prepared.is_prepared(path) and not {one.name for one in path.iterdir()} <= {_BUSY, "lock"}:
        raise ValueError(f"{path} is not empty and was not made by framefall prepare; choose another folder with -o")
    with spread(on) as each:
        path.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            done = yield from _prepared(source, path, recipe, parts, config, there, each)
            Store(path).sweep()  # what killed workers left
    return replace(done, nbytes=sum(file.stat().st_size for file in path.rglob("*") if file.is_file()))


def _prepared(
    source: str | Path,
    path: Path,
    recipe: Recipe,
    parts: dict[str, StageRecipe],
    config: FolderConfig,
    there: bool,
    each: Each | None,
) -> Events[Prepared]:
    """All that is done in the folder by the one who has it."""
    about = _begin(path, {"source": _named(source), "data": prepared.settings(config)})
    try:
        opened = yield from open_source.inside(source, config, each=each)
        training, store = opened.split("train"), Store(path)
        work = {name: list(_shards(training, part, recipe.seed, store)) for name, part in parts.items()}
        yield from _check_room(work, store)
    except ValueError:
        _undo(path, there)
        raise
    done = Prepared(shards=str(path), source=about["source"], **_looked_at(opened))
    for name, of_stage in work.items():
        count = done.captions if isinstance(opened, Folder) else done.clips
        count[name] = sum(shards.stream.examples for shards in of_stage)
    yield from _make([shards for of_stage in work.values() for shards in of_stage], recipe.workers, each)
    kind: dict[str, Any] = {"kind": "world"}
    if isinstance(opened, Folder):
        prepared.save_folder(opened, path)
        kind = {"kind": "folder", "shots": len(opened.shots)}
    else:
        kind["world"] = asdict(opened.world)
    whole = about | kind | {"finished": True, "fingerprint": opened.fingerprint, "recipe": recipe.name}
    prepared.write_about(path, whole)
    return done


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keeps the folder for this process; whoever comes second is told who has it."""
    try:
        with locks.alone(path / _BUSY):
            yield
    except locks.Held as held:
        who = "another process" if held.holder is None else f"process {held.holder}"
        raise ValueError(f"{path} is being prepared by {who}; wait for its end, or choose another folder") from None


def _begin(path: Path, about: dict[str, Any]) -> dict[str, Any]:
    """Says in the folder what is being prepared; refuses one in which something else is."""
    if prepared.is_prepared(path):
        found = prepared.read_about(path)
        for name, value in about.items():
            if found[name] != value:
                raise ValueError(
                    f"{path} must be new, or be the same source prepared for the same data settings, but its {name} is"
                    f" {found[name]}, not {value}; choose another folder with -o"
                )
    prepared.write_about(path, about | {"finished": False})
    return about


def _undo(path: Path, there: bool) -> None:
    """Empties a folder in which nothing has been prepared, and removes it unless it was there before."""
    if {one.name for one in path.iterdir()} <= {prepared.ABOUT, "lock", _BUSY}:
        for one in path.iterdir():
            one.unlink()
        if not there:
            path.rmdir()


def _named(source: str | Path) -> str:
    return str(Path(source).absolute()) if Path(source).exists() else str(source)


def _shards(source: Folder | Source, part: StageRecipe, seed: int, store: Store) -> Iterator[Shards]:
    """What a stage reads, as far as it can be made beforehand."""
    encoder = objective.encoder(part)
    if isinstance(source, Folder):
        streams(source, objective.window(part), seed)  # refuses what no clip can be cut from
        known = captions(source)
        if encoder is not None and known.texts:
            yield Shards(known, store, encoder)
        return
    window = objective.window(part)
    videos, images = streams(source, window, seed)
    read: list[object] = [videos, images] if window.image_share else [videos]
    for stream in read:
        if isinstance(stream, Numbered):
            yield Shards(stream, store, encoder)


def _check_room(work: dict[str, list[Shards]], store: Store) -> Iterator[Note]:
    """Says what the clips will cost; refuses what does not fit on the disk."""
    each = {name: sum(shards.nbytes for shards in of_stage) for name, of_stage in work.items()}
    free = shutil.disk_usage(store.root).free
    if not (total := sum(each.values())):
        return
    listed = ", ".join(f"{name} {count / 1e9:.2f} GB" for name, count in each.items() if count)
    there = sum(file.stat().st_size for file in store.root.rglob("*.records"))
    if total - there + RESERVE > free:
        raise ValueError(
            f"clips of about {total / 1e9:.1f} GB ({listed}) must fit on the disk of {store.root}, which has"
            f" {free / 1e9:.1f} GB free; take a smaller world (all:20k), fewer data.looks, or one --stage"
        )
    yield Note(f"clips with the states of their captions take about {listed}")


def _make(work: Sequence[Shards], workers: int, each: Each | None) -> Iterator[Stepped | Note]:
    """Makes what is not there yet, here or in other processes."""
    said: list[str] = []
    jobs = [(shards, shard) for shards in work for shard in range(shards.count)]
    for shards in work:
        shards.store.sweep()
    if each is not None:
        for done, _ in enumerate(each(_made, jobs)):
            yield Stepped(done + 1, len(jobs), _MAKING)
        return
    with closing(Ahead(max(1, workers), said.append)) as makers:
        for done, (shards, shard) in enumerate(jobs):
            if workers:
                for later in jobs[done : done + 2 * workers]:
                    makers.want(*later)
            if not workers or makers.finished(shards, shard) is None:
                shards.make(shard)
            yield from map(Note, said)
            said.clear()
            yield Stepped(done + 1, len(jobs), _MAKING)


def _made(job: tuple[Shards, int]) -> bool:
    """A shard as a part of work that others do."""
    shards, shard = job
    return shards.make(shard)


def _looked_at(source: Folder | Source) -> dict[str, Any]:
    """What was found in the source."""
    if not isinstance(source, Folder):
        return {"used": tuple(source.names)}
    report = source.report
    skipped = {one.path: one.reason for one in report.skipped}
    return {"used": report.ingested, "skipped": skipped, "notes": report.notes}
