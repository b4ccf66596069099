"""A distilled network beside a stage's own: when it draws, and when it has to go."""

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from framefall.cascade.request import Request
from framefall.cascade.stage import Stage

if TYPE_CHECKING:
    from framefall.cascade.cascade import Cascade


def drawing(stage: Stage, request: Request) -> Stage:
    """The stage that draws what is asked for: with its distilled network where `fast` asks for what that can do.

    Of guidance that is a scale that is baked in; whatever else is asked for its own network does.
    """
    told = stage.config.few
    if stage.few is None or told is None or request.quality != "fast" or stage.weaker is not None:
        return stage
    guidance = request.guided(told.fast.guidance)
    low, high = told.backbone.baked_guidance or (1.0, 1.0)
    if guidance != replace(told.fast.guidance, scale=guidance.scale) or not low <= guidance.scale <= high:
        return stage
    return replace(stage, backbone=stage.few, few=None, config=stage.config.with_few())


def alone(cascade: "Cascade", names: Collection[str] | None = None) -> "Cascade":
    """The cascade without what was distilled from these stages, or from any: it is not of what becomes of them."""
    chosen = [stage.name for stage in cascade.stages if names is None or stage.name in names]
    stages = tuple(
        replace(stage, few=None, config=replace(stage.config, few=None)) if stage.name in chosen else stage
        for stage in cascade.stages
    )
    configs = {
        name: replace(config, few=None) if name in chosen else config for name, config in cascade.config.stages.items()
    }
    return replace(cascade, stages=stages, config=replace(cascade.config, stages=configs))
