"""Processes that are killed, watched or talk to each other: forked from one that has done the imports once."""

import multiprocessing
import multiprocessing.process
import os
from pathlib import Path

Child = multiprocessing.process.BaseProcess
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["framefall.cli", "framefall.runs.training.train", "torch._dynamo"])

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
import runpy
sys.stdout = open({output!r}, "w")
runpy.run_path(sys.argv[0], run_name="__main__")
sys.stdout.close()
"""


def command(*words: object, errors: Path | str = os.devnull) -> Child:
    """`framefall WORDS` as a process of its own."""
    return _start(["framefall", *map(str, words)], _COMMAND.format(errors=str(errors)))


def program(path: Path | str, *words: object, output: Path, **environment: str) -> Child:
    """A Python file with its arguments, which prints into `output`."""
    return _start([str(path), *map(str, words)], _PROGRAM.format(output=str(output)), environment)


def _start(argv: list[str], code: str, more: dict[str, str] | None = None) -> Child:
    begin = _BEGIN.format(argv=argv, environment={**os.environ, **(more or {})})
    child = SERVER.Process(target=exec, args=(begin + code,))
    child.start()
    return child
