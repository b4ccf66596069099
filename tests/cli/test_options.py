from collections.abc import Callable

import pytest

from framefall.cli.options import device_of, made, numbers_of, size_of
from framefall.runs.generate import Record


def test_numbers_and_sizes_are_read() -> None:
    assert numbers_of(None) is None and numbers_of("1.5,-2") == [1.5, -2.0]
    assert size_of("256x144") == (144, 256)  # width first on the command line, height first in a tensor


@pytest.mark.parametrize(
    ("read", "text", "sentence"),
    [
        (numbers_of, "1,two", r"numbers must be given like 1.5,2 and got '1,two'"),
        (numbers_of, "", "numbers must be given like"),
        (size_of, "256", r"size must be given like 256x144, width first, and got '256'"),
        (size_of, "-4x4", "size must be given like"),
        (size_of, "axb", "size must be given like"),
        (device_of, "toaster", "device must be one this machine has, got 'toaster'; try cpu"),
    ],
)
def test_what_cannot_be_read_is_refused_with_an_example(read: Callable, text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read(text)


def test_a_device_is_one_that_this_machine_has() -> None:
    assert device_of("cpu") == "cpu" and device_of("auto") in ("cpu", "cuda")
    assert device_of(device_of("auto")) == device_of("auto")


def test_what_was_made_is_a_sentence() -> None:
    record = Record(
        path="a.mp4",
        frames=60,
        height=144,
        width=256,
        fps=23.976,
        seconds={"base": 1.25, "spatial_sr": 2},
        made_with={},
    )
    assert made(record) == "a.mp4: 60 frames of 256x144 at 23.976 a second (base 1.2 s, spatial_sr 2.0 s)"
