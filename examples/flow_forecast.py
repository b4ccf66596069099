"""An ensemble forecast of a simulated flow: train a small base on fields, go on from 4 frames, score 16 members.

python examples/flow_forecast.py train DIR [--steps 900]   simulates DIR/flows, DIR/unseen and trains DIR/model
python examples/flow_forecast.py forecast DIR              goes on from each unseen flow, scores all, draws DIR/flow.png

What it found is in docs/science.md.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from flow_world import write_flows

from framefall.models.transformer import TransformerConfig
from framefall.recipes.presets import pico
from framefall.runs.training.train import train
from framefall.train.known import KnownShares
from framefall.train.recipe import Recipe
from framefall.video import VideoShape

GIVEN, FRAMES, MEMBERS = 4, 8, 16


def recipe() -> Recipe:
    """Clips of 8 frames of 16 x 16; `data.fps` and the stage's alike: every frame of the files is one of the clip's."""
    start = pico()
    base = start.stages["base"]
    network = TransformerConfig(dim=128, depth=6, heads=4, patch=(1, 4, 4), low_res_channels=4)
    stage = replace(base.stage, backbone=network, shape=VideoShape(frames=FRAMES, height=16, width=16, fps=24.0))
    known = KnownShares(frames=0.9, region=0.0, levels=0.05, shift=1.5)
    base = replace(base, stage=stage, batch=16, image_share=0.0, known=known)
    return replace(start, name="flow", stages={"base": base}, data=replace(start.data, size=16, holdout=0.1))


def learn(folder: Path, steps: int) -> None:
    """Simulates flows and trains on them."""
    write_flows(folder / "flows", 72, 48, seed=0)
    write_flows(folder / "unseen", 24, FRAMES, seed=1)
    for event in train.events(folder / "flows", folder / "model", recipe(), steps=steps):
        if text := getattr(event, "text", ""):
            print(text, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "forecast"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=900)
    asked = parser.parse_args()
    learn(asked.folder, asked.steps)
