"""What commands have in common: options by type, and how text becomes a value."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        help="Where to: .mp4 .webm .mkv .gif .npy, a folder of PNG; .png; of fields .nc .zarr .npy .ome.tif.",
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace files that are there, whoever made them; never a user's folder.")
]
Seed = Annotated[int, typer.Option(help="The same seed makes the same video.")]
Quality = Annotated[Literal["fast", "best"], typer.Option(help="Few steps, or more of them.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Memory = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="The most memory to take, such as 4GB; half of what is free by default."),
]
On = Annotated[
    Literal["ray"] | None,
    typer.Option("--on", help="Share the work among a Ray cluster: that of $RAY_ADDRESS, or this machine's cores."),
]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto.")]


def numbers_of(text: str | None) -> "Tensor | None":
    """The numbers in "1.5,2" as those of one clip, or a file of them with a row a frame: `[1, instants, count]`."""
    if text is None:
        return None
    import torch

    path = Path(text)
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else [text]
        rows = [[float(part) for part in line.split(",")] for line in lines if line.strip()]
        numbers = torch.tensor([rows])
        if numbers.ndim != 3 or not bool(torch.isfinite(numbers).all()):
            raise ValueError
    except ValueError:
        raise ValueError(
            f"numbers must be given like 1.5,2 or as a file with such a line for each frame, all as long; got {text!r}"
        ) from None
    return numbers


def image_of(text: str) -> tuple[str, float]:
    """The file and the second in "a.png@2.5"; second 0 without one."""
    path, sign, second = text.rpartition("@")
    if not sign:
        return text, 0.0
    try:
        return path, float(second)
    except ValueError:
        return text, 0.0  # the sign is part of the name


def prompts_of(texts: list[str]) -> tuple[tuple[float, str | None], ...]:
    """The seconds and the prompts in "3 it bounces", "5.5 it stops"."""
    found: list[tuple[float, str | None]] = []
    for text in texts:
        second, _, prompt = text.strip().partition(" ")
        try:
            found.append((float(second), prompt.strip() or None))
        except ValueError:
            raise ValueError(f'a later prompt must be given like "3 it bounces", and got {text!r}') from None
    return tuple(found)


def guidance_of(text: str | None) -> tuple[dict[str, Any] | None, str | None]:
    """The settings in "2.5" or "scale=2.5,oscillate=1:4" by their names, and the weaker model if one is named."""
    if text is None:
        return None, None
    from dataclasses import fields

    from framefall.diffusion.guidance_config import Guidance

    names = [field.name for field in fields(Guidance)]
    found: dict[str, Any] = {}
    for part in text.split(","):
        name, _, value = part.partition("=") if "=" in part else ("scale", "", part)
        if name in found:
            raise ValueError(f"a setting of guidance must be given once, got {name} twice in {text!r}")
        if name not in (*names, "weaker"):
            raise ValueError(f"a setting of guidance must be one of {', '.join(names)}, weaker; got {name!r}")
        found[name] = value if name == "weaker" else _setting(name, value)
    weaker = found.pop("weaker", None)
    return found or None, weaker


def _setting(name: str, text: str) -> Any:
    """2.5, the pair 0.1:0.9, or none of it: off."""
    if text == "off" and name in ("threshold", "oscillate"):
        return None
    try:
        first, *rest = (float(part) for part in text.split(":"))
        if not rest:
            return first
        (second,) = rest
    except ValueError:
        raise ValueError(
            f"guidance must be given like 2.5 or scale=2.5,interval=0.1:0.9,oscillate=1:4, and got {name}={text}"
        ) from None
    return (first, int(second)) if name == "oscillate" and second.is_integer() else (first, second)


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


def was_given(context: Context, option: str) -> bool:
    """Whether an option was given on the command line, and is not there by default."""
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"
