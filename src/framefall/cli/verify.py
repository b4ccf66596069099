"""`framefall verify`: is a model or a checkpoint whole?"""

import json as jsonlib
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
    """Check a model or checkpoint: every file's hash, the config's schema, every tensor's shape and numbers."""
    from framefall import publish
    from framefall.cascade import checkpoint

    folder = checkpoint.find(model)
    hashes = publish.verify(folder)
    if (folder / checkpoint.CONFIG).exists():
        cascade = checkpoint.load_cascade(folder)
        sizes = {stage.name: checkpoint.parameters(stage.backbone.parameters()) for stage in cascade.stages}
    else:
        tensors = checkpoint.read_tensors(folder / "tensors.safetensors")
        sizes = {"checkpoint": checkpoint.parameters(tensors.values())}
    if json:
        print(jsonlib.dumps({"folder": str(folder), "files": hashes, "parameters": sizes}, indent=2))
    else:
        for name, digest in sorted(hashes.items()):
            print(f"{digest[:16]}  {name}")
        print("whole: " + ", ".join(f"{name} {size / 1e6:.2f} M parameters" for name, size in sizes.items()))
