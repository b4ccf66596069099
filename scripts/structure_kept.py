"""How far a model keeps structure and content of clips: figures as JSON, and a contact sheet to look at.

python scripts/structure_kept.py MODEL CLIPS OUT.png [--count 6]
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

import framefall  # noqa: F401  (before torch: it says how torch's threads wait)

# isort: split
import torch

from framefall.cascade.conditioning import structure_map
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.data.folder import FolderConfig, open_folder
from framefall.data.loader import validation
from framefall.data.media.sheet import Row, strips
from framefall.data.window import Window
from framefall.evaluate.stages.structure import Told, made_as
from framefall.video import from_pixels, to_frames


def main() -> None:
    """Prints the table and writes the sheet."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("clips")
    parser.add_argument("output", type=Path)
    parser.add_argument("--count", type=int, default=6)
    asked = parser.parse_args()
    stage = load_cascade(asked.model).stages[0]
    shape = stage.config.shape
    window = Window(frames=shape.frames, fps=shape.fps, height=shape.height, width=shape.width, flip=False)
    clips = validation(open_folder(asked.clips, FolderConfig(size=256)), window, asked.count, 0)
    videos = [from_pixels(torch.from_numpy(clip.pixels))[None] for clip in clips]
    count, plain = len(videos), stage.sampling("best")

    def guided(**scales: float):
        return replace(plain, guidance=replace(plain.guidance, scale=1.0, interval=(0.0, 1.0), **scales))

    rows = {
        "told its own": (lambda i: Told(structure=i, content=i), guided()),
        "structure alone": (lambda i: Told(structure=i, content=None), guided()),
        "content alone": (lambda i: Told(structure=None, content=i), guided()),
        "told nothing": (lambda i: Told(structure=None, content=None), guided()),
        "another's structure": (lambda i: Told(structure=(i + 1) % count, content=i), guided()),
        "another's content": (lambda i: Told(structure=i, content=(i + 1) % count), guided()),
        "structure_scale=1.5": (lambda i: Told(structure=i, content=i), guided(structure_scale=1.5)),
        "another's, structure_scale=1.5": (
            lambda i: Told(structure=(i + 1) % count, content=i),
            guided(structure_scale=1.5),
        ),
        "content_scale=2": (lambda i: Told(structure=i, content=i), guided(content_scale=2.0)),
        "blur 3": (lambda i: Told(structure=i, content=i, blur=3), guided()),
        "blur 6": (lambda i: Told(structure=i, content=i, blur=6), guided()),
    }
    made, table = {}, {}
    for name, (what, sampling) in rows.items():
        made[name] = made_as(stage, videos, [what(i) for i in range(count)], sampling, seed=0)
        table[name] = {
            "structure": round(float(np.mean([one.structure for one in made[name]])), 3),
            "structures": [round(one.structure, 3) for one in made[name]],
            "content": round(float(np.mean([one.content for one in made[name]])), 3),
        }
        print(name, json.dumps(table[name]), flush=True)
    shown = []
    for i, video in enumerate(videos[:4]):
        maps = structure_map(video, stage.task.structure).expand(-1, 3, -1, -1, -1)
        shown += [Row("input", to_frames(video)[::2], heading=clips[i].key), Row("edges", to_frames(maps)[::2])]
        shown += [Row(name, to_frames(made[name][i].video)[::2]) for name in list(rows)[:7]]
    strips(shown, asked.output)
    print(json.dumps(table, indent=2))


if __name__ == "__main__":
    main()
