"""Interpreters that the tested code starts, forked from the one process that has done the imports (`children.py`).

Importing torch is one to two seconds of CPU in every process. A test that asks how a process comes to be (what it
imports, what the environment says to a library) starts an interpreter of its own as before. With `deep` what they
start is forked too: of the same process, so that it is not among the children of the one that has started it.
"""

import os
import runpy
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, reduction, spawn
from typing import Any
from unittest import mock

from children import SERVER, Child, as_its_parent, use

# what libraries read when they are loaded: a process with other values is started as always
_AT_LOADING = ("GOMP_", "KMP_", "LD_", "MKL_", "OMP_", "OPENBLAS_")
_STARTS = threading.Lock()  # one at a time: threads start processes too
_prepared = spawn.get_preparation_data


def _without_main(name: str) -> dict[str, Any]:
    """What a child is told of its parent, without the file that this began with: pytest, which it need not import."""
    return {key: value for key, value in _prepared(name).items() if not key.startswith("init_main")}


@contextmanager
def forking(deep: bool = False) -> Iterator[None]:
    """What is started within is forked where it can be."""
    with mock.patch.object(subprocess, "Popen", Deep if deep else Forked):
        yield


class Forked(subprocess.Popen[Any]):
    """`subprocess.Popen`, which forks `python -c` and `python -m`; all else it starts as always."""

    _process: Child | None = None
    _deep = False

    def _execute_child(  # type: ignore[override]
        self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell, *more
    ) -> None:
        streams, session = more[:6], more[11]
        environment = dict(os.environ if env is None else env)
        if executable or preexec_fn or pass_fds or shell or not _can_be_forked(args, environment):
            given = (args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell)
            super()._execute_child(*given, *more)  # type: ignore[misc]
            return
        mine = [own if own != -1 else place for place, own in enumerate((streams[0], streams[3], streams[5]))]
        read, write = os.pipe()
        server = None
        if self._deep:
            ours = forkserver._forkserver  # type: ignore[attr-defined]
            ours.ensure_running()
            server = ours._forkserver_address
        try:
            place = os.fspath(cwd or os.getcwd())
            told = ([str(word) for word in args[1:]], environment, place, session, server, as_its_parent())
            self._process = SERVER.Process(target=_become, args=([*map(_Open, mine)], _Open(write), *told))
            with _STARTS, mock.patch.object(spawn, "get_preparation_data", _without_main):
                self._process.start()
        finally:
            os.close(write)
            self._close_pipe_fds(*streams)  # type: ignore[attr-defined]
        os.read(read, 1)  # it is itself now: a signal to its group finds it
        os.close(read)
        assert self._process.pid is not None
        self.pid, self._child_created = self._process.pid, True

    def _internal_poll(self, *given: Any, **named: Any) -> int | None:
        if self._process is None:
            return super()._internal_poll(*given, **named)  # type: ignore[misc,no-any-return]
        self.returncode = self._process.exitcode
        return self.returncode

    def _wait(self, timeout: float | None) -> int:
        if self._process is None:
            return super()._wait(timeout)  # type: ignore[misc,no-any-return]
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.returncode = self._process.exitcode
        return self.returncode


class Deep(Forked):
    """What is started by what this starts is forked too."""

    _deep = True


def _can_be_forked(args: Any, environment: dict[str, str]) -> bool:
    if not isinstance(args, list) or len(args) < 3 or args[0] != sys.executable or args[1] not in ("-c", "-m"):
        return False
    return all(os.environ.get(name) == environment[name] for name in environment if name.startswith(_AT_LOADING))


class _Open:
    """A file descriptor that travels to the process."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, (reduction.DupFd(self.number),)


def _arrived(travelled: Any) -> int:
    return int(travelled.detach())


def _become(
    streams: list[int],
    ready: int,
    words: list[str],
    environment: dict[str, str],
    folder: str,
    session: bool,
    server: str | None,
    begin: str,
) -> None:
    exec(begin)
    if server is not None:
        use(server)
        subprocess.Popen = Deep  # type: ignore[misc]
    for place, own in enumerate(streams):
        os.dup2(own, place)
        os.close(own)
    if session:
        os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(place, mode, 1) for place, mode in enumerate("rww"))
    os.close(ready)
    what, code, *rest = words
    sys.argv = [what, *rest]
    if what == "-m":
        runpy.run_module(code, run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, "")
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
