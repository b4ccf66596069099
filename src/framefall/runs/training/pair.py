"""A model and what its base was distilled into, as one: `fast` by the few steps of the one, the rest by the other."""

from dataclasses import replace
from pathlib import Path

import torch

from framefall.cascade.saved import checkpoint
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import Few, StageConfig


def pair(model: str | Path, fast: str | Path, output: str | Path) -> None:
    """Publishes `model` at `output` with the distilled base of the model `fast` beside its own.

    `fast` clips are drawn by it, in as few steps as it makes by itself, and all else by the base that is there:
    quality `best`, guidance that is not a scale, training, likelihoods. Raises `ValueError` where the base of `fast`
    was not distilled with guidance, or is not of the same kind.
    """
    output, cascade, distilled = Path(output), load_cascade(model), load_cascade(fast)
    if output.exists() and output.resolve() == checkpoint.find(model).resolve():
        raise ValueError(f"{output} is the model that gets a distilled base; choose another name for what it becomes")
    stage = paired(cascade.stages[0], distilled.stages[0], distilled.config.distilled_from)
    part = None if cascade.card is None else cascade.card.stages.get(stage.name)
    config = replace(cascade.config, name=output.name)
    checkpoint.with_stage(output, stage.name, stage, config, _format(stage), part, start=model)


def paired(stage: Stage, distilled: Stage, distilled_from: str = "") -> Stage:
    """A stage with a distilled one's network beside its own."""
    if getattr(distilled.config.backbone, "baked_guidance", None) is None:
        raise ValueError(f"{distilled.name} must be distilled, with guidance baked in; make one with framefall distill")
    few = Few(backbone=distilled.config.backbone, fast=distilled.config.fast, distilled_from=distilled_from)
    own, theirs = (_alike(one.config) for one in (stage, distilled))
    if own != theirs:
        unlike = next(name for name in own if own[name] != theirs[name])
        raise ValueError(
            f"{distilled.name} must be distilled from this stage, whose {unlike} is {own[unlike]!r},"
            f" got {theirs[unlike]!r}; distil this model"
        )
    return replace(stage, few=distilled.backbone, config=replace(stage.config, few=few))


def _format(stage: Stage) -> torch.dtype:
    """The smallest number format of weights that changes none of them."""
    weights = [*stage.backbone.parameters(), *(stage.few.parameters() if stage.few is not None else ())]
    short = all(torch.equal(one, one.bfloat16().to(one.dtype)) for one in weights)
    return torch.bfloat16 if short else torch.float32


def _alike(config: StageConfig) -> dict[str, object]:
    """What both must have in common."""
    return {name: getattr(config, name) for name in ("task", "shape", "latent", "text", "process", "prediction")}
