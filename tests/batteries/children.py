"""Processes that are killed, watched or talk to each other: forked from one that has done the imports once."""

import json
import multiprocessing
import multiprocessing.process
import os
import socket
import sys
from collections.abc import Sequence
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

Child = multiprocessing.process.BaseProcess
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        *(["unsynced"] if "unsynced" in sys.modules else []),  # as whoever starts it
        "framefall.cli",
        "framefall.runs.training.train",
        "framefall.runs.generation.generate",
        "framefall.studio.serve",
        "framefall.studio.narrator",
        "framefall.studio.jobs.generate",
        "torch._dynamo",
    ]
)


def prepare() -> None:
    """Begins with the imports, which take seconds, and waits for none: who first needs a child waits for less."""
    forkserver.ensure_running()


_BEGIN = """
import os, sys
os.environ.clear()
os.environ.update({environment!r})
sys.argv = {argv!r}
"""
# the progress bar's lock would else be a semaphore that a killed process leaves to the system
_COMMAND = """
import threading, tqdm
tqdm.tqdm.set_lock(threading.RLock())
sys.stderr = open({errors!r}, "a")
from framefall.cli import main
main()
"""
_PROGRAM = """
sys.stdout = open({output!r}, "w")
exec(compile({code!r}, sys.argv[0], "exec"), {{"__name__": "__main__", "__file__": sys.argv[0]}})
sys.stdout.close()
"""


def command(*words: object, errors: Path | str = os.devnull) -> Child:
    """`framefall WORDS` as a process of its own."""
    return _start(["framefall", *map(str, words)], _COMMAND.format(errors=str(errors)))


def program(source: Path | str, *words: object, output: Path | str = os.devnull, **environment: str) -> Child:
    """A Python file, or code as `python -c` takes it, with its arguments; it prints into `output`."""
    code, name = (source.read_text(), str(source)) if isinstance(source, Path) else (source, "-c")
    return _start([name, *map(str, words)], _PROGRAM.format(output=str(output), code=code), environment)


def ranks(source: Path, count: int, *words: object, folder: Path) -> list[Child]:
    """`program` as the ranks of one job, as torchrun would start them; rank N prints into `folder/rank-N.json`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [
        program(
            source,
            *words,
            output=folder / f"rank-{rank}.json",
            **shared,
            CUDA_VISIBLE_DEVICES="",
            RANK=str(rank),
            LOCAL_RANK=str(rank),
        )
        for rank in range(count)
    ]


def reports(started: Sequence[Child], folder: Path, seconds: float = 200) -> list[Any]:
    """What each of the ranks printed, as JSON; all of them must end well."""
    try:
        for process in started:
            process.join(seconds)
    finally:
        for process in started:
            process.kill()
    assert [process.exitcode for process in started] == [0] * len(started)
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(len(started))]


def _start(argv: list[str], code: str, more: dict[str, str] | None = None) -> Child:
    begin = _BEGIN.format(argv=argv, environment={**os.environ, **(more or {})})
    child = SERVER.Process(target=exec, args=(begin + code,))
    child.start()
    return child
