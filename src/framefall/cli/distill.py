"""`framefall distill`: a trained model made good at few steps."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from framefall.cli.console import say, watched
from framefall.cli.options import Device, Json, device_of


def distill(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A shipped model or a trained one's folder.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FAST", help="The folder of the fast model.")],
    source: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE", help="Clips or a world to learn on [default: the world that it was trained on]."
        ),
    ] = None,
    method: Annotated[
        Literal["flow_map", "progressive"],
        typer.Option(help="Weights for 1, 2, 4, ... steps; or the classic, which halves the steps in rounds."),
    ] = "flow_map",
    stage: Annotated[str, typer.Option(metavar="NAME", help="The stage to distil.")] = "base",
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of training, in each round.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Minutes of training, shared among rounds.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an earlier run stopped.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: batch=8, distillation.ramp_steps=100."),
    ] = None,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Distil a stage of a trained model, so that few steps do what many did; the other stages stay as they are.

    flow_map: one set of weights that is good at 1, 2, 4, ... 32 steps, and that takes the guidance scale as an input:
    a step is one call. progressive: Imagen Video's way, 32 to 16 to 8 steps. FAST is a model like any other:
    `framefall generate --model FAST`, --quality fast and best. A run that was stopped goes on with --resume.

    \b
    Examples:
      framefall distill worlds -o fast --minutes 30
      framefall distill my_model -o fast --source my_clips --steps 2000
      framefall distill my_model -o fast --source my_clips --method progressive --stage temporal_sr
    """
    from framefall import ranks
    from framefall.jsonable import json_text
    from framefall.runs.training.distill import distill as run

    with ranks.joined():
        made = watched(
            run.events(
                model,
                output,
                source,
                method=method,
                stage=stage,
                steps=steps,
                minutes=minutes,
                resume=resume,
                settings=tuple(settings or ()),
                device=device_of(device),
            )
        )
        if ranks.rank() == 0:
            say(f"{made.said()}; logs, checkpoints and sample strips are in {output}.training")
        if json and ranks.rank() == 0:
            distances = {
                steps: {"student": mine, "teacher": theirs} for steps, (mine, theirs) in made.distances.items()
            }
            print(json_text({**vars(made), "distances": distances}), end="")
