"""A whole training run: from videos, or a world, to a published cascade, stage after stage."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import torch

from framefall import publish, ranks
from framefall.cascade import checkpoint
from framefall.cascade.cascade import Cascade, CascadeConfig
from framefall.cascade.checkpoint import load_cascade
from framefall.cascade.stage import Stage
from framefall.config import to_json
from framefall.data.folder import Folder
from framefall.data.loader import Source
from framefall.progress import Events, Note, operation
from framefall.recipes.registry import RECIPES
from framefall.runs.sources import open_source
from framefall.runs.strips import draw_strips
from framefall.train.loop import Budget, TrainingStep, initial, train_stage
from framefall.train.recipe import Recipe
from framefall.train.reconstruction import train_autoencoder


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What training has made."""

    model: str  # the folder of the cascade; logs, checkpoints and strips of samples lie in MODEL.training
    steps: dict[str, int] = field(default_factory=dict)  # by stage, over all sessions
    losses: dict[str, float] = field(default_factory=dict)  # of each stage's last step
    skipped: dict[str, str] = field(default_factory=dict)  # files that could not be used, with the reason


@operation
def train(
    source: str | Path | Folder | Source,
    output: str | Path,
    recipe: Recipe | str = "nano",
    *,
    stages: Sequence[str] | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    resume: bool = False,
    init: str | Path | Cascade | None = None,
    device: str | torch.device = "cpu",
) -> Events[Trained]:
    """Trains the stages one after another and publishes the model at `output` after each.

    `source` is a folder of videos, the name of a world, or one of these opened. `steps` is for each stage; `minutes`
    are shared among the stages by their `share`. What a run needs to go on lies in `MODEL.training/STAGE`:
    checkpoints, log, TensorBoard, strips of samples. A latent stage's autoencoder comes first, in
    `MODEL.training/STAGE/autoencoder`: as many steps, or half of the stage's minutes. `init` is a model, by its name
    or folder, whose stages of the same names and networks the training starts from instead of fresh weights.
    """
    model, recipe = Path(output), named(recipe) if isinstance(recipe, str) else recipe
    names = list(stages or recipe.stages)
    for name in names:
        if name not in recipe.stages:
            raise ValueError(f"a stage must be one of {', '.join(recipe.stages)}; got {name!r}")
    runs = model.with_name(model.name + ".training")
    if not resume:
        _refuse_to_overwrite(model, runs, names)
    start = load_cascade(init) if isinstance(init, str | Path) else init
    if start is not None:
        _check_start(start, recipe, names)
    if isinstance(source, str | Path):
        source = yield from open_source.inside(source, recipe.data)
    found = Trained(model=str(model), skipped=_skipped(source))
    training = source.split("train")
    total_share = sum(recipe.stages[name].share for name in names)
    for name in names:
        own = None if minutes is None else minutes * recipe.stages[name].share / total_share
        for event in _train_stage(name, recipe, training, model, runs, steps, own, device, start):
            if isinstance(event, TrainingStep):
                found.steps[event.stage], found.losses[event.stage] = event.step, event.loss
            yield event
    return found


def _train_stage(
    name: str,
    recipe: Recipe,
    source: Folder | Source,
    model: Path,
    runs: Path,
    steps: int | None,
    minutes: float | None,
    device: str | torch.device,
    start: Cascade | None,
) -> Iterator[TrainingStep | Note]:
    """One stage: its autoencoder if it has one, then the stage; at the end the model holds it."""
    part = recipe.stages[name]
    if minutes is not None and part.stage.latent is not None:
        minutes /= 2  # the other half is the autoencoder's
    budget = Budget(steps=part.steps if steps is None and minutes is None else steps, minutes=minutes)
    stage = initial(name, part, recipe.seed, torch.device(device))
    if start is not None:
        stage.backbone.load_state_dict(start.stage(name).backbone.state_dict())
    if ranks.rank() == 0:
        (runs / name).mkdir(parents=True, exist_ok=True)
        for parent in (model.parent, runs / name):  # what killed runs left behind
            publish.sweep(parent)
        with publish.file(runs / name / "recipe.json") as partial:
            partial.write_text(to_json(recipe))
    if part.stage.latent is not None:
        yield from train_autoencoder(stage, recipe, source, budget, runs / name / "autoencoder")
    strip = _strip(recipe, source, runs / name)
    yield from train_stage(stage, recipe, source, budget, runs / name, strip=strip)
    if ranks.rank() == 0:
        config = CascadeConfig(
            name=model.name,
            stages={one: recipe.stages[one].stage for one in recipe.stages},
            trained_on=list(source.names),
        )
        dtype = torch.bfloat16 if recipe.weights == "bfloat16" else torch.float32
        checkpoint.with_stage(model, name, stage, config, dtype)
    ranks.barrier()


def named(recipe: str) -> Recipe:
    """The recipe of a name."""
    if recipe not in RECIPES:
        raise ValueError(f"recipe must be one of {', '.join(RECIPES)}; got {recipe!r}")
    return RECIPES[recipe]()


def _check_start(start: Cascade, recipe: Recipe, names: Sequence[str]) -> None:
    """Refuses a model that lacks a stage to be trained, or has another network or autoencoder for it."""
    found = {stage.name: stage.config for stage in start.stages}
    for name in names:
        if name not in found:
            raise ValueError(
                f"--init must have every stage that is trained, {start.config.name} has no {name}"
                f" ({', '.join(found)}); train some of its stages with --stage"
            )
        wanted = recipe.stages[name].stage
        if found[name].latent is not None or wanted.latent is not None:
            raise ValueError(f"--init starts stages that work on pixels, and {name} works on latents; leave it out")
        for field_ in fields(wanted.backbone):
            ours, theirs = (getattr(one.backbone, field_.name, None) for one in (wanted, found[name]))
            if ours != theirs and field_.name != "checkpoint_activations":
                raise ValueError(
                    f"--init must have the recipe's network for {name}: {field_.name} is {theirs!r} in"
                    f" {start.config.name} and {ours!r} in {recipe.name}; --set it alike, or take another recipe"
                )


def _skipped(source: Folder | Source) -> dict[str, str]:
    return {one.path: one.reason for one in source.report.skipped} if isinstance(source, Folder) else {}


def _refuse_to_overwrite(model: Path, runs: Path, names: Sequence[str]) -> None:
    for name in names:
        if any((runs / name / part / "checkpoints").exists() for part in ("", "autoencoder")):
            raise ValueError(
                f"{runs / name} holds an earlier run; pass --resume to go on with it, or choose another name"
            )
        if (model / f"{name}.safetensors").exists():
            raise ValueError(f"{model} holds a trained {name} already; choose another name, or remove it")
    if model.exists() and not (model / publish.MANIFEST).exists():
        raise ValueError(f"{model} exists and is not a Framefall model; choose another name")


def _strip(recipe: Recipe, source: Folder | Source, run_folder: Path) -> Callable[[Stage, int], None]:
    def strip(stage: Stage, step: int) -> None:
        draw_strips(stage, recipe.stages[stage.name], source, run_folder / "samples" / f"{step:08d}.png", recipe.seed)

    return strip
