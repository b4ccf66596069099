"""A wrong shape is an error while tests run; the types that mypy checks are looked at under `make test-full` alone."""

from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import Float, TypeCheckError

from examples import examples
from framefall.cascade.request import Request
from framefall.evaluate.metrics import cadence
from framefall.video import VideoShape, resize, to_frames
from shape_checks import _PASSED, _where_arrays, at_new_kinds


@pytest.mark.parametrize(
    "wrong", [torch.zeros(3, 4, 8, 8), torch.zeros(1, 3, 4, 8, 8, dtype=torch.int64)], ids=["axes", "dtype"]
)
def test_an_array_of_another_shape_or_type_is_refused(wrong: torch.Tensor) -> None:
    for _ in range(2):  # what was refused is looked at again
        with pytest.raises(TypeCheckError):
            to_frames(wrong)


def test_an_array_that_fits_is_not() -> None:
    assert to_frames(torch.zeros(1, 3, 4, 8, 8)).shape == (4, 8, 8, 3)


@pytest.mark.parametrize(
    ("given", "other"),
    [
        (torch.zeros(2, 3), torch.zeros(3, 2)),
        (torch.zeros(2), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2), np.zeros(2, np.float32)),
        ([torch.zeros(2)], [torch.zeros(3)]),
        ((torch.zeros(2), 1), (torch.zeros(2), None)),
        ({"a": torch.zeros(2)}, {"a": torch.zeros(2, 1)}),
        (1.0, "one"),
    ],
    ids=["shape", "dtype", "library", "in-a-list", "beside-an-array", "in-a-dictionary", "class"],
)
def test_what_a_function_was_given_before_is_not_looked_at_again_and_all_else_is(given: Any, other: Any) -> None:
    looked: list[Any] = []
    call = at_new_kinds(lambda value: value, lambda: lambda value: looked.append(value) or value, set())
    for value in (given, given, other, given, other):
        assert call(value) is value
    assert len(looked) == 2 and looked[0] is given and looked[1] is other


def test_what_has_no_array_or_is_private_is_checked_when_everything_is() -> None:
    everything = bool(examples(0, 1))
    assert hasattr(VideoShape.__init__, "__wrapped__") == everything
    assert hasattr(resize, "__wrapped__") == everything  # it takes any tensor
    assert hasattr(cadence._near, "__wrapped__") == everything
    assert hasattr(cadence.change_sizes, "__wrapped__")
    assert hasattr(to_frames, "__wrapped__") and Request("a ball").captions == ("a ball",)


def test_a_function_within_a_function_is_looked_at_once_for_all() -> None:
    def made() -> Any:
        def inner(value: Float[torch.Tensor, "2"]) -> torch.Tensor:
            return value

        return _where_arrays(inner, typechecker=None)

    looked = len(_PASSED)
    for _ in range(3):
        made()(torch.zeros(2))
    assert len(_PASSED) == looked + 1 and [len(one) for one in _PASSED.values()][-1] == 1
