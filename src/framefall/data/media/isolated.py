"""The other side of the decode worker: files go in as open descriptors, frames come out, and a fault costs one file.

A worker is a process of its own (`worker.py`) that serves one file at a time and is used again for the next; it is
ended when it crashes, says nonsense, computes for too long or takes too much memory, and the file has a reason.
Where a system cannot hand over open files, they are decoded in this process: `protections` says so.
"""

import atexit
import contextlib
import math
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from framefall.data.media import messages, opened
from framefall.data.media.frame import DecodeError, Frame, Limits, Source, VideoInfo
from framefall.data.media.sandbox import PROTECTIONS

KEPT = 4  # workers that wait for the next file
PATIENCE = 300.0  # seconds for an answer, however busy the machine is
AVAILABLE = hasattr(socket, "send_fds") and hasattr(socket, "AF_UNIX") and os.name == "posix"


def probe(source: Source, kind: str, limits: Limits) -> VideoInfo:
    """See `opened.probe`; so are the others."""
    if not AVAILABLE:
        return opened.probe(source, kind, limits)
    about = _told(source, kind, "probe", limits)
    try:
        info = VideoInfo(**{**about, "notes": tuple(about["notes"]), "breaks": tuple(about["breaks"])})
        finite = all(map(math.isfinite, (info.fps, info.duration, info.sustained_fps)))
        if not finite or min(info.width, info.height, info.frames) < 0:
            raise ValueError
    except (TypeError, ValueError, KeyError):
        raise DecodeError(source.path, _NONSENSE) from None
    return info


def size(source: Source, limits: Limits) -> tuple[int, int] | None:
    """Width and height of an upright picture; None if it is damaged."""
    if not AVAILABLE:
        return opened.size(source, limits)
    found = _told(source, "", "size", limits)
    return None if found is None else (int(found[0]), int(found[1]))


def tags(source: Source, kind: str) -> dict[str, str]:
    """What a container says of itself in words."""
    if not AVAILABLE:
        return opened.tags(source, kind)
    return {str(key): str(value) for key, value in _told(source, kind, "tags", Limits()).items()}


def read(
    source: Source, kind: str, short_side: int | None, channels: int, limits: Limits
) -> tuple[float, Iterator[Frame]]:
    """The resolution of a file's clock in seconds, and its frames as it has them; the descriptor may be closed then."""
    if not AVAILABLE:
        source = Source(source.path, os.dup(source.file))
        tick, frames = opened.read(source, kind, short_side, channels, limits)
        return tick, _closing(source.file, frames)
    worker, tick = _asked(source, kind, "read", limits, short_side=short_side, channels=channels)
    return float(tick), _read(source, worker, limits)


def picture(source: Source, short_side: int | None, channels: int, limits: Limits) -> np.ndarray:
    """The pixels of a picture, whatever kind of picture it is; of one that moves, the first."""
    _, frames = read(source, "png", short_side, channels, limits)
    with contextlib.closing(frames):  # type: ignore[type-var]
        return next(frames).pixels


def protections() -> dict[str, bool]:
    """Which protections a worker has on this machine; of none where files are decoded in this process."""
    if not AVAILABLE:
        return {"process": False, **dict.fromkeys(PROTECTIONS, False)}
    worker, _ = _take()
    _give_back(worker)
    return {"process": True, **worker.protections}


