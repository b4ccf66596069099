"""What commands have in common: options by type, and how text becomes a value."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from torch import Tensor
    from typer import Context as Context
else:
    Context = typer.Context.__mro__[1]  # what a command is really given: click's, or that of newer typers


Model = Annotated[
    str, typer.Option("--model", metavar="NAME|FOLDER", help="A shipped model or a trained one's folder.")
]
Out = Annotated[
    Path, typer.Option("--output", "-o", metavar="OUT", help="Where to: .mp4 .webm .mkv .gif .npy, or a folder of PNG.")
]
Seed = Annotated[int, typer.Option(help="The same seed makes the same video.")]
Quality = Annotated[Literal["fast", "best"], typer.Option(help="Few steps, or more of them.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto.")]


def numbers_of(text: str | None) -> "Tensor | None":
    """The numbers in "1.5,2" as those of one clip, `[1, 1, count]`; none of none."""
    if text is None:
        return None
    import torch

    try:
        return torch.tensor([[[float(part) for part in text.split(",")]]])
    except ValueError:
        raise ValueError(f"numbers must be given like 1.5,2 and got {text!r}") from None


def size_of(text: str | None) -> tuple[int, int] | None:
    """Height and width in "256x144", width first; none of none."""
    if text is None:
        return None
    width, sign, height = text.partition("x")
    if not (sign and width.isdigit() and height.isdigit()):
        raise ValueError(f"size must be given like 256x144, width first, and got {text!r}")
    return int(height), int(width)


def device_of(name: str) -> str:
    """The device of a name; auto is a GPU where there is one."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError):
        raise ValueError(f"device must be one this machine has, got {name!r}; try cpu") from None
    return name


def given(context: Context, option: str) -> bool:
    """Whether an option was given on the command line, and is not there by default."""
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"
