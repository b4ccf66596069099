"""`framefall pair`: a model whose `fast` is drawn by what its base was distilled into."""

from pathlib import Path
from typing import Annotated

import typer

from framefall.cli.console import say
from framefall.cli.options import Json


def pair(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A shipped model or a trained one's folder.")],
    fast: Annotated[str, typer.Argument(metavar="FAST", help="What framefall distill made of it.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="BOTH", help="The folder of the model of both.")],
    json: Json = False,
) -> None:
    """Put what a model's base was distilled into beside it: quality fast is drawn by few steps, all else as before.

    BOTH is one model. Its fast clips take the distilled base, guidance included; best, guidance of other kinds,
    training with --init and measurements take the base that was distilled.

    \b
    Examples:
      framefall distill my_model -o few --minutes 30
      framefall pair my_model few -o both
      framefall generate "a red ball falls" --model both -o ball.mp4
    """
    from framefall.jsonable import json_text
    from framefall.runs.training.pair import pair as run

    run(model, fast, output)
    if json:
        print(json_text({"model": str(output), "base": model, "fast": fast}), end="")
    say(f"{output} draws fast with the base of {fast}, and all else with that of {model}")
