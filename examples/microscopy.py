"""16-bit microscopy with four times the frames: a temporal stage alone, trained on OME-TIFF and used on OME-TIFF.

python examples/microscopy.py train DIR [--steps 400]   simulates DIR/movies and trains DIR/model
python examples/microscopy.py upscale DIR               makes three of four frames of unseen movies, compares, draws

No package that we know ships a 16-bit series, so the movies are simulated: vesicles that are carried and diffuse, seen
through a microscope by a camera with photon noise, offset and 16 bits. For your own:

framefall train MOVIES -o MODEL --recipe nano --stage temporal_sr
framefall upscale MOVIE.ome.tif -o SMOOTH.ome.tif --model MODEL --space 1 --time 4
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from framefall.data.fields.field import Axis, Channel, Clock, Field
from framefall.data.fields.formats import recordings, write
from framefall.data.media.sheet import clip_row, strips
from framefall.models.interpolator import InterpolatorConfig
from framefall.models.transformer import TransformerConfig
from framefall.recipes.presets import pico
from framefall.runs.generation.upscale import upscale
from framefall.runs.training.train import train
from framefall.train.recipe import Recipe
from framefall.video import VideoShape

SIDE, PIXEL, STEP = 32, 0.108, 0.05  # pixels, micrometres, seconds
OFFSET, GAIN, PHOTONS = 400, 12, 180  # of the camera; of a vesicle's brightest pixel
FACTOR = 4


def simulate(count: int, frames: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Movies as a camera has them and as they would be without noise, float32 [count, 1, frames, 32, 32]."""
    generator = np.random.default_rng(seed)
    vesicles = 7
    place = generator.uniform(0, SIDE, (count, vesicles, 2))
    speed = generator.normal(0, 0.8, (count, vesicles, 2))
    bright = generator.uniform(0.4, 1, (count, vesicles, 1, 1))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    clean = []
    for _ in range(frames):
        speed = 0.97 * speed + generator.normal(0, 0.15, speed.shape)
        place = (place + speed) % SIDE
        apart = [np.abs(axis - place[..., index, None, None]) for index, axis in enumerate((rows, columns))]
        square = sum(np.minimum(one, SIDE - one) ** 2 for one in apart)
        clean.append((bright * np.exp(-square / (2 * 1.6**2))).sum(axis=1) * PHOTONS + 8)
    light = np.stack(clean, axis=1)[:, None]
    seen = GAIN * generator.poisson(light) + OFFSET + generator.normal(0, 20, light.shape)
    return np.clip(np.rint(seen), 0, 65535).astype(np.float32), (GAIN * light + OFFSET).astype(np.float32)


def field() -> Field:
    """What the files say of the numbers."""
    places = [number * PIXEL for number in range(SIDE)]
    return Field(
        channels=[Channel(name="GFP", units="counts")],
        rows=Axis(name="y", units="micrometre", values=places),
        columns=Axis(name="x", units="micrometre", values=places),
        clock=Clock(units="s", step=STEP),
        dtype="uint16",
    )


def write_movies(folder: Path, count: int, frames: int, seed: int) -> np.ndarray:
    """Simulates movies, writes an OME-TIFF for each, and gives them without noise."""
    folder.mkdir(parents=True, exist_ok=True)
    seen, clean = simulate(count, frames, seed)
    for number, movie in enumerate(seen):
        write(folder / f"movie-{number:03d}.ome.tif", [movie], field(), STEP * np.arange(frames))
    return clean


def recipe() -> Recipe:
    """The temporal stage of `pico`, small, for frames of 32 x 32."""
    start = pico()
    part = start.stages["temporal_sr"]
    task = replace(part.stage.task, factor=FACTOR, intervals=2)
    network = InterpolatorConfig(trunk=TransformerConfig(dim=96, depth=3, heads=3, patch=(4, 4, 4)))
    shape = VideoShape(frames=2 * FACTOR, height=SIDE, width=SIDE, fps=24.0)
    part = replace(part, stage=replace(part.stage, task=task, backbone=network, shape=shape), batch=8)
    return replace(start, name="microscopy", stages={"temporal_sr": part}, data=replace(start.data, size=SIDE))


def learn(folder: Path, steps: int) -> None:
    """Simulates movies and trains on them; a training that was stopped is gone on with."""
    begun = (folder / "model.training").exists()
    if not begun:
        write_movies(folder / "movies", 64, 65, seed=0)
    for event in train.events(folder / "movies", folder / "model", recipe(), steps=steps, resume=begun):
        if text := getattr(event, "text", ""):
            print(text, flush=True)


def compare(folder: Path, movies: int = 8, frames: int = 33) -> None:
    """Keeps every fourth frame of unseen movies, makes the others, and says how far they are from the truth."""
    clean = write_movies(folder / "unseen", movies, frames, seed=1)
    errors: dict[str, list[float]] = {"model": [], "linear": [], "nearest": []}
    for number in range(movies):
        (movie,) = recordings(folder / "unseen" / f"movie-{number:03d}.ome.tif")
        slow, fast = folder / f"slow-{number}.ome.tif", folder / f"fast-{number}.ome.tif"
        own = replace(field(), clock=replace(field().clock, step=FACTOR * STEP))
        every = np.arange(0, frames, FACTOR)
        write(slow, [movie.frames(slice(0, frames, FACTOR))], own, movie.times[every])
        upscale(slow, fast, folder / "model", space=1, time=FACTOR)
        (made,) = recordings(fast)
        assert made.field.dtype == "uint16" and np.allclose(made.times, movie.times)
        (given,) = recordings(slow)
        between = np.arange(frames) / FACTOR
        shown = {
            "model": made.at(np.arange(float(frames))),
            "linear": given.at(between),
            "nearest": given.at(np.rint(between)),
        }
        new = np.setdiff1d(np.arange(frames), every)
        for name, values in shown.items():
            errors[name].append(float(np.sqrt(np.square(values[:, new] - clean[number][:, new]).mean())))
        if number == 0:
            _draw(folder / "microscopy.png", {"camera": movie.at(np.arange(float(frames))), **shown})
    for name, found in errors.items():
        print(f"{name:8} {np.mean(found):7.1f} counts from the movie without noise, in frames that were not given")


def _draw(path: Path, shown: dict[str, np.ndarray]) -> None:
    rows = []
    for name, values in shown.items():
        grey = np.clip((values[0, 8:17] - OFFSET) / (GAIN * PHOTONS), 0, 1)
        rows.append(clip_row(name, (255 * grey[..., None]).astype(np.uint8), 1 / STEP, 9))
    strips(rows, path)


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "upscale"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=400)
    asked = parser.parse_args()
    if asked.what == "train":
        learn(asked.folder, asked.steps)
    else:
        compare(asked.folder)
