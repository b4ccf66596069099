"""Requests: every field is bounded, and what nobody knows is refused."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from framefall.studio.schemas import Estimate, Generate, Submission, plain
from framefall.weights import DEFAULT

SUBMISSION: Any = TypeAdapter(Submission)


def test_what_is_left_out_is_as_the_command_line_has_it() -> None:
    asked = SUBMISSION.validate_python({"kind": "generate", "request": {}}).request
    assert isinstance(asked, Generate) and (asked.model, asked.seed, asked.count, asked.quality) == (
        DEFAULT,
        0,
        1,
        "fast",
    )
    assert Generate.model_validate(plain(asked)) == asked


@pytest.mark.parametrize(
    "request_",
    [
        {"seed": -1},
        {"seed": 2**53},
        {"seed": 1.5},
        {"count": 0},
        {"count": 17},
        {"candidates": 0},
        {"candidates": 33},
        {"seconds": float("inf")},
        {"seconds": float("nan")},
        {"seconds": 0},
        {"frames": 10**9},
        {"prompt": "x" * 1001},
        {"model": "a/b"},
        {"model": ""},
        {"until": "../base"},
        {"quality": "great"},
        {"use": {"strength": 0}},
        {"use": {"images": [{"upload": "a", "second": -1}]}},
        {"use": {"video": "/etc/passwd"}},
        {"output": "/tmp/x.mp4"},
    ],
)
def test_what_no_clip_can_be_is_refused(request_: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SUBMISSION.validate_python({"kind": "generate", "request": request_})


def test_uploads_that_are_used_are_all_named() -> None:
    use = {"images": [{"upload": "a"}, {"upload": "b", "second": 1}], "video": "c", "mask": "d"}
    assert Generate.model_validate({"use": use}).use.uploads == ["a", "b", "c", "d"]


def test_minutes_are_finite() -> None:
    with pytest.raises(ValidationError):
        Estimate.model_validate({"folder": "a", "minutes": float("inf")})
