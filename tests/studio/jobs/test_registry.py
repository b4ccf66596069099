"""Kinds of jobs: what may be submitted is what there is."""

import typing
from importlib import import_module
from typing import Any

from framefall.studio.answers import Job
from framefall.studio.jobs.registry import KINDS
from framefall.studio.schemas import Submission


def test_every_kind_can_be_submitted_is_answered_and_has_what_runs_it() -> None:
    union, _ = typing.get_args(Submission)
    submissions: dict[str, Any] = {}
    for one in typing.get_args(union):
        (kind,) = typing.get_args(one.model_fields["kind"].annotation)
        submissions[kind] = one.model_fields["request"].annotation
    assert submissions == {name: kind.asked for name, kind in KINDS.items()}
    assert set(typing.get_args(Job.model_fields["kind"].annotation)) == set(KINDS)
    for name, kind in KINDS.items():
        run = import_module(f"framefall.studio.jobs.{kind.module}").run
        hints = typing.get_type_hints(run)
        assert hints["asked"] is kind.asked and kind.result in typing.get_args(hints["return"]), name
