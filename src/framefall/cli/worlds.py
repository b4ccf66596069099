"""`framefall worlds`: simulated scenes with known truth."""

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from framefall.cli.console import say, watched
from framefall.cli.options import Json, Overwrite


def worlds(
    scene: Annotated[
        str,
        typer.Argument(metavar="SCENE", help="A scenario, several joined by commas, all; @2: bigger things. Or JSON."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="The folder of clips and truth.")],
    count: Annotated[int, typer.Option(min=1, help="How many clips.")] = 1,
    start: Annotated[int, typer.Option(min=0, help="The first example's number.")] = 0,
    split: Annotated[
        str, typer.Option(help="train, id, ood-near, ood-far, comb or horizon; test is id and ood is ood-near.")
    ] = "train",
    frames: Annotated[
        int | None, typer.Option(min=1, help="Frames of a clip [default: as many as the scene lasts].")
    ] = None,
    size: Annotated[int, typer.Option(help="The height in pixels.")] = 64,
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 24.0,
    seed: Annotated[int, typer.Option(help="Another seed is another world.")] = 0,
    suffix: Annotated[
        str, typer.Option("--format", metavar="SUFFIX", help=".mp4, .mkv (lossless), .webm, .gif or .npy.")
    ] = ".mp4",
    violation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Also each clip's twin that breaks physics so; twins takes one that applies."
        ),
    ] = None,
    masks: Annotated[bool, typer.Option("--masks", help="Also masks, depth order and optical flow (.npz).")] = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Simulate scenes with known truth: videos, captions, and the state of every body in every frame.

    Beside each video lies a JSON file with what training reads (caption, numbers) and with all that is known: places,
    velocities, contacts, what hides what. Splits are disjoint: train on train, measure on the others. Version 2 (all@2)
    has bigger things: at 32 pixels nothing in train is less than 4 pixels across.

    \b
    Examples:
      framefall worlds occluder -o clips --count 8 --split id
      framefall worlds all -o everything --count 26 --size 128 --masks
      framefall worlds occluder -o twins --count 8 --violation twins
      framefall worlds all@2 -o small --count 26 --size 32 --fps 6
      framefall worlds my_scene.json -o mine
    """
    from framefall.runs.worlds import WorldFormat, read_scene, write_scene, write_world
    from framefall.worlds.world import open_world

    form = WorldFormat(frames=frames, fps=fps, size=size, suffix=suffix, masks=masks, overwrite=overwrite)
    if Path(scene).suffix == ".json":
        run = write_scene.events(read_scene(scene), output, form, scene)
    else:
        split = {"test": "id", "ood": "ood-near"}.get(split, split)
        world = open_world(scene, split=split, size=max(30_000, start + count), seed=seed)
        run = write_world.events(world, output, form, count=count, start=start, violation=violation)
    written = watched(run)
    say(f"{output} holds {len(written)} clips" + (f", the first: {written[0].caption}" if written else ""))
    if json:
        print(jsonlib.dumps({"clips": [vars(one) for one in written]}, indent=2))
