"""Processes that make shards of clips ahead of need, each on one thread.

A child is a fresh interpreter that runs this file's `serve`: it reads what to make from its input and says on its
output when that is done. When whoever started it is gone, however that came, its input ends, and with it the child.
"""

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

from framefall.data.cached.shards import Shards, Stopped
from framefall.data.cached.store import CacheError

_CODE = "from framefall.data.cached.ahead import serve; serve()"
_PATIENCE = 20.0  # seconds for a child to clear up behind itself


class Ahead:
    """Makes shards in other processes, the first asked for first."""

    def __init__(self, workers: int, say: Callable[[str], object]) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="framefall-ahead")  # each waits for a child
        self._own = threading.local()
        self._children: list[subprocess.Popen[bytes]] = []
        self._asked: dict[tuple[str, int], Future[bool]] = {}
        self._say, self._closed = say, False

    def want(self, shards: Shards, shard: int) -> None:
        """Begins with a shard as soon as a process is free; nothing if it was asked for before."""
        if not self._closed and (shards.key, shard) not in self._asked:
            self._asked[shards.key, shard] = self._pool.submit(self._ask, shards, shard)

    def finished(self, shards: Shards, shard: int) -> bool | None:
        """Waits for a shard that was asked for: whether it could be kept; None where nobody was asked, or it died."""
        asked = self._asked.pop((shards.key, shard), None)
        if asked is None:
            return None
        try:
            return asked.result()
        except (CacheError, OSError, EOFError) as error:
            if not self._closed:
                self._say(f"{error}: this process makes the clips itself")
            self._closed = True
            return None

    def close(self) -> None:
        """Ends the children, which leave nothing behind."""
        self._closed = True
        for asked in self._asked.values():
            asked.cancel()
        for child in self._children:
            with contextlib.suppress(OSError):
                assert child.stdin is not None
                child.stdin.close()
        for child in self._children:
            try:
                child.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._pool.shutdown(wait=True, cancel_futures=True)
        for child in self._children:
            assert child.stdout is not None
            child.stdout.close()

    @property
    def processes(self) -> list[int]:
        """The children's numbers."""
        return [child.pid for child in self._children if child.poll() is None]

    def _ask(self, shards: Shards, shard: int) -> bool:
        child = self._child()
        assert child.stdin is not None and child.stdout is not None
        message = pickle.dumps((shards, shard))  # to a child of ours through a pipe of ours: no file is read so
        try:
            child.stdin.write(len(message).to_bytes(8, "little") + message)
            child.stdin.flush()
            answer = child.stdout.readline()
        except (OSError, ValueError):
            answer = b""
        if not answer:
            raise EOFError(f"a worker that makes clips ahead has ended (exit code {child.wait()})")
        said = json.loads(answer)
        if said["error"]:
            raise CacheError(said["error"])
        return bool(said["kept"])

    def _child(self) -> "subprocess.Popen[bytes]":
        """The child of this thread."""
        child = getattr(self._own, "child", None)
        if child is None:
            one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
            environment = {**os.environ, **one, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            child = subprocess.Popen(
                [sys.executable, "-c", _CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
            )
            self._own.child = child
            self._children.append(child)
        return child


def serve() -> None:
    """Makes what the input asks for until it ends; then what is half done is given up, and cleared away."""
    import torch

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches a whole group: the parent decides
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever prints does not print into the answers
    inbox = _Inbox(requests)
    while (message := inbox.next()) is not None:
        said: dict[str, object] = {"kept": False, "error": ""}
        try:
            shards, shard = pickle.loads(message)
            said["kept"] = shards.make(shard, inbox.is_open)
        except Stopped:
            break
        except Exception as error:  # the parent meets it again when it makes the clip itself, and says it there
            said["error"] = f"a worker could not make clips ahead ({' '.join(str(error).split())})"
        try:
            answers.write(json.dumps(said).encode() + b"\n")
        except OSError:
            break
    os._exit(0)  # a thread still reads


class _Inbox:
    """Messages from the parent, read by a thread, so that the end of the input shows in the middle of the work."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._messages, self._ended, self._parent = stream, list[bytes](), False, os.getppid()
        self._change = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def next(self) -> bytes | None:
        """The next message, waited for; None when there will be none."""
        with self._change:
            while not self._messages and self.is_open():
                self._change.wait(5.0)
            return self._messages.pop(0) if self.is_open() else None

    def is_open(self) -> bool:
        """Whether the parent is still there."""
        return not self._ended and os.getppid() == self._parent  # another process may hold the pipe's other end

    def _read(self) -> None:
        while len(head := self._stream.read(8)) == 8:
            message = self._stream.read(int.from_bytes(head, "little"))
            with self._change:
                self._messages.append(message)
                self._change.notify()
        with self._change:
            self._ended = True
            self._change.notify()
