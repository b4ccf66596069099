"""`framefall generate`: new clips from a prompt."""

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from framefall.cli.console import say, watch
from framefall.cli.options import SHIPPED, Device, Json, Model, Out, Quality, Seed, device_of, made, numbers_of, size_of


def generate(
    prompt: Annotated[
        str | None, typer.Argument(help="What to show; without it the model makes what it likes.")
    ] = None,
    output: Out = Path("out.mp4"),
    model: Model = SHIPPED,
    seed: Seed = 0,
    count: Annotated[int, typer.Option(min=1, help="How many clips; they are numbered.")] = 1,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Frames of a clip [default: what the model was made for].")
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Pixels of a clip, for a model trained with buckets.")
    ] = None,
    quality: Quality = "best",
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Stop after this stage.")] = None,
    numbers: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Numbers to condition on, for a model trained with some.")
    ] = None,
    save_stages: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep every stage's clip as well.")] = None,
    accelerate: Annotated[
        bool, typer.Option("--accelerate", help="Run the base by OpenVINO, if installed: for many clips.")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Also write a contact sheet (.png) and scores (.json), and print them.")
    ] = False,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Make new clips from a prompt.

    framefall generate "people walk across a square" -o walk.mp4 --seed 7
    """
    from framefall.cascade.checkpoint import load_cascade
    from framefall.runs import generate as generation

    if report and output.suffix.lower() in (".npy", ".png"):
        raise ValueError(f"--report reads the clip back and puts a .png beside it, got {output.name}; try .mp4")
    cascade = load_cascade(model, device_of(device))
    if size:
        cascade = cascade.sized(*size_of(size))
    if accelerate:
        cascade = generation.accelerate(cascade)
    records, tables = [], []
    for index, path in enumerate(generation.numbered(output, count)):
        made_with = generation.provenance(model, seed, quality, prompt)
        record = generation.generate(
            cascade,
            prompt,
            path,
            seed=seed,
            clip=str(index),
            frames=frames,
            quality=quality,
            until=until,
            numbers=numbers_of(numbers),
            save_stages=save_stages,
            made_with=made_with,
            watch=watch,
        )
        records.append(record)
        say(made(record))
        if report:
            text, values = generation.report(path)
            if not json:
                print(text, end="")
            tables.append(values)
            say(f"contact sheet {path.with_suffix('.png')}, scores {path.with_suffix('.json')}")
    if json:
        values = {"clips": [vars(record) for record in records]}
        print(jsonlib.dumps(values | ({"reports": tables} if report else {}), indent=2))
