"""A model out of a training run that has not ended: its averaged weights, as they are now."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from framefall import bounded, outputs
from framefall.cascade.about.card import StageCard
from framefall.cascade.cascade import CascadeConfig
from framefall.cascade.saved import checkpoint
from framefall.cascade.saved.formats import upgrade_recipe
from framefall.cascade.saved.tensors import check_tensors
from framefall.config import from_dict
from framefall.runs.training import knowledge
from framefall.train import resume
from framefall.train.held_out import measured
from framefall.train.loop import initial
from framefall.train.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was taken out of a run."""

    model: str
    stage: str
    step: int
    clips: int  # seen in training, repeats included
    minutes: float  # of training, over all sessions


def export(
    run_folder: str | Path,
    output: str | Path,
    *,
    description: str = "",
    trained_on: tuple[str, ...] = (),
    dtype: torch.dtype = torch.bfloat16,
    knows: StageCard | None = None,
    failures: Sequence[str] = (),
) -> Exported:
    """Publishes the averaged weights of a stage's newest checkpoint as a stage of the model `output`.

    `run_folder` is `MODEL.training/STAGE`; the run may go on meanwhile. Stages that `output` has keep their weights.
    `knows` is what the stage is trained on, with the clips that its first weights had seen, in the place of the
    run's own note of it; `failures` are known beside what its scores say. Scores are those of the newest measurement,
    which may be older than the checkpoint. Raises `ValueError` for a folder that is no run, or one without a whole
    checkpoint.
    """
    run_folder, output = Path(run_folder), Path(output)
    outputs.folder(output, checkpoint.MODEL, overwrite=None, sources=[run_folder])
    name = run_folder.name
    try:
        values = bounded.read_json(run_folder / "recipe.json")
    except (OSError, ValueError):
        raise ValueError(
            f"a run must be a folder MODEL.training/STAGE with its recipe.json, got {run_folder}; name one"
        ) from None
    recipe = from_dict(Recipe, upgrade_recipe(values), origin=str(run_folder / "recipe.json"))
    if name not in recipe.stages:
        raise ValueError(f"a run's folder must be called after its stage ({', '.join(recipe.stages)}), got {name!r}")
    part = recipe.stages[name]
    found = resume.averaged(run_folder / "checkpoints")
    stage = initial(name, part, recipe.seed, torch.device("cpu"))
    check_tensors(found.tensors, stage.backbone.state_dict(), str(run_folder))
    stage.backbone.load_state_dict(found.tensors)
    stages = {one: recipe.stages[one].stage for one in recipe.stages}
    config = CascadeConfig(name=output.name, stages=stages, description=description, trained_on=list(trained_on))
    clips = found.step * part.batch
    if (knows := knows or knowledge.noted(run_folder)) is not None:
        kept_back = knowledge.keeps_back(knows, recipe)
        scored = measured(run_folder / "log.jsonl", name, kept_back)
        knows = knowledge.concluded(knows, scored, part.stage.task.kind, clips)
        knows = replace(knows, failures=[*knows.failures, *failures])
    checkpoint.with_stage(output, name, stage, config, dtype, knows)
    return Exported(model=str(output), stage=name, step=found.step, clips=clips, minutes=found.minutes)
