"""`framefall plan`: what a training will need, before it is paid for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from framefall.cli.console import watched
from framefall.cli.options import Json

if TYPE_CHECKING:
    from framefall.runs.training.plan import Interval, Plan


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
        cost = "" if one.cost is None else f", {_interval(one.cost, 'US dollars')}"
        lines.append(
            f"{name}: {_hours(one.hours)}{cost}, {one.steps:,} steps of {one.batch} clips"
            f"{', as its first steps say' if one.measured else ''}"
        )
        lines.append(
            f"  {one.parameters / 1e6:,.1f} M parameters; {written(one.memory)} a device"
            f"{'' if one.fits else ', which it does not have'}: weights {written(one.weights)}, gradients"
            f" {written(one.gradients)}, optimiser {written(one.optimiser)}, average {written(one.average)},"
            f" activations {written(one.activations)}{', sharded' if one.sharded else ''}"
        )
        lines.append(
            f"  a step: {_number(one.flops / 1e12)} TFLOP, {_number(one.step_seconds[1])} s, {written(one.sent)} sent;"
            f" {written(one.read)} read in all"
        )
    lines.append(f"{found.recipe} on {found.machine}: {_hours(found.hours)} in all")
    return [*lines, "it takes for granted:", *(f"  - {sentence}" for sentence in found.assumptions)]


def _hours(interval: "Interval") -> str:
    """A duration in the largest unit that the expected one has a whole one of."""
    units = {"hours": 1.0, "minutes": 1 / 60, "seconds": 1 / 3600}
    unit = next((unit for unit, length in units.items() if interval[1] >= length), "seconds")
    low, middle, high = (one / units[unit] for one in interval)
    return _interval((low, middle, high), unit)


def _interval(interval: "Interval", unit: str) -> str:
    low, middle, high = map(_number, interval)
    return f"{middle} {unit} ({low} to {high})"


def _number(value: float) -> str:
    """No more exact than a plan is, and never 0 of something."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
