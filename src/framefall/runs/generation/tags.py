"""What a file says of how it was made: tags that are enough to make it again, and how they are read and compared."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from framefall.cascade.cascade import Cascade
from framefall.cascade.record import to_record
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import fingerprint
from framefall.data.media.tags import read_tags
from framefall.provenance import machine

# libraries that decide on bits: of the numbers, and of what a file makes of them
LIBRARIES = ("torch", "numpy", "opencv-python-headless", "av", "pillow")


def provenance(
    cascade: Cascade, called: str | Path | None = None, device: str | torch.device = "cpu"
) -> dict[str, Any]:
    """What makes a file beside the request: generator, model and the hash of what it computes, versions, machine.

    `called` is how the model was named. An absolute path would tell whoever gets the file about somebody's disk: its
    last part stands for it.
    """
    from framefall import __version__

    return {
        "ai_generated": True,
        "generator": f"framefall {__version__}",
        **named(cascade, called),
        "versions": {name: version(name) for name in LIBRARIES},
        "machine": _machine(str(device)),
    }


def named(cascade: Cascade, called: str | Path | None = None) -> dict[str, str]:
    """A model's name and the hash of what it computes."""
    model = cascade.config.name if called is None else plain(Path(called))
    return {"model": model, "model_sha256": fingerprint(cascade)}


def tagged(made_with: Mapping[str, Any], request: Request | None = None) -> dict[str, str]:
    """The tags of a file: its title, and a comment that says that it is generated, and how. One clip a request."""
    if request is None:
        return {"title": "", "comment": json.dumps(dict(made_with))}
    (caption,) = request.captions
    about = {"prompt": caption, "seed": str(request.seed), "quality": request.quality, "request": to_record(request)}
    return {"title": caption or "", "comment": json.dumps({**made_with, **about})}


def read_made(path: str | Path) -> dict[str, Any]:
    """What `generate` wrote into a file. Raises `ValueError` for one that it did not make."""
    try:
        made = json.loads(read_tags(path).get("comment", ""))
    except (ValueError, RecursionError) as error:
        if not isinstance(error, json.JSONDecodeError):
            raise
        made = None
    if not isinstance(made, dict) or not str(made.get("generator", "")).startswith("framefall "):
        raise ValueError(f"{path} must be made by framefall generate: its tags do not say so; name such a file")
    if not isinstance(made.get("request"), dict):
        what = "was made by another command" if "versions" in made else "was made before files said what was asked for"
        raise ValueError(f"{path} must say in its tags what was asked for, and {what}; generate it anew")
    return made


def changed(made: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In what libraries and machine differ from those that made a file, so that its bits may come out otherwise."""
    found = [] if made.get("generator") == now["generator"] else [f"{made.get('generator')}, now {now['generator']}"]
    for name in ("versions", "machine"):
        before, today = made.get(name), now[name]
        before = before if isinstance(before, dict) else {}
        found += [
            f"{key} {before.get(key)}, now {today.get(key)}" for key in today if before.get(key) != today.get(key)
        ]
    return found


def plain(called: Path) -> str:
    """A path as a file may tell it to whoever gets it: of one that says where somebody's disk has it, the last part."""
    return called.name if called.is_absolute() or ".." in called.parts else called.as_posix()


@cache
def _machine(device: str) -> dict[str, str]:
    about = {"processor": str(machine()["cpu"]), "capability": torch.backends.cpu.get_cpu_capability()}
    return about | ({} if device == "cpu" else {"device": torch.cuda.get_device_name(device)})
