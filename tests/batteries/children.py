"""Processes that are killed, watched or talk to each other: forked from one that has done the imports once."""

import json
import multiprocessing
import multiprocessing.process
import os
import socket
import sys
import tempfile
from collections.abc import Sequence
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

Child = multiprocessing.process.BaseProcess
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        "framefall.cli",
        "framefall.runs.training.train",
        "framefall.runs.generation.generate",
        "framefall.studio.serve",
        "framefall.studio.narrator",
        "framefall.studio.jobs.generate",
        "torch._dynamo",
        *(["pytest"] if "pytest" in sys.modules else []),  # whose files some of them run
    ]
)


# in the environment of pytest's workers: the file that says where the one server listens that they share
_SHARED = "FORK_SERVER"


def promise() -> None:
    """Whoever is started from here on shares a server, which `share` will start."""
    os.environ[_SHARED] = str(Path(tempfile.mkdtemp()) / "address")


def share() -> None:
    """Starts it, which begins with the imports: they take seconds, and nobody waits for all of them."""
    place = Path(os.environ[_SHARED])
    if not place.exists():
        kept = [os.dup(stream) for stream in (1, 2)]
        with open(os.devnull, "w") as nowhere:  # what dying ranks have to say is no output of pytest's
            for stream in (1, 2):
                os.dup2(nowhere.fileno(), stream)
            forkserver.ensure_running()
        for stream, own in zip((1, 2), kept, strict=True):
            os.dup2(own, stream)
            os.close(own)
        place.write_text(forkserver._forkserver._forkserver_address)  # type: ignore[attr-defined]


def withdraw() -> None:
    """Forgets the place; the server ends with this process."""
    place = Path(os.environ.pop(_SHARED))
    place.unlink(missing_ok=True)
    place.parent.rmdir()


def join() -> None:
    """Children of this process are forked from the server that it shares, if it does."""
    if _SHARED in os.environ:
        use(Path(os.environ[_SHARED]).read_text())


def use(address: str) -> None:
    """Children of this process are forked from the server that listens there."""
    ours = forkserver._forkserver  # type: ignore[attr-defined]
    ours._forkserver_address, ours.ensure_running = address, lambda: None
    if ours._forkserver_alive_fd is None:  # whoever started the server keeps it alive
        ours._forkserver_alive_fd = os.open(os.devnull, os.O_WRONLY)


_BEGIN = """
import os, sys
os.environ.clear()
os.environ.update({environment!r})
sys.argv = {argv!r}
{as_its_parent}
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


def as_its_parent() -> str:
    """Code with which a process does not wait for the disk either, where this one does not."""
    return "import unsynced" if "unsynced" in sys.modules else ""


def _start(argv: list[str], code: str, more: dict[str, str] | None = None) -> Child:
    environment = {**os.environ, **(more or {})}
    begin = _BEGIN.format(argv=argv, environment=environment, as_its_parent=as_its_parent())
    child = SERVER.Process(target=exec, args=(begin + code,))
    child.start()
    return child
