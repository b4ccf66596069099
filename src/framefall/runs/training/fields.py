"""A recipe for the channels that a source of fields has, and the scale of the model that it is to be trained into."""

from dataclasses import replace
from pathlib import Path

from framefall.cascade.cascade import Cascade
from framefall.cascade.saved.checkpoint import CONFIG, find, read_config
from framefall.data.fields.field import Field
from framefall.data.fields.folder import FieldFolder
from framefall.models.experts import TELLABLE, retold
from framefall.models.registry import BackboneConfig
from framefall.train.recipe import Recipe, StageRecipe


def for_fields(
    recipe: Recipe, source: FieldFolder, model: Path, init: str | Path | Cascade | None
) -> tuple[Recipe, FieldFolder]:
    """The recipe for the source's channels, none of its clips mirrored, and the source on the model's scale.

    That is the scale of the stages that the model has already, or of the one that training starts from.
    """
    channels = len(source.described.channels)
    stages = {name: _stage(part, channels) for name, part in recipe.stages.items()}
    known = _field_of(model, init)
    return replace(recipe, stages=stages), source if known is None else source.seen_as(known)


def _stage(part: StageRecipe, channels: int) -> StageRecipe:
    """The same stage for so many channels; a mirrored velocity would be a wrong one."""
    stage = part.stage
    latent = None if stage.latent is None else replace(stage.latent, channels=channels)
    inner = channels if latent is None else latent.latent_channels
    backbone = _backbone(stage.backbone, inner, stage.task.low_res_channels(inner))
    shape = replace(stage.shape, channels=channels)
    return replace(part, flip=False, stage=replace(stage, shape=shape, latent=latent, backbone=backbone))


def _backbone(backbone: BackboneConfig, channels: int, shown: int) -> BackboneConfig:
    if isinstance(backbone, TELLABLE):
        return retold(backbone, channels=channels, low_res_channels=shown)
    return replace(backbone, channels=channels)  # the others' conditioning follows from it


def _field_of(model: Path, init: str | Path | Cascade | None) -> Field | None:
    if isinstance(init, Cascade):
        return init.config.field
    for folder in (model, *(() if init is None else (find(init),))):
        if (folder / CONFIG).is_file():
            return read_config(folder / CONFIG).field
    return None
