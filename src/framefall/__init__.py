"""Video diffusion cascades: base, temporal super-resolution, spatial super-resolution.

Importing this loads nothing heavy: each public name arrives when it is first used.
"""

import sys
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING, Any

from framefall.threads import wait_passively

wait_passively()  # whatever starts here loads torch later

__version__ = version("framefall")

__all__ = ["RECIPES", "Cascade", "Given", "Known", "Request", "Stage", "compare", "distill", "evaluate", "generate"]
__all__ += [
    "load",
    "open_folder",
    "open_world",
    "pair",
    "prepare",
    "reinforce",
    "remake",
    "stream",
    "to_pixels",
    "train",
    "upscale",
    "write",
]

if TYPE_CHECKING:
    from framefall.cascade.cascade import Cascade
    from framefall.cascade.known import Known
    from framefall.cascade.request import Request
    from framefall.cascade.saved.checkpoint import load_cascade as load
    from framefall.cascade.stage import Stage
    from framefall.data.folder import open_folder
    from framefall.data.media.writer import write
    from framefall.recipes.registry import RECIPES
    from framefall.runs.evaluation.compare import compare
    from framefall.runs.evaluation.evaluate import assess as evaluate
    from framefall.runs.generation.generate import generate
    from framefall.runs.generation.given import Given
    from framefall.runs.generation.remake import remake
    from framefall.runs.generation.stream import stream
    from framefall.runs.generation.upscale import upscale
    from framefall.runs.prepare import prepare
    from framefall.runs.training.distill import distill
    from framefall.runs.training.pair import pair
    from framefall.runs.training.reinforce import reinforce
    from framefall.runs.training.train import train
    from framefall.video import to_pixels
    from framefall.worlds.world import open_world
else:
    # public name: the module it lives in, and its name there where that is another
    _PUBLIC = {
        "Cascade": "framefall.cascade.cascade",
        "Given": "framefall.runs.generation.given",
        "Known": "framefall.cascade.known",
        "RECIPES": "framefall.recipes.registry",
        "Request": "framefall.cascade.request",
        "Stage": "framefall.cascade.stage",
        "compare": "framefall.runs.evaluation.compare",
        "distill": "framefall.runs.training.distill",
        "evaluate": "framefall.runs.evaluation.evaluate",
        "generate": "framefall.runs.generation.generate",
        "load": "framefall.cascade.saved.checkpoint",
        "open_folder": "framefall.data.folder",
        "open_world": "framefall.worlds.world",
        "pair": "framefall.runs.training.pair",
        "prepare": "framefall.runs.prepare",
        "reinforce": "framefall.runs.training.reinforce",
        "remake": "framefall.runs.generation.remake",
        "stream": "framefall.runs.generation.stream",
        "to_pixels": "framefall.video",
        "train": "framefall.runs.training.train",
        "upscale": "framefall.runs.generation.upscale",
        "write": "framefall.data.media.writer",
    }
    _RENAMED = {"load": "load_cascade", "evaluate": "assess"}

    def __getattr__(name):
        from importlib import import_module

        if name not in _PUBLIC:
            raise AttributeError(f"module 'framefall' has no attribute {name!r}")
        return getattr(import_module(_PUBLIC[name]), _RENAMED.get(name, name))

    def __dir__():
        return [*sorted(_PUBLIC), "__version__"]

    class _Package(ModuleType):
        """`framefall.train` is what trains, also after the import system has loaded the room of that name."""

        def __setattr__(self, name: str, value: Any) -> None:
            if name not in _PUBLIC or not isinstance(value, ModuleType):
                super().__setattr__(name, value)

    sys.modules[__name__].__class__ = _Package
