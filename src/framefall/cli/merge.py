"""`framefall merge`: a model with a LoRA in its weights, as a model of its own."""

from pathlib import Path
from typing import Annotated

import typer

from framefall.cli.console import say
from framefall.cli.options import Json


def merge(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model that the LoRA was trained on.")],
    lora: Annotated[Path, typer.Argument(metavar="LORA", help="The folder that framefall train --lora made.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="MERGED", help="The folder of the merged model.")],
    strength: Annotated[float, typer.Option(min=-4, max=4, help="How much of it is added.")] = 1.0,
    json: Json = False,
) -> None:
    """Write a model with a LoRA added to its weights, a model like any other.

    \b
    Examples:
      framefall merge pico my_lora -o merged
      framefall generate "a cup turns" -o cup.mp4 --model merged
    """
    from framefall import outputs
    from framefall.cascade.saved.checkpoint import MODEL, find, load_cascade, save
    from framefall.jsonable import json_text

    outputs.folder(output, MODEL, overwrite=None, sources=[find(model), lora])
    save(load_cascade(model).with_lora(lora, strength), output)
    say(f"{output} is {model} with {lora}")
    if json:
        print(json_text({"model": str(output), "base": model, "lora": str(lora), "strength": strength}), end="")
