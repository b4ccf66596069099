"""`framefall reinforce`: a trained model's base made better at what is asked for, by judging its own clips."""

from pathlib import Path
from typing import Annotated

import typer

from framefall.cli.console import say, watched
from framefall.cli.options import Device, Json, device_of


def reinforce(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A shipped model or a trained one's folder.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="BETTER", help="The folder of the better model.")],
    source: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Clips with captions, or a world [default: the world that it was trained on].",
        ),
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds of drafts, judgement and learning.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Minutes, in place of rounds.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an earlier run stopped.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: reinforcement.drafts=16, exact=0.5."),
    ] = None,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Improve a model's base by what its own clips are worth: they are tracked, and held against their prompts.

    In each round the base makes several drafts of each of some prompts; those that show more of the prompt, keep more
    laws of motion and flicker less than the others are learnt, those that do worse are learnt away from (DiffusionNFT).
    Half of the drafts go on from the first frames of a clip, and are held against it besides.
    The prompts are captions of SOURCE, whose clips are learnt beside the drafts; things in them must be such that can
    be tracked: coloured, and moving. From Python any reward will do: `framefall.reinforce(model, output, reward=...)`.
    The other stages stay as they are. A distilled base stays so.

    \b
    Examples:
      framefall reinforce worlds -o better --minutes 60
      framefall reinforce my_model -o better --source my_clips --rounds 50
      framefall reinforce my_model -o better --set reinforcement.drafts=16 --resume
      framefall reinforce my_model -o better --set reinforcement.going_on=0
    """
    from framefall.jsonable import json_text
    from framefall.runs.training.reinforce import reinforce as run

    made = watched(
        run.events(
            model,
            output,
            source,
            rounds=rounds,
            minutes=minutes,
            resume=resume,
            settings=tuple(settings or ()),
            device=device_of(device),
        )
    )
    say(f"{made.said()}; log, checkpoints and sample strips are in {output}.training")
    if json:
        print(json_text(vars(made)), end="")
