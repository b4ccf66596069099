"""Everything that can be known before a training's first step, for all stages before the first of them trains.

Each refusal is a `ValueError` of one sentence; what is odd but no reason to stop is a note. Nothing is written.
"""

import contextlib
import json
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from framefall import locks, outputs, publish, ranks
from framefall.cascade.saved.checkpoint import MODEL, load_cascade, size
from framefall.cascade.stage_config import StageConfig
from framefall.cascade.tasks import Base, SpatialSR, TemporalSR
from framefall.data import loader
from framefall.data.folder import Folder
from framefall.data.loader import Source
from framefall.data.sides import side
from framefall.outputs import FolderKind
from framefall.runs.sources import WorldSource
from framefall.train import objective, resume
from framefall.train.loop import identity
from framefall.train.recipe import Recipe

_COPIES = 4  # of the weights in a checkpoint: the network, its average, and at most two moments
_BYTES = 4  # of a number in it


@contextlib.contextmanager
def one_writer(model: Path, runs: Path, names: Sequence[str]) -> Iterator[None]:
    """Keeps others from training the same stages of a model while it lasts; refuses where somebody does.

    Ranks of one training are one writer. A place that was made for this and holds nothing in the end goes again.
    """
    with contextlib.ExitStack() as stack:
        for name in names if ranks.rank() == 0 else ():
            made = [one for one in (runs / name, *(runs / name).parents) if not one.exists()]
            try:
                (runs / name).mkdir(parents=True, exist_ok=True)
                stack.callback(_remove_empty, made)
                stack.enter_context(locks.alone(runs / name / "lock"))
            except locks.Held as held:
                who = "another process" if held.holder is None else f"process {held.holder}"
                raise ValueError(
                    f"{name} of {model} is being trained by {who}; wait for its end, or choose another name"
                ) from None
            except OSError as error:
                raise ValueError(
                    f"{model} must be written, and {runs} cannot be ({error.strerror or error}); choose another place"
                ) from None
        ranks.barrier()
        yield


def check_places(model: Path, runs: Path, source: object = None, kind: FolderKind = MODEL) -> None:
    """Refuses places that cannot be written, that hold something else, or that lie in the source."""
    for place in (model, runs):
        for parent in place.parents:
            if parent.exists() and not parent.is_dir():
                raise ValueError(f"{model} must lie in a folder, and {parent} is a file; choose another name")
    if model.exists() and not (model / publish.MANIFEST).exists():
        raise ValueError(f"{model} exists and is not a Framefall model; choose another name")
    if runs.exists() and not runs.is_dir():
        raise ValueError(
            f"{runs} must be free for checkpoints and logs, and is a file; remove it, or choose another name"
        )
    outputs.folder(model, kind, overwrite=None)
    for place in (model, runs):
        outputs.check_container(place, [source] if isinstance(source, str | Path) and Path(source).exists() else ())
    for folder in {_standing(one) for one in (model.parent, runs)} if ranks.rank() == 0 else ():
        try:
            tempfile.TemporaryDirectory(prefix=".framefall-", dir=folder).cleanup()
        except OSError as error:
            raise ValueError(
                f"{model} must be written, and {folder} cannot be ({error.strerror or error}); choose another place"
            ) from None


def check_free(
    model: Path, runs: Path, names: Sequence[str], resume: bool = False, parts: Sequence[str] = ("", "autoencoder")
) -> None:
    """Refuses stages that are trained, or begun, already; with `resume` those that are trained and have no run.

    `parts` are where a run's checkpoints lie below its folder.
    """
    for name in names:
        begun = any((runs / name / part / "checkpoints").exists() for part in parts)
        if begun and not resume:
            raise ValueError(
                f"{runs / name} holds an earlier run; pass --resume to go on with it, or choose another name"
            )
        if not begun and (model / f"{name}.safetensors").exists():
            gone = f", and {runs / name} no run to go on with" if resume else ""
            raise ValueError(f"{model} holds a trained {name} already{gone}; choose another name, or remove it")


