"""`framefall compare`: ways to fuse frames across time, side by side."""

import json as jsonlib
from pathlib import Path
from typing import Annotated, Literal

import typer

from framefall.cli.console import say, watched
from framefall.cli.options import Json, Seed


def compare(
    source: Annotated[str, typer.Argument(help="A folder of videos, images and captions; or a world.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where tables and pictures go.")] = Path(
        "comparison"
    ),
    fusion: Annotated[
        str, typer.Option(metavar="LIST", help="per_frame, conv3d, temporal, sparse, joint: some of them.")
    ] = "per_frame,conv3d,temporal,sparse,joint",
    minutes: Annotated[float, typer.Option(min=0.01, help="Minutes of training, of all together.")] = 10.0,
    equal: Annotated[
        Literal["flops", "minutes", "steps"], typer.Option(help="What each way is given the same of.")
    ] = "flops",
    size: Annotated[int, typer.Option(min=8, help="Pixels a side of the clips.")] = 32,
    count: Annotated[int, typer.Option(min=2, help="Held-out clips, and samples of each way.")] = 16,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Train one network with several ways to fuse frames across time, on your clips, and measure them side by side.

    Each way gets the same budget. Then all are asked how well they denoise clips that they never saw, how much their
    own clips flicker and move beside real ones, and what a step costs in time and memory.

    \b
    Examples:
      framefall compare my_clips --fusion per_frame,temporal --minutes 20
      framefall compare uniform,collision -o fusions --minutes 40 --json
    """
    from framefall import outputs
    from framefall.data.folder import FolderConfig
    from framefall.runs.evaluation.compare import Comparison, table
    from framefall.runs.evaluation.compare import compare as run
    from framefall.runs.sources import open_source

    names = tuple(name.strip() for name in fusion.split(","))
    comparison = Comparison(fusions=names, minutes=minutes, equal=equal, size=size, clips=count, seed=seed)
    outputs.check_container(output, [source])
    if output.exists() and any(output.iterdir() if output.is_dir() else [output]):
        raise ValueError(f"{output} is not empty; choose another folder with -o, or remove it")
    clips = watched(open_source.events(source, FolderConfig(size=max(64, size), fps=24.0)))
    answer = watched(run.events(clips, comparison, output))
    print(jsonlib.dumps(answer, indent=2) if json else table(answer), end="\n" if json else "")
    say(f"{output} has compare.png, samples.png and compare.json")
