"""`framefall upscale`: real videos made longer in frames and sharper in space."""

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from framefall.cli.console import say, watched
from framefall.cli.options import Device, Json, Memory, Model, Out, Overwrite, Quality, Seed, device_of
from framefall.weights import FILMED


def upscale(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A video, an image, or a folder of frames.")],
    output: Out,
    space: Annotated[int, typer.Option(min=1, help="Times the height and width.")] = 4,
    time: Annotated[int, typer.Option(min=1, help="Times the frames a second.")] = 4,
    model: Model = FILMED,
    seed: Seed = 0,
    quality: Quality = "fast",
    memory: Memory = None,
    overwrite: Overwrite = False,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Make a real video longer in frames, sharper in space, or both.

    The super-resolution stages of a model work alone here. The frames that are given stay as they are; between each
    two of them new ones are made. Any length and size goes: it is done piece by piece. What takes long says before it
    begins how long, and how much memory.

    \b
    Examples:
      framefall upscale clip.mp4 -o large.mp4 --time 1
      framefall upscale clip.mp4 -o smooth.mp4 --space 1 --time 4
    """
    from framefall.runs.generation.upscale import upscale as enlarge

    record = watched(
        enlarge.events(
            source,
            output,
            model,
            space=space,
            time=time,
            seed=seed,
            quality=quality,
            memory=memory,
            overwrite=overwrite,
            device=device_of(device),
        )
    )
    say(str(record))
    if json:
        print(jsonlib.dumps(vars(record), indent=2))
