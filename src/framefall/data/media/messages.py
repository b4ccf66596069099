"""What the decode worker and whoever asks it say to each other: a letter, a length, and so many bytes.

A request is JSON and an open file. An answer begins with what the file says of itself, goes on with frames, each a
fixed head and its pixels, and ends. Nothing that is sent is ever taken as more than numbers, text and pixels.
"""

import json
import math
import socket
import struct
from typing import Any

import numpy as np

from framefall.data.media.frame import Frame

HELLO, ASK, ABOUT, FRAME, DONE, FAULT, STOP = b"H", b"?", b"I", b"F", b".", b"!", b"X"
WORDS = 1 << 23  # bytes of what is not pixels

_HEAD = struct.Struct("<cQ")
_FRAME = struct.Struct("<ddqIIB")


class Broken(Exception):
    """The other side has ended, or says what it never should."""


def send(to: socket.socket, letter: bytes, values: Any = None, file: int | None = None) -> None:
    """Values as JSON, and an open file if there is one."""
    text = b"" if values is None else json.dumps(values).encode()
    message = _HEAD.pack(letter, len(text)) + text
    if file is None:
        to.sendall(message)
    else:
        sent = socket.send_fds(to, [message], [file])
        to.sendall(message[sent:])


def send_frame(to: socket.socket, frame: Frame) -> None:
    """One picture."""
    height, width, channels = frame.pixels.shape
    head = _FRAME.pack(frame.time, frame.duration, frame.source, height, width, channels)
    to.sendall(_HEAD.pack(FRAME, len(head) + frame.pixels.nbytes) + head)
    to.sendall(np.ascontiguousarray(frame.pixels).data.cast("B"))


def receive(by: socket.socket, pixels: int = 0) -> tuple[bytes, Any]:
    """A letter and its values; of a frame, which has at most `pixels`, the frame."""
    letter, length = _HEAD.unpack(_exactly(by, _HEAD.size))
    if letter == FRAME:
        return letter, _receive_frame(by, length, pixels)
    if length > WORDS:
        raise Broken
    text = _exactly(by, length)
    try:
        return letter, json.loads(text) if text else None
    except (ValueError, RecursionError):
        raise Broken from None


def receive_request(by: socket.socket) -> tuple[Any, int | None]:
    """What the worker is asked, and the file that it is about; no words where the other side has left."""
    data, files, _, _ = socket.recv_fds(by, _HEAD.size, 1)
    if not data:
        return None, None
    while len(data) < _HEAD.size:
        data += _exactly(by, 1)
    _, length = _HEAD.unpack(data)
    text = _exactly(by, length)
    return (json.loads(text) if text else {}), (files[0] if files else None)


def _receive_frame(by: socket.socket, length: int, most: int) -> Frame:
    time, duration, source, height, width, channels = _FRAME.unpack(_exactly(by, _FRAME.size))
    nbytes = height * width * channels
    sound = math.isfinite(time) and math.isfinite(duration) and source >= 0 and channels in (1, 3, 4)
    if not sound or not 0 < height * width <= most or length != _FRAME.size + nbytes:
        raise Broken
    pixels = np.empty((height, width, channels), np.uint8)
    _fill(by, pixels.data.cast("B"))
    return Frame(time, pixels, duration, source)


def _exactly(by: socket.socket, count: int) -> bytes:
    data = bytearray(count)
    _fill(by, memoryview(data))
    return bytes(data)


def _fill(by: socket.socket, view: memoryview) -> None:
    place = 0
    while place < len(view):
        got = by.recv_into(view[place:])
        if not got:
            raise Broken
        place += got
