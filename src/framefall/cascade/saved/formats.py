"""Configs of older formats, brought to the present one, so that models and checkpoints made before still load.

Format 1 had a stage's task as a word, and what belongs to the task beside it. Format 2 had three numbers of guidance
among those of sampling.
"""

import json
from typing import Any

from framefall.config import chosen

Plain = dict[str, Any]

FORMAT = 3  # what is written today

# the fields that stages' configs have had since 30 November 2026; until then a model's fingerprint was of all fields
LATER: tuple[str, ...] = (
    "UNetConfig.flow_map",
    "UNetConfig.baked_guidance",
    "StageConfig.norm",
    "StageConfig.change",
    "StageConfig.few",
    "ConvNetConfig.edges",
    "Sampling.carried",
    "Sampling.steady",
    "Base.motion",
)

_SHARED = ("factor", "bridge", "spread", "low_res_noise", "relative_loss")
_OF_TASK = {  # the fields of each kind of task that lay beside it in format 1
    "base": ("known", "buckets"),
    "temporal_sr": ("intervals", *_SHARED),
    "spatial_sr": _SHARED,
}
_MOVED = {name for names in _OF_TASK.values() for name in names}
_GUIDANCE = {f"guidance_{name}": name for name in ("scale", "interval", "rescale")}  # in format 2: by its name now


def upgrade_cascade(values: Plain) -> Plain:
    """A cascade's config of an older format as one of today; what is not as expected the schema refuses."""
    stages = values.get("stages")
    if not isinstance(stages, dict):
        return values
    return {**values, "stages": {name: upgrade_stage(stage) for name, stage in stages.items()}, "format": FORMAT}


def upgrade_recipe(values: Plain) -> Plain:
    """A recipe with stages of an older format as one with stages of today."""
    stages = values.get("stages")
    if not isinstance(stages, dict):
        return values
    parts = {
        name: {**part, "stage": upgrade_stage(part.get("stage"))} if isinstance(part, dict) else part
        for name, part in stages.items()
    }
    return {**values, "stages": parts}


def upgrade_stage(values: Any) -> Any:
    """A stage's config of an older format as one of today; one of today as it is."""
    if not isinstance(values, dict):
        return values
    values = values | {name: _guided(values[name]) for name in ("fast", "best") if name in values}
    if not isinstance(kind := values.get("task"), str) or kind not in _OF_TASK:
        return values
    task = {"kind": kind, **{name: values[name] for name in _OF_TASK[kind] if name in values}}
    return {name: value for name, value in values.items() if name not in _MOVED} | {"task": task}


def before(stage: Any) -> str:
    """A stage's config as fingerprints had it while they were of every field that there was."""
    return json.dumps(chosen(stage, LATER), indent=2) + "\n"


def _guided(sampling: Any) -> Any:
    """A way to sample with its guidance as one object."""
    if not isinstance(sampling, dict) or not sampling.keys() & _GUIDANCE.keys():
        return sampling
    guidance = {_GUIDANCE[name]: value for name, value in sampling.items() if name in _GUIDANCE}
    return {name: value for name, value in sampling.items() if name not in _GUIDANCE} | {"guidance": guidance}
