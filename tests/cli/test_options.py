from collections.abc import Callable

import pytest

from framefall.cli.options import device_of, numbers_of, size_of


def test_numbers_and_sizes_are_read() -> None:
    numbers = numbers_of("1.5,-2")
    assert numbers is not None and numbers.tolist() == [[[1.5, -2.0]]] and numbers_of(None) is None
    assert size_of(None) is None and size_of("256x144") == (
        144,
        256,
    )  # width first; height first


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
