"""A distilled network beside a stage's own: when it draws."""

from dataclasses import replace

from framefall.cascade.request import Request
from framefall.cascade.stage import Stage


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
