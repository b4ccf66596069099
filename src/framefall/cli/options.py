"""What commands have in common: options by type, and how text becomes a value."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from framefall.runs.generate import Record

SHIPPED = "pico"
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


def numbers_of(text: str | None) -> list[float] | None:
    """The numbers in "1.5,2"; none of none."""
    try:
        return None if text is None else [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"numbers must be given like 1.5,2 and got {text!r}") from None


def size_of(text: str) -> tuple[int, int]:
    """Height and width."""
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


def made(record: "Record") -> str:
    """A clip that was made, in a sentence."""
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in record.seconds.items())
    size = f"{record.frames} frames of {record.width}x{record.height} at {record.fps:g} a second"
    return f"{record.path}: {size} ({seconds})"
