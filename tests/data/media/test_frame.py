import os

import pytest

from framefall.data.media.frame import DecodeError, check_size, readable, target_size


@pytest.mark.parametrize(
    ("size", "short_side", "expected"),
    [((640, 480), 240, (320, 240)), ((480, 640), 240, (240, 320)), ((100, 50), 240, (100, 50)),
     ((193, 144), 64, (86, 64)), ((1000, 1), 1, (1000, 1)), ((640, 480), None, (640, 480))],
)  # fmt: skip
def test_the_short_side_is_shrunk_and_never_enlarged(size, short_side, expected):
    assert target_size(*size, short_side) == expected


def test_sizes_beyond_reason_are_refused_before_memory_is_spent():
    check_size("a.mp4", 10, 10, 100)
    with pytest.raises(DecodeError, match=r"a\.mp4 cannot be read: 11x10 is above the limit of 100 pixels a frame"):
        check_size("a.mp4", 11, 10, 100)
    with pytest.raises(DecodeError, match="states no picture size"):
        check_size("a.mp4", 0, 10, 100)


def test_an_error_says_the_file_and_keeps_the_reason_apart():
    error = DecodeError("clips/a.mp4", "it is empty")
    assert str(error) == "clips/a.mp4 cannot be read: it is empty" and error.reason == "it is empty"
    assert isinstance(error, ValueError)


def test_a_path_that_is_not_utf8_prints():
    path = os.fsdecode(b"caf\xe9.mp4")
    assert readable(path) == "caf\\xe9.mp4" and readable("café.mp4") == "café.mp4"
    readable(path).encode()
    with pytest.raises(UnicodeEncodeError):
        path.encode()
