"""`framefall export`: a model's networks as files that run without Framefall."""

from pathlib import Path
from typing import Annotated

import typer

from framefall.cli.console import say, watched
from framefall.cli.options import Json, Overwrite


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A shipped model or a trained one's folder.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="The folder of exported networks.")],
    format: Annotated[str, typer.Option("--format", metavar="NAME", help="onnx, openvino or torch-export.")] = "onnx",
    prompt: Annotated[
        str | None, typer.Option(metavar="TEXT", help="A prompt whose token states are written as an input to try.")
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Write a model's networks as files that run without Framefall, stage by stage.

    Each file is a stage's (x_t, t, conditions by name) -> x0 for any number of clips, and any length and size where
    that can be. Beside it is STAGE.npz, the inputs of a walk with its result: the prompt's token states are such an
    input, the text tower is not exported. A network that differs from ours by more than 0.001 is not written.

    \b
    Examples:
      framefall export pico -o pico_onnx --format onnx --prompt "a cup turns"
      python examples/run_exported.py pico_onnx base clip.npy
    """
    from dataclasses import asdict

    from framefall.jsonable import json_text
    from framefall.runs.exports import export as run

    made = watched(run.events(model, output, format, prompt=prompt, overwrite=overwrite))
    for name, stage in made.stages.items():
        sizes = "any length and size" if stage.free_sizes else "one length and size"
        say(
            f"{name}: {stage.file}, {sizes}, within {stage.distance:.1e} of ours,"
            f" {stage.theirs_ms:.0f} ms a call beside {stage.ours_ms:.0f} ms"
        )
    if json:
        print(json_text(asdict(made)), end="")