def check_space(recipe: Recipe, names: Sequence[str], runs: Path) -> None:
    """Refuses a disk that has no room for the checkpoints: those that are kept, and the next one beside them."""
    sizes = [size(recipe.stages[name].stage) * _COPIES * _BYTES for name in names]
    there = sum(one.stat().st_size for one in runs.rglob("*") if one.is_file()) if runs.is_dir() else 0
    need = max(sum(sizes) * max(2, recipe.keep) - there, 0) + max(sizes)
    free = shutil.disk_usage(_standing(runs)).free
    if free < need:
        raise ValueError(
            f"checkpoints need {_size(need)} beside {runs}, and the disk has {_size(free)} free; make room, or"
            " choose another place"
        )


def check_stages(stages: Mapping[str, StageConfig]) -> None:
    """Refuses stages of which one does not make what the next one takes, in the order in which they run."""
    height, width = 0, 0
    for index, (name, config) in enumerate(stages.items()):
        task, shape = config.task, config.shape
        if isinstance(task, Base):
            if index:
                raise ValueError(
                    f"a base must come first, {name} comes after {list(stages)[index - 1]}; reorder the stages"
                )
            height, width = shape.height, shape.width
        if isinstance(task, SpatialSR):
            if shape.height % task.factor or shape.width % task.factor:
                raise ValueError(
                    f"{name} is trained on crops that must be multiples of its factor {task.factor},"
                    f" got {shape.width}x{shape.height}; --set stages.{name}.stage.shape.height and width"
                )
            height, width = height * task.factor, width * task.factor
            if height and (shape.height > height or shape.width > width):
                raise ValueError(
                    f"{name} makes {width}x{height} of what comes before it, and its crops must fit into that, got"
                    f" {shape.width}x{shape.height}; --set stages.{name}.stage.shape.height and width"
                )
        if isinstance(task, TemporalSR) and height and (shape.height, shape.width) != (height, width):
            raise ValueError(
                f"{name} must work at the size that it is given, {width}x{height}, got {shape.width}x{shape.height};"
                f" --set stages.{name}.stage.shape.height and width"
            )
    for (first, below), (second, above) in pairwise(stages.items()):
        if below.shape.channels != above.shape.channels:
            raise ValueError(
                f"{second} must take the {below.shape.channels} channels that {first} makes, got"
                f" {above.shape.channels}; --set both alike"
            )
        rate = below.shape.fps * above.task.time_factor
        if not math.isclose(rate, above.shape.fps, rel_tol=1e-3):
            raise ValueError(
                f"{second} makes {rate:g} frames a second of the {below.shape.fps:g} of {first}, and is set to"
                f" {above.shape.fps:g}; --set stages.{second}.stage.shape.fps={rate:g}"
            )


def check_model(model: Path, recipe: Recipe, names: Sequence[str]) -> None:
    """Refuses to add stages to a model that is broken, that has others than the recipe, or that they do not fit."""
    if not model.exists():
        check_stages({name: part.stage for name, part in recipe.stages.items()})
        return
    try:
        found = {stage.name: stage.config for stage in load_cascade(model).stages}
    except ValueError as error:
        raise ValueError(f"{model} must be whole before a stage is added to it: {error}") from None
    if strange := [name for name in found if name not in recipe.stages]:
        raise ValueError(
            f"{model} has a stage {strange[0]} that recipe {recipe.name} does not know and would lose;"
            " choose another name, or its recipe"
        )
    both = {
        name: found[name] if name in found and name not in names else part.stage for name, part in recipe.stages.items()
    }
    try:
        check_stages(both)
    except ValueError as error:
        raise ValueError(f"{model} and recipe {recipe.name} must fit each other: {error}") from None


def unmirrored(recipe: Recipe, names: Sequence[str], source: Folder | Source, runs: Path) -> tuple[Recipe, list[str]]:
    """The recipe without mirroring for stages that read captions of which some tell left from right; and a note.

    A run that was begun with mirrored clips goes on with them.
    """
    if not isinstance(source, Folder):  # a world mirrors nothing
        return recipe, []
    said = next((shot for shot in source.shots if shot.caption and side(shot.caption)), None)
    if said is None or said.caption is None:
        return recipe, []
    own = [name for name in names if recipe.stages[name].flip and recipe.stages[name].stage.backbone.text_dim]
    kept = [name for name in own if _mirrored(runs / name, name)]
    changed = {name: replace(part, flip=part.flip and name not in own) for name, part in recipe.stages.items()}
    changed |= {name: recipe.stages[name] for name in kept}
    what = f"{said.source} is said to be {side(said.caption)!r}"
    notes = [f"{what}: no clip is mirrored for {' and '.join(off)}"] if (off := [*set(own) - set(kept)]) else []
    notes += [f"{what}, and half of the clips of {name} are mirrored, as its run began with" for name in kept]
    return replace(recipe, stages=changed), notes


