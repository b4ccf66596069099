"""The decode worker: a process that has given up all but reading the files that it is handed.

It is started by `isolated.py`, once for many files, and ends when that does, or when nobody has asked for a while.
"""

import contextlib
import os
import select
import signal
import socket
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2

from framefall.data.media import messages, opened, sandbox
from framefall.data.media.frame import DecodeError, Limits, Source

IDLE = 60.0  # seconds without a request
STEP = 10  # seconds of computing for one answer
MEMORY = 1 << 30  # bytes for one file ...
EACH = 24  # ... or so many for each pixel of the largest frame that it may have


def serve(descriptor: int) -> None:
    """Answers requests that come through a socket until the other side leaves."""
    link = socket.socket(fileno=descriptor)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches a whole group: the parent decides
    cv2.setNumThreads(1)
    sandbox.limit_memory(MEMORY)
    messages.send(link, messages.HELLO, sandbox.enter())
    while _waits(link):
        request, file = messages.receive_request(link)
        if request is None:
            return
        if file is None:  # a word to stop what was over already
            continue
        try:
            _answer(link, request, file)
        except DecodeError as error:
            messages.send(link, messages.FAULT, error.reason)
        except MemoryError as error:
            messages.send(link, messages.FAULT, opened.plain(error))
        except OSError:
            return
        finally:
            os.close(file)


def _waits(link: socket.socket) -> bool:
    return bool(select.select([link], [], [], IDLE)[0])


def _answer(link: socket.socket, request: dict[str, Any], file: int) -> None:
    limits, source = Limits(**request["limits"]), Source(Path("it"), file)
    sandbox.limit_time(STEP)
    kind = request["kind"]
    if request["ask"] == "probe":
        messages.send(link, messages.ABOUT, asdict(opened.probe(source, kind, limits)))
    elif request["ask"] == "size":
        messages.send(link, messages.ABOUT, opened.size(source, limits))
    elif request["ask"] == "tags":
        messages.send(link, messages.ABOUT, opened.tags(source, kind))
    else:
        tick, frames = opened.read(source, kind, request["short_side"], request["channels"], limits)
        messages.send(link, messages.ABOUT, tick)
        with contextlib.closing(frames):  # type: ignore[type-var]
            for frame in frames:
                if select.select([link], [], [], 0)[0]:  # nobody wants the rest
                    messages.receive_request(link)
                    break
                messages.send_frame(link, frame)
                sandbox.limit_time(STEP)
        messages.send(link, messages.DONE)
