"""Many clips of each scenario to look at: a contact sheet and a moving picture of each, and the captions."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from framefall.bench.guidance import batches
from framefall.cascade.cascade import Cascade
from framefall.cascade.request import Quality, Request
from framefall.data.media.sheet import Row, evenly, strips
from framefall.evaluate.worldbench.benchmark import Protocol, cases
from framefall.outputs import FolderKind, Output
from framefall.progress import Events, Stepped
from framefall.video import resize, to_frames
from framefall.worlds.captions.sentences import describe

SHEETS = FolderKind("contact sheets", needs="captions.txt", only=r"captions\.txt|\w+\.(png|webp)")
CLIPS = 64  # of a scenario
SHOWN = 8  # frames of a clip on the sheet
SIDE = 64  # pixels of a frame's height
ROW, GRID = 4, 8  # clips side by side, on the sheet and in the moving picture

Picture = UInt8[np.ndarray, "frames height width channels"]


def drawn(cascade: Cascade, protocol: Protocol, quality: Quality, folder: Output) -> Events[None]:
    """Writes SCENARIO.png, SCENARIO.webp and what was asked for: clips of captions of the id split by the first stage.

    One scenario is held at a time. Clips stand in reading order, numbered as in captions.txt.
    """
    stage, captions = cascade.stages[0].name, list[str]()
    with folder.writing() as partial:
        for place, scenario in enumerate(protocol.scenarios):
            yield Stepped(place, len(protocol.scenarios), f"sheet of {scenario}")
            made: dict[str, Picture] = {}
            given = list(cases(replace(protocol, scenarios=(scenario,), clips=CLIPS), "id"))
            for batch in batches(given):
                request = Request(
                    tuple(describe(case.log.scene) for case in batch),
                    frames=batch[0].frames,
                    until=stage,
                    quality=quality,
                    seed=protocol.seed,
                    names=tuple(case.name for case in batch),
                )
                for case, video in zip(batch, cascade.sample(request).cpu().split(1), strict=True):
                    large = resize(video.flatten(0, 1)[None], SIDE, round(SIDE * case.log.scene.width))
                    made[case.name] = to_frames(large.clamp(-1, 1))
            captions += [scenario, *(f"{number:>3} {describe(case.log.scene)}" for number, case in enumerate(given))]
            _draw(partial, scenario, [made[case.name] for case in given], protocol.fps)
        (partial / "captions.txt").write_text("\n".join(captions) + "\n")


def _draw(folder: Path, scenario: str, clips: Sequence[Picture], fps: float) -> None:
    """The two pictures of a scenario; places that no clip takes are black."""
    few = [clip[evenly(len(clip), SHOWN)] for clip in clips]
    rows = [few[first : first + ROW] for first in range(0, len(few), ROW)]
    strips(
        [Row(f"{ROW * place:>3}", np.concatenate(row)) for place, row in enumerate(rows)], folder / f"{scenario}.png"
    )
    frames, height, width, channels = clips[0].shape
    grid = np.zeros((frames, -(-len(clips) // GRID) * height, GRID * width, channels), np.uint8)
    for place, clip in enumerate(clips):
        top, left = place // GRID * height, place % GRID * width
        still = clip[np.minimum(np.arange(frames), len(clip) - 1)]  # a shorter one ends in its last frame
        grid[:, top : top + height, left : left + width] = still
    first, *others = (Image.fromarray(frame if channels == 3 else frame[..., 0]) for frame in grid)
    first.save(
        folder / f"{scenario}.webp", save_all=True, append_images=others, duration=round(1000 / fps), loop=0, quality=80
    )
