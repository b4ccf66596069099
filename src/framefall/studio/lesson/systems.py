"""The field's four classic systems as the presets of this package: their stages, and what those cost."""

from typing import Any

from framefall.bench.presets import sized
from framefall.recipes.systems import SYSTEMS
from framefall.studio.lesson.media import Media


def systems(media: Media) -> dict[str, Any]:
    """Each recipe's stages in their order, with sizes, parameters and operations of a call."""
    return {name: _sized(name) for name in SYSTEMS}


def _sized(name: str) -> dict[str, Any]:
    stages = []
    for stage, part in SYSTEMS[name]().stages.items():
        config, about = part.stage, sized(part.stage)
        stages.append(
            {
                "name": stage,
                "task": config.task.kind,
                "frames": config.shape.frames,
                "height": config.shape.height,
                "width": config.shape.width,
                "fps": config.shape.fps,
                "fusion": about["fusion"],
                "latent": config.latent is not None,
                "prediction": config.prediction,
                "parameters": about["parameters"],
                "gflops_a_call": about["gflops_a_call"],
            }
        )
    return {"recipe": name, "stages": stages, "parameters": sum(stage["parameters"] for stage in stages)}
