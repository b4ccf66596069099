"""Cores that somebody else keeps busy: processes that multiply matrices for as long as they are wanted.

    python -m framefall.bench.speed.busy

Such a process says "busy" when it has begun, and works until its standard input ends: when the block that started it
does, and also when who started it is killed.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

from framefall.bench.speed.timing import product

SIZE = 512  # of the matrices: milliseconds a product, and a megabyte of cache


@contextmanager
def busy_cores(count: int) -> Iterator[list[int]]:
    """So many cores are kept busy, at the priority of this process, while the block runs; the processes' ids."""
    with ExitStack() as stack:
        workers = []
        for _ in range(count):
            worker = subprocess.Popen([sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            stack.callback(_end, worker)
            workers.append(worker)
        for worker in workers:
            assert worker.stdout is not None
            if worker.stdout.readline().strip() != b"busy":
                raise RuntimeError(f"a process that keeps a core busy ended by itself (exit code {worker.wait()})")
        yield [worker.pid for worker in workers]


def _end(worker: "subprocess.Popen[bytes]") -> None:
    worker.kill()
    worker.communicate()


def _watch() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Works until nobody wants it any more."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches a whole group: who started this one decides
    threading.Thread(target=_watch, daemon=True).start()
    multiply, _ = product(torch.float32, SIZE)
    multiply()
    print("busy", flush=True)
    while True:
        multiply()


if __name__ == "__main__":
    main()
