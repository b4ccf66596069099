"""`framefall verify`: is a model or a checkpoint whole?"""

from pathlib import Path
from typing import Annotated

import typer

from framefall.cli.options import Json


def verify(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL|CHECKPOINT", help="The folder of a model or a training checkpoint.")
    ],
    json: Json = False,
) -> None:
    """Check a model or checkpoint: every file's hash, the config's schema, every tensor's shape and numbers.

    Exit code 0 means whole. What is missing, changed or does not fit is named in a sentence.

    \b
    Examples:
      framefall verify my_model
      framefall verify my_model.training/base/checkpoints/00000400
    """
    from framefall import publish
    from framefall.cascade.saved import checkpoint
    from framefall.jsonable import json_text
    from framefall.train import resume

    folder = checkpoint.find(model)
    if (folder / checkpoint.CONFIG).exists():
        cascade, hashes = checkpoint.verified(folder)
        sizes = {stage.name: checkpoint.parameters(stage.backbone.parameters()) for stage in cascade.stages}
    else:
        hashes = publish.verify(folder)
        sizes = {"checkpoint": checkpoint.parameters(resume.read(folder).values())}
    if json:
        print(json_text({"folder": str(folder), "files": hashes, "parameters": sizes}), end="")
    else:
        for name, digest in sorted(hashes.items()):
            print(f"{digest[:16]}  {name}")
        print("whole: " + ", ".join(f"{name} {size / 1e6:.2f} M parameters" for name, size in sizes.items()))