def _mirrored(run_folder: Path, name: str) -> bool:
    """Whether a run that can be gone on with mirrors its clips."""
    for begun in run_folder.rglob("checkpoints"):
        for place in (begun.parent, begun.parent.parent):  # of a stage or a round of it; of a stage's autoencoder
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                return bool(json.loads((place / "recipe.json").read_bytes())["stages"][name]["flip"])
    return False


def check_runs(runs: Path, recipe: Recipe, names: Sequence[str], source: Folder | Source) -> dict[str, resume.State]:
    """Where each stage's earlier sessions have come to; refuses checkpoints of another run."""
    return {name: resume.reached(runs / name / "checkpoints", identity(recipe, name, source)) for name in names}


def check_source(recipe: Recipe, names: Sequence[str], source: Folder | Source) -> list[str]:
    """Refuses clips that a stage cannot use; gives notes on what is in the source that nobody reads."""
    for name in names:
        part = recipe.stages[name]
        if part.batch % ranks.world_size():
            raise ValueError(
                f"{name}: batch must be a multiple of the {ranks.world_size()} processes, got {part.batch};"
                f" --set stages.{name}.batch={ranks.world_size()}"
            )
        try:
            streams = loader.streams(source, objective.window(part), recipe.seed)
            if not isinstance(source, Folder):  # it says so only when it is asked for a clip
                for stream in streams:
                    if stream is not None and not isinstance(stream, loader.Buckets):
                        stream.clip(0)
        except ValueError as error:
            raise ValueError(f"{name} cannot be trained on this source: {error}") from None
    return [*_captions(recipe, names, source), *_numbers(recipe, names, source)]


def _captions(recipe: Recipe, names: Sequence[str], source: Folder | Source) -> list[str]:
    if not isinstance(source, Folder):
        return []
    told = sum(shot.caption is not None for shot in source.shots)
    if told and not any(part.stage.backbone.text_dim for part in recipe.stages.values()):
        return [f"{told} of {len(source.shots)} takes have captions, and no stage of {recipe.name} reads any"]
    if not told and any(recipe.stages[name].stage.backbone.text_dim for name in names):
        return ["no take has a caption, so that the model will not know what a prompt means; name.txt or captions.csv"]
    return []


def _numbers(recipe: Recipe, names: Sequence[str], source: Folder | Source) -> list[str]:
    if isinstance(source, Folder):
        given = {shot.numbers.shape[-1] for shot in source.shots if shot.numbers is not None}
        without = sum(shot.numbers is None for shot in source.shots)
    elif isinstance(source, WorldSource):
        given, without = {WORLD_NUMBERS}, 0
    else:
        return []
    notes = []
    for name in names:
        takes = recipe.stages[name].stage.backbone.numbers
        key = f"--set stages.{name}.stage.backbone.numbers"
        if takes and not given:
            raise ValueError(
                f"{name} takes {takes} numbers a clip, and the source has none; add them (name.json, captions.csv),"
                f" or {key}=0"
            )
        if takes and given != {takes}:
            raise ValueError(
                f"{name} takes {takes} numbers a clip, and the source has {max(given)}; {key}={max(given)}"
            )
        if takes and without:
            notes.append(f"{without} takes have no numbers: {name} reads zeros for them")
    if isinstance(source, Folder) and given and not any(one.stage.backbone.numbers for one in recipe.stages.values()):
        count, name = max(given), next(iter(recipe.stages))
        notes.append(
            f"the source has {count} numbers a clip and no stage of {recipe.name} reads any;"
            f" --set stages.{name}.stage.backbone.numbers={count} if it should"
        )
    return notes


WORLD_NUMBERS = 2  # gravity and the first body's speed (worlds/captions/sentences.py)


def _remove_empty(folders: Sequence[Path]) -> None:
    """Removes folders, the innermost first, as far as nothing is in them."""
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _standing(place: Path) -> Path:
    """The nearest folder above a place, or the place itself, that is there already."""
    place = place.absolute()
    return next(one for one in (place, *place.parents) if one.is_dir())


def _size(count: float) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
