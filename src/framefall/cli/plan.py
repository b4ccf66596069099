"""`framefall plan`: what a training will need, before it is paid for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from framefall.cli.console import watched
from framefall.cli.options import Json

if TYPE_CHECKING:
    from framefall.runs.training.plan import Plan


def plan(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="nano, pico, ..., imagen_video, sora_like.")],
    data: Annotated[
        str | None, typer.Option("--data", metavar="SOURCE", help="A folder of videos, shards, or a world.")
    ] = None,
    machine: Annotated[
        str, typer.Option(metavar="NxDEVICE|this", help="8xH100, 64xA100, ...; or this one, which is tried out.")
    ] = "this",
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of each stage [default: the recipe's].")] = None,
    price: Annotated[float | None, typer.Option(metavar="USD", help="Dollars an hour of one device.")] = None,
    run: Annotated[
        Path | None, typer.Option(metavar="MODEL.training", help="A run on that machine: its first 50 steps count.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, as of framefall train.")
    ] = None,
    json: Json = False,
) -> None:
    """Say what training a recipe needs: memory, operations, hours and cost of each stage, with an interval.

    What the plan takes for granted is printed below it. With --run the first 50 steps of a real run on that machine
    take the place of what was expected.

    \b
    Examples:
      framefall plan nano
      framefall plan imagen_video --machine 64xH100 --price 2.5
      framefall plan pico --data my_clips --run my_model.training
    """
    from dataclasses import asdict

    from framefall.config import override
    from framefall.jsonable import json_text
    from framefall.runs.sources import open_source
    from framefall.runs.training.plan import plan as make
    from framefall.runs.training.train import named

    chosen = override(named(recipe), settings or [])
    source = None if data is None else watched(open_source.events(data, chosen.data))
    found = make(chosen, machine, source=source, steps=steps, price=price, run=run)
    print(json_text(asdict(found)) if json else "\n".join([*_lines(found), ""]), end="")


def _lines(found: "Plan") -> list[str]:
    from framefall.memory import written

    lines = []
    for name, one in found.stages.items():
        low, middle, high = one.hours
        cost = "" if one.cost is None else f", {one.cost[1]:,.0f} US dollars ({one.cost[0]:,.0f} to {one.cost[2]:,.0f})"
        lines.append(
            f"{name}: {middle:,.2f} hours ({low:,.2f} to {high:,.2f}){cost}, {one.steps:,} steps of {one.batch} clips"
            f"{', as its first steps say' if one.measured else ''}"
        )
        lines.append(
            f"  {one.parameters / 1e6:,.1f} M parameters; {written(one.memory)} a device"
            f"{'' if one.fits else ', which it does not have'}: weights {written(one.weights)}, gradients"
            f" {written(one.gradients)}, optimiser {written(one.optimiser)}, average {written(one.average)},"
            f" activations {written(one.activations)}{', sharded' if one.sharded else ''}"
        )
        lines.append(
            f"  a step: {one.flops / 1e12:,.2f} TFLOP, {one.step_seconds[1]:,.3f} s, {written(one.sent)} sent;"
            f" {one.read / 1e9:,.1f} GB read in all"
        )
    low, middle, high = found.hours
    lines.append(f"{found.recipe} on {found.machine}: {middle:,.2f} hours ({low:,.2f} to {high:,.2f}) in all")
    return [*lines, "it takes for granted:", *(f"  - {sentence}" for sentence in found.assumptions)]
