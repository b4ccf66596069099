"""An ensemble forecast of a simulated flow: train a small base on fields, go on from 4 frames, score 16 members.

python examples/flow_forecast.py train DIR [--steps 900]   simulates DIR/flows, DIR/unseen and trains DIR/model
python examples/flow_forecast.py forecast DIR              goes on from each unseen flow, scores all, draws DIR/flow.png

What it found is in docs/science.md.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from flow_world import STEP, write_flows

from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.cascade.stage_config import Sampling
from framefall.data.fields.formats import recordings, write
from framefall.data.media.sheet import clip_row, strips
from framefall.models.transformer import TransformerConfig
from framefall.recipes.presets import pico
from framefall.runs.evaluation.forecast import assess_forecasts
from framefall.runs.generation.generate import generate
from framefall.runs.generation.given import Given
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
    shape = VideoShape(frames=FRAMES, height=16, width=16, fps=24.0)
    best = Sampling(
        steps=16, sampler="dpm++2m", shift=3.0
    )  # chosen on the held-out flows: what is open is decided early
    stage = replace(base.stage, backbone=network, shape=shape, best=best)
    known = KnownShares(frames=0.9, region=0.0, levels=0.05, shift=1.5)
    base = replace(base, stage=stage, batch=16, image_share=0.0, known=known)
    return replace(start, name="flow", stages={"base": base}, data=replace(start.data, size=16, holdout=0.1))


def learn(folder: Path, steps: int) -> None:
    """Simulates flows and trains on them; a training that was stopped is gone on with."""
    begun = (folder / "model.training").exists()
    if not begun:
        write_flows(folder / "flows", 72, 48, seed=0)
        write_flows(folder / "unseen", 24, FRAMES, seed=1)
    for event in train.events(folder / "flows", folder / "model", recipe(), steps=steps, resume=begun):
        if text := getattr(event, "text", ""):
            print(text, flush=True)


def forecast(folder: Path) -> None:
    """Goes on from the first 4 frames of each unseen flow with 16 members; scores all; draws one."""
    model, scored = load_cascade(folder / "model"), folder / "forecasts"
    scored.mkdir(exist_ok=True)
    asked = Request(count=MEMBERS, frames=FRAMES, quality="best")
    for path in sorted((folder / "unseen").glob("*.nc")):
        (came,) = recordings(path)
        write(folder / "given.nc", [came.frames(slice(0, GIVEN))], came.field, came.times[:GIVEN])
        given = Given(video=folder / "given.nc", extend="after")
        generate(asked, scored / path.name, model, given=given, batch=MEMBERS)
    found = assess_forecasts(scored, folder / "unseen")
    print(found, end="")
    for one in found.channels:
        print(f"{one.name}: CRPS by frame {', '.join(f'{value:.3f}' for value in one.by_lead)}")
        print(f"{one.name}: ranks {' '.join(f'{share:.3f}' for share in one.scores.ranks)}")
    draw(folder, sorted(scored.glob("*.nc"))[0])


def draw(folder: Path, path: Path) -> None:
    """What came, two members, the mean of all and how far they are apart: velocity to the right, as a PNG."""
    (came,), members = recordings(folder / "unseen" / path.name), recordings(path)
    every = np.arange(float(FRAMES))
    wide, truth = np.stack([one.at(every)[0] for one in members]), came.at(every)[0]
    shown = {"came": truth, "member 1": wide[0], "member 2": wide[1], "mean": wide.mean(axis=0)}
    rows = [(name, (values / 1.5 + 1) / 2) for name, values in shown.items()]
    rows.append(("spread", wide.std(axis=0) / 0.75))
    pictures = [(name, (255 * np.clip(values, 0, 1)).astype(np.uint8)) for name, values in rows]
    large = [(name, values.repeat(6, axis=1).repeat(6, axis=2)) for name, values in pictures]
    coloured = [
        (name, np.stack([cv2.applyColorMap(frame, cv2.COLORMAP_VIRIDIS)[..., ::-1] for frame in values]))
        for name, values in large
    ]
    strips([clip_row(name, values, 1 / STEP, FRAMES) for name, values in coloured], folder / "flow.png")


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "forecast"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=900)
    asked = parser.parse_args()
    if asked.what == "train":
        learn(asked.folder, asked.steps)
    else:
        forecast(asked.folder)
