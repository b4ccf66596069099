"""A wrong shape is an error while tests run; the types that mypy checks are looked at under `make test-full` alone."""

import pytest
import torch
from jaxtyping import TypeCheckError

from examples import examples
from framefall.cascade.request import Request
from framefall.evaluate.metrics import cadence
from framefall.video import VideoShape, resize, to_frames
from shape_checks import MOST


@pytest.mark.parametrize(
    "wrong", [torch.zeros(3, 4, 8, 8), torch.zeros(1, 3, 4, 8, 8, dtype=torch.int64)], ids=["axes", "dtype"]
)
def test_an_array_of_another_shape_or_type_is_refused(wrong: torch.Tensor) -> None:
    with pytest.raises(TypeCheckError):
        to_frames(wrong)


def test_after_its_first_calls_a_function_is_not_checked_in_the_fast_run() -> None:
    for _ in range(MOST):
        to_frames(torch.zeros(1, 3, 4, 8, 8))
    with pytest.raises(TypeCheckError if examples(0, 1) else RuntimeError):
        to_frames(torch.zeros(3, 4, 8, 8))


def test_an_array_that_fits_is_not() -> None:
    assert to_frames(torch.zeros(1, 3, 4, 8, 8)).shape == (4, 8, 8, 3)


def test_what_has_no_array_or_is_private_is_checked_when_everything_is() -> None:
    everything = bool(examples(0, 1))
    assert hasattr(VideoShape.__init__, "__wrapped__") == everything
    assert hasattr(resize, "__wrapped__") == everything  # it takes any tensor
    assert hasattr(cadence._near, "__wrapped__") == everything
    assert hasattr(cadence.change_sizes, "__wrapped__")
    assert hasattr(to_frames, "__wrapped__") and Request("a ball").captions == ("a ball",)
