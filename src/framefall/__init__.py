"""Video diffusion cascades: base, temporal super-resolution, spatial super-resolution.

Importing this loads nothing heavy: each public name arrives when it is first used.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

__version__ = version("framefall")

# public name: where it lives
_PUBLIC = {
    "Cascade": "framefall.cascade.cascade",
    "Event": "framefall.cascade.cascade",
    "RECIPES": "framefall.recipes.presets",
    "Stage": "framefall.cascade.stage",
    "assess": "framefall.runs.evaluate",
    "generate": "framefall.runs.generate",
    "load_cascade": "framefall.cascade.checkpoint",
    "open_folder": "framefall.data.folder",
    "to_pixels": "framefall.video",
    "train_cascade": "framefall.runs.train",
    "upscale": "framefall.runs.generate",
    "write": "framefall.data.writer",
}

__all__ = ["RECIPES", "Cascade", "Event", "Stage", "assess", "generate", "load_cascade", "open_folder", "to_pixels"]
__all__ += ["train_cascade", "upscale", "write"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'framefall' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(_PUBLIC)
