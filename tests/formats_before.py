"""Configs as they were written before: a stage's task was a word, and what belongs to it lay beside it (format 1)."""

from typing import Any

LATER = ("at_once", "structure", "motion")  # what a task has had since


def flat(stage: dict[str, Any]) -> dict[str, Any]:
    """A stage's config of today with its task as format 1 had it."""
    task = {name: value for name, value in stage["task"].items() if name not in LATER}
    kind = task.pop("kind")
    return {**stage, **task, "task": kind}
