"""A cascade whose stages have no distilled network beside their own, as where their weights are to change."""

from collections.abc import Collection
from dataclasses import replace

from framefall.cascade.cascade import Cascade


def alone(cascade: Cascade, names: Collection[str] | None = None) -> Cascade:
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
