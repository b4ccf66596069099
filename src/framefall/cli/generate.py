"""`framefall generate`: new clips from a prompt."""

import json as jsonlib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from framefall.cli.console import say, watched
from framefall.cli.options import (
    Context,
    Device,
    Json,
    Model,
    Out,
    Quality,
    Seed,
    device_of,
    given,
    numbers_of,
    size_of,
)
from framefall.weights import DEFAULT


def generate(
    context: Context,
    prompt: Annotated[
        str | None, typer.Argument(help="What to show; without it the model makes what it likes.")
    ] = None,
    output: Out = Path("out.mp4"),
    model: Model = DEFAULT,
    seed: Seed = 0,
    count: Annotated[int, typer.Option(min=1, help="How many clips; they are numbered.")] = 1,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Frames of a clip [default: what the model was made for].")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="The length of a clip instead of its frames.")] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Pixels of a clip, for a model trained with buckets.")
    ] = None,
    quality: Quality = "fast",
    guidance: Annotated[
        float | None, typer.Option(help="How strongly the prompt pulls: 1 not at all beyond the model itself.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Stop after this stage.")] = None,
    numbers: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Numbers to condition on, for a model trained with some.")
    ] = None,
    save_stages: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep every stage's clip as well.")] = None,
    accelerate: Annotated[
        bool, typer.Option("--accelerate", help="Run the base by OpenVINO, if installed: for many clips.")
    ] = False,
    batch: Annotated[
        int, typer.Option(min=1, help="Clips that are made together: faster with small networks, equal up to rounding.")
    ] = 1,
    like: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Make this generated clip again; other options change what it says."),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Also write a contact sheet (.png) and scores (.json), and print them.")
    ] = False,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Make new clips from a prompt.

    The base stage draws a short, small clip from noise; the stages above it make it long, smooth and sharp. The same
    prompt, seed, model and quality make the same file. The file says in its tags that it is generated, and how; --like
    reads these tags and makes the clip again, bit for bit with the same versions on the same machine.

    \b
    Examples:
      framefall generate "people walk across a square" -o walk.mp4 --seed 7
      framefall generate "a cup turns" -o cup.mp4 --count 4 --quality best
      framefall generate -o mine.webm --model my_model --seconds 4 --report
      framefall generate --like walk.mp4 -o again.mp4
      framefall generate --like walk.mp4 -o other.mp4 --seed 8
    """
    from framefall.cascade.request import Request
    from framefall.runs.generate import generate as make
    from framefall.runs.remake import remake

    if like is not None and not given(context, "output"):
        output = like.with_name(f"{like.stem}-again{like.suffix}")
    if report and output.suffix.lower() in (".npy", ".png"):
        raise ValueError(f"--report reads the clip back and puts a .png beside it, got {output.name}; try .mp4")
    asked: dict[str, Any] = {
        "prompt": prompt,
        "seed": seed,
        "count": count,
        "frames": frames,
        "seconds": seconds,
        "size": size_of(size),
        "quality": quality,
        "guidance_scale": guidance,
        "until": until,
        "numbers": numbers_of(numbers),
    }
    how: dict[str, Any] = {"batch": batch, "save_stages": save_stages, "device": device_of(device)}
    if like is None:
        run = make.events(Request(**asked), output, model, accelerate=accelerate, **how)
    else:
        changes = {name: value for name, value in asked.items() if given(context, _OPTIONS.get(name, name))}
        chosen = model if given(context, "model") else None
        how["accelerate"] = accelerate if given(context, "accelerate") else None
        run = remake.events(like, output, chosen, changes=changes, **how)
    records, tables = watched(run), []
    for record in records if report else ():
        from framefall.runs.clip_report import report as judge

        path = Path(record.path)
        text, values = judge(path)
        if not json:
            print(text, end="")
        tables.append(values)
        say(f"contact sheet {path.with_suffix('.png')}, scores {path.with_suffix('.json')}")
    if json:
        made = {"clips": [asdict(record) for record in records]}
        print(jsonlib.dumps(made | ({"reports": tables} if report else {}), indent=2))


_OPTIONS = {"guidance_scale": "guidance"}  # fields of a request whose options have other names