class _Worker:
    """A process, and the way to it."""

    def __init__(self) -> None:
        self.link, theirs = socket.socketpair()
        with theirs:
            for one in (self.link, theirs):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
            one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
            environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LC_ALL": "C.UTF-8", **one_thread}
            environment |= {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "PATH") if name in os.environ}
            self.process = subprocess.Popen(
                [sys.executable, "-c", _CODE, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=environment,
            )
        self.link.settimeout(PATIENCE)
        try:
            _, self.protections = messages.receive(self.link)
        except (messages.Broken, OSError):
            self.end()
            raise RuntimeError(
                f"the decode worker did not start (exit code {self.process.returncode}): try framefall verify pico, and"
                " if that works report this"
            ) from None

    def end(self) -> str:
        """Ends the process; gives what it died of."""
        self.link.close()
        timely = True
        try:
            self.process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            timely = False
            self.process.kill()
            self.process.wait()
        code = self.process.returncode
        if not timely or code in (-signal.SIGXCPU, 128 + signal.SIGXCPU):
            return "it takes too long to decode"
        return "it takes more memory than a file is given" if code == -signal.SIGKILL else "it crashes the decoder"


def _told(source: Source, kind: str, ask: str, limits: Limits) -> Any:
    """The one answer to a question."""
    worker, about = _asked(source, kind, ask, limits)
    _give_back(worker)
    return about


def _asked(source: Source, kind: str, ask: str, limits: Limits, **more: Any) -> tuple[_Worker, Any]:
    """A worker that has been asked about a file, and the first that it says."""
    request = {"ask": ask, "kind": kind, "limits": asdict(limits), **more}
    while True:
        worker, used = _take()
        try:
            messages.send(worker.link, messages.ASK, request, source.file)
            letter, about = messages.receive(worker.link)
        except (messages.Broken, OSError):
            reason = worker.end()
            if used and worker.process.returncode == 0:  # it had just left: nobody had asked it for long
                continue
            raise DecodeError(source.path, reason) from None
        if letter == messages.FAULT:
            _give_back(worker)
            raise DecodeError(source.path, str(about))
        return worker, about


def _read(source: Source, worker: _Worker, limits: Limits) -> Iterator[Frame]:
    letter = b""
    try:
        while letter != messages.DONE:
            letter, found = messages.receive(worker.link, limits.pixels)
            if letter == messages.FAULT:
                raise DecodeError(source.path, str(found))
            if letter == messages.FRAME:
                yield found
    except (messages.Broken, OSError):
        raise DecodeError(source.path, worker.end()) from None
    finally:
        if letter in (messages.DONE, messages.FAULT):
            _give_back(worker)
        elif worker.process.returncode is None:
            _stop(worker, limits)


def _stop(worker: _Worker, limits: Limits) -> None:
    """Tells a worker that nobody wants the rest, and takes what is on its way."""
    letter = b""
    worker.link.settimeout(_LEAVE)
    try:
        messages.send(worker.link, messages.STOP)
        while letter not in (messages.DONE, messages.FAULT):
            letter, _ = messages.receive(worker.link, limits.pixels)
    except (messages.Broken, OSError):
        worker.end()
        return
    worker.link.settimeout(PATIENCE)
    _give_back(worker)


def _closing(file: int, frames: Iterator[Frame]) -> Iterator[Frame]:
    try:
        yield from frames
    finally:
        os.close(file)


def _take() -> tuple[_Worker, bool]:
    """A worker that has nothing to do, and whether it has served before."""
    while True:
        with _LOCK:
            worker = _IDLE.pop() if _IDLE else None
        if worker is None:
            return _Worker(), False
        if worker.process.poll() is None:
            return worker, True
        worker.link.close()


def _give_back(worker: _Worker) -> None:
    with _LOCK:
        if len(_IDLE) < KEPT:
            _IDLE.append(worker)
            return
    worker.end()


@atexit.register
def _end_all() -> None:
    with _LOCK:
        idle, _IDLE[:] = list(_IDLE), []
    for worker in idle:
        worker.end()


def _forget() -> None:
    """In a process that was forked: the workers are its parent's."""
    global _LOCK
    _LOCK = threading.Lock()
    _PARENTS.extend(_IDLE)
    _IDLE.clear()


_CODE = "import sys; from framefall.data.media.worker import serve; serve(int(sys.argv[1]))"
_NONSENSE = "the decoder says what it never should of it"
_LEAVE = 10.0  # seconds in which a worker stops
_LOCK = threading.Lock()
_IDLE: list[_Worker] = []
_PARENTS: list[_Worker] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
