"""What goes between worker and asker comes as it went, and what does not fit is no message."""

import os
import socket
import struct
from pathlib import Path

import numpy as np
import pytest

from framefall.data.media import messages
from framefall.data.media.frame import Frame


@pytest.fixture
def ends():
    one, other = socket.socketpair()
    with one, other:
        one.settimeout(5)
        other.settimeout(5)
        yield one, other


def test_a_frame_comes_as_it_went(ends) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)
    messages.send_frame(ends[0], Frame(0.5, pixels, 0.04, 12))
    letter, found = messages.receive(ends[1], 63)
    assert letter == messages.FRAME and (found.time, found.duration, found.source) == (0.5, 0.04, 12)
    assert np.array_equal(found.pixels, pixels)


def test_words_and_an_open_file_come_as_they_went(ends, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"inside")
    file = os.open(tmp_path / "a", os.O_RDONLY)
    messages.send(ends[0], messages.ASK, {"ask": "probe", "long": "x" * 1000}, file)
    os.close(file)
    request, given = messages.receive_request(ends[1])
    assert request["ask"] == "probe" and len(request["long"]) == 1000 and os.read(given, 10) == b"inside"
    os.close(given)


HEAD = struct.Struct("<cQ")
FRAME = struct.Struct("<ddqIIB")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEAD.pack(b"I", 1 << 40),
        HEAD.pack(b"I", 3) + b"{[}",
        HEAD.pack(b"F", 33 + 3) + FRAME.pack(0.0, 0.1, 0, 1, 1, 2) + b"abc",
        HEAD.pack(b"F", 33 + 12) + FRAME.pack(0.0, 0.1, 0, 2, 2, 3) + b"abc",
        HEAD.pack(b"F", 33 + 300) + FRAME.pack(0.0, 0.1, 0, 10, 10, 3) + bytes(300),
        HEAD.pack(b"F", 33 + 3) + FRAME.pack(float("nan"), 0.1, 0, 1, 1, 3) + b"abc",
        HEAD.pack(b"F", 33 + 3) + FRAME.pack(0.0, 0.1, -1, 1, 1, 3) + b"abc",
    ],
)
def test_nonsense_is_no_message(data: bytes, ends) -> None:
    ends[0].sendall(data)
    ends[0].shutdown(socket.SHUT_WR)
    with pytest.raises(messages.Broken):
        messages.receive(ends[1], pixels=50)
