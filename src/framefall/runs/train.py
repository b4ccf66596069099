"""A whole training run: from videos, or a world, to a published cascade, stage after stage."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from framefall import publish, ranks
from framefall.cascade import checkpoint
from framefall.cascade.cascade import CascadeConfig
from framefall.cascade.stage import Stage
from framefall.config import to_json
from framefall.data.folder import Folder
from framefall.data.loader import Source
from framefall.runs.strips import draw_strips
from framefall.train.loop import Budget, Progress, initial, train
from framefall.train.recipe import Recipe
from framefall.train.reconstruction import train_autoencoder


def train_cascade(
    recipe: Recipe,
    source: Folder | Source,
    model: str | Path,
    *,
    stages: Sequence[str] | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    resume: bool = False,
    device: str | torch.device = "cpu",
) -> Iterator[Progress]:
    """Trains the stages one after another and publishes `model` after each.

    `steps` is for each stage; `minutes` are shared among the stages by their `share`. What a run needs to
    go on lies in `MODEL.training/STAGE`: checkpoints, log, TensorBoard, strips of samples. A latent stage's
    autoencoder comes first, in `MODEL.training/STAGE/autoencoder`: as many steps, or half of the stage's minutes.
    """
    model = Path(model)
    names = list(stages or recipe.stages)
    for name in names:
        if name not in recipe.stages:
            raise ValueError(f"a stage must be one of {', '.join(recipe.stages)}; got {name!r}")
    runs = model.with_name(model.name + ".training")
    if not resume:
        _refuse_to_overwrite(model, runs, names)
    train_source = source.split("train")
    total_share = sum(recipe.stages[name].share for name in names)
    for name in names:
        part = recipe.stages[name]
        own = None if minutes is None else minutes * part.share / total_share
        if own is not None and part.stage.latent is not None:
            own /= 2  # the other half is the autoencoder's
        budget = Budget(steps=steps if steps or own else part.steps, minutes=own)
        stage = initial(name, part, recipe.seed, torch.device(device))
        if ranks.rank() == 0:
            (runs / name).mkdir(parents=True, exist_ok=True)
            for parent in (model.parent, runs / name):  # what killed runs left behind
                publish.sweep(parent)
            with publish.file(runs / name / "recipe.json") as partial:
                partial.write_text(to_json(recipe))
        if part.stage.latent is not None:
            yield from train_autoencoder(stage, recipe, train_source, budget, runs / name / "autoencoder")
        yield from train(
            stage, recipe, train_source, budget, runs / name, strip=_strip(recipe, train_source, runs / name)
        )
        if ranks.rank() == 0:
            config = CascadeConfig(
                name=model.name,
                stages={one: recipe.stages[one].stage for one in recipe.stages},
                trained_on=list(train_source.names),
            )
            dtype = torch.bfloat16 if recipe.weights == "bfloat16" else torch.float32
            checkpoint.with_stage(model, name, stage, config, dtype)
        ranks.barrier()


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
