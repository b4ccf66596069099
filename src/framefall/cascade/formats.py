"""Configs of older formats, brought to the present one, so that models and checkpoints made before still load.

Format 1 had a stage's task as a word, and what belongs to the task beside it.
"""

from typing import Any

Plain = dict[str, Any]

_SHARED = ("factor", "bridge", "spread", "low_res_noise", "relative_loss")
_OF_TASK = {  # the fields of each kind of task that lay beside it in format 1
    "base": ("known", "buckets"),
    "temporal_sr": ("intervals", *_SHARED),
    "spatial_sr": _SHARED,
}
_MOVED = {name for names in _OF_TASK.values() for name in names}


def upgrade_cascade(values: Plain) -> Plain:
    """A cascade's config of format 1 as one of format 2; what is not as expected is left for the schema to refuse."""
    stages = values.get("stages")
    if not isinstance(stages, dict):
        return values
    return {**values, "stages": {name: upgrade_stage(stage) for name, stage in stages.items()}, "format": 2}


def upgrade_recipe(values: Plain) -> Plain:
    """A recipe with stages of format 1 as one with stages of format 2."""
    stages = values.get("stages")
    if not isinstance(stages, dict):
        return values
    parts = {
        name: {**part, "stage": upgrade_stage(part.get("stage"))} if isinstance(part, dict) else part
        for name, part in stages.items()
    }
    return {**values, "stages": parts}


def upgrade_stage(values: Any) -> Any:
    """A stage's config of format 1 as one of format 2; one of format 2 as it is."""
    if not isinstance(values, dict) or not isinstance(kind := values.get("task"), str) or kind not in _OF_TASK:
        return values
    task = {"kind": kind, **{name: values[name] for name in _OF_TASK[kind] if name in values}}
    return {name: value for name, value in values.items() if name not in _MOVED} | {"task": task}
