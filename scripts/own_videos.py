"""What training on one's own videos buys, for `docs/own_videos.md`: real clips are cut in two.

    python scripts/own_videos.py cut CLIPS FOLDER            # FOLDER/train, and the ends of the clips in FOLDER/held
    python scripts/own_videos.py measure FOLDER/held MODEL.. # error of x0 by diffusion time, as JSON
    python scripts/own_videos.py sheet FOLDER/held SHEET.png MODEL..

CLIPS is what `scripts/shipped_clips.py` gathers. The end of a clip is held back where enough remains to train on.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import framefall  # noqa: F401  (before torch: it says how torch's threads wait)

# isort: split
import torch

from framefall.cascade.conditioning import Conditioning, first_frames, shown
from framefall.cascade.known import Known
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.cascade.stage import Stage
from framefall.data.clip import Clip
from framefall.data.folder import FolderConfig, open_folder
from framefall.data.loader import validation
from framefall.data.media.decode import decode
from framefall.data.media.sheet import Row, clip_row, strips
from framefall.data.media.writer import write
from framefall.noise import Key, normal
from framefall.recipes.registry import RECIPES
from framefall.train import objective
from framefall.video import to_frames

HELD = 2.8  # seconds at a clip's end: one window of 16 frames at 6 a second
LEAST = 5.0  # seconds that must remain to train on
TIMES = (0.3, 0.6, 0.8, 0.95)  # of diffusion
GIVEN = 3  # frames told, where something is told
DRAWS = 8  # of noise
SHOWN = 8  # frames of a row of the sheet
PART = replace(RECIPES["worlds"]().stages["base"], text_dropout=0.0)


def cut(clips: Path, folder: Path) -> None:
    """Writes what comes before the end of each clip, and the ends, each folder with its captions."""
    captions = (clips / "captions.csv").read_text().splitlines()
    rows: dict[str, list[str]] = {"train": [captions[0]], "held": [captions[0]]}
    for row in captions[1:]:
        name, caption = row.split(",", 1)
        frames = list(decode(clips / name))
        times = [float(frame.time) for frame in frames]
        fps = (len(frames) - 1) / (times[-1] - times[0])
        ends = times[-1] - HELD
        parts = {"train": frames}
        if ends - times[0] >= LEAST:
            before = sum(time <= ends for time in times)
            parts = {"train": frames[:before], "held": frames[before:]}
        for part, some in parts.items():
            path = folder / part / Path(name).with_suffix(".mp4").name
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, (frame.pixels[None] for frame in some), fps=fps, overwrite=True)
            rows[part].append(f"{path.name},{caption}")
    for part, lines in rows.items():
        (folder / part / "captions.csv").write_text("\n".join(lines) + "\n")


def held(folder: Path) -> list[Clip]:
    """The one window of each clip that was held back."""
    source = open_folder(folder, FolderConfig(size=256))
    clips = validation(source, objective.window(PART), 64, 0)
    return list({clip.caption: clip for clip in clips}.values())


def errors(stage: Stage, clips: Sequence[Clip], t: float, given: int) -> np.ndarray:
    """The squared error of x0 of each clip, told its caption and its first `given` frames.

    Of the other frames alone: those that are given are nothing to guess, and `likelihood.denoising_error`, which holds
    clips against each other that are given alike, counts them.
    """
    video = objective.stack(clips, stage.device)
    frames = video.shape[2]
    mask = first_frames(video, torch.full((len(clips),), given))
    known = stage.codec.conditioning(Conditioning(low_res=shown(video, mask)))
    times = torch.full((len(clips), frames), t)
    times[:, :given] = 0.0
    found = []
    for draw in range(DRAWS):
        keys = [Key(draw, "own videos", clip.key) for clip in clips]
        told = objective.describe(stage, PART, clips, keys, frames)
        condition = stage.conditioned(told, known, torch.zeros(len(clips)))
        x_t = stage.process.add_noise(video, normal(keys, video.shape[1:]), times)
        with torch.no_grad():
            error = (stage.x0(x_t, times, condition).float() - video).square()
        found.append(error[:, :, given:].mean(dim=(1, 2, 3, 4)).numpy())
    return np.mean(found, axis=0)


def measure(folder: Path, models: Sequence[str]) -> None:
    """Prints each model's mean error over the clips at each of `TIMES`, and that of a clip that stands still."""
    clips = held(folder)
    video = objective.stack(clips, torch.device("cpu"))
    still = (video[:, :, GIVEN:] - video[:, :, GIVEN - 1 : GIVEN]).square().mean(dim=(1, 2, 3, 4))
    print(json.dumps({"clips": [clip.key for clip in clips], "still": round(float(still.mean()), 4)}))
    for name in models:
        stage = load_cascade(name).stages[0]
        found = {
            about: [round(float(errors(stage, clips, t, given).mean()), 4) for t in TIMES]
            for about, given in (("captions alone", 0), (f"told {GIVEN} frames", GIVEN))
        }
        print(json.dumps({name: found}), flush=True)


def sheet(folder: Path, output: Path, models: Sequence[str]) -> None:
    """Each held clip, and below it what the models make of its caption, and of its caption and first frames."""
    clips = held(folder)
    real = objective.stack(clips, torch.device("cpu"))
    fps = PART.stage.shape.fps
    captions, names = tuple(clip.caption for clip in clips), tuple(clip.key for clip in clips)
    made: dict[str, torch.Tensor] = {}
    for model in models:
        cascade = load_cascade(model)
        asked = Request(captions, frames=real.shape[2], until="base", quality="best", names=names)
        going = replace(asked, known=(Known(video=real[:, :, :GIVEN], fps=fps),))
        made[f"{Path(model).name}: asked for"] = cascade.sample(asked)
        made[f"{Path(model).name}: goes on"] = cascade.sample(going)
    rows: list[Row] = []
    for number, clip in enumerate(clips):
        rows.append(clip_row("held back", to_frames(real[number : number + 1]), fps, SHOWN, heading=str(clip.caption)))
        rows += [clip_row(name, to_frames(video[number : number + 1]), fps, SHOWN) for name, video in made.items()]
    strips(rows, output)


def main() -> None:
    """Does what it is asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = parser.add_subparsers(dest="word", required=True)
    cutting, measuring, showing = (words.add_parser(word) for word in ("cut", "measure", "sheet"))
    cutting.add_argument("clips", type=Path)
    for one in (cutting, measuring, showing):
        one.add_argument("folder", type=Path)
    showing.add_argument("output", type=Path)
    for one in (measuring, showing):
        one.add_argument("models", nargs="+")
    asked = parser.parse_args()
    if asked.word == "cut":
        cut(asked.clips, asked.folder)
    elif asked.word == "measure":
        measure(asked.folder, asked.models)
    else:
        sheet(asked.folder, asked.output, asked.models)


if __name__ == "__main__":
    main()
