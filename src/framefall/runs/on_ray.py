"""Independent parts of a work done on a cluster by Ray, each by the function that does it here.

Whose turn it is, where, and what becomes of a part whose worker or node has died is Ray's business. A part is a
function of its item and writes whole files by name, so that done again it changes nothing: a killed worker loses and
doubles nothing. Parts find their files where this process does: every node sees the same folders.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Place = Literal["ray"]  # where a work can be done beside here

RETRIES = 10  # times that a part is begun anew after its worker died; one that ends every worker must end too
_AHEAD = 8  # parts for each core that are begun or wait their turn
PATIENCE = 30.0  # seconds for a cluster to answer
_CLEARING = 10.0  # seconds for parts that are no longer wanted to clear up behind themselves
_STORE = 100 << 20  # bytes of shared memory of a Ray of our own: results are small, and clips are files
_PROBE = "import sys, ray; ray.init(sys.argv[1], log_to_driver=False, logging_level='ERROR')"


@dataclass(frozen=True)
class Cluster:
    """A cluster that does parts (`progress.Each`), each with a core, and a GPU where that is asked for."""

    ray: Any  # the library, connected

    @property
    def has_gpu(self) -> bool:
        """Whether one of its nodes has a GPU."""
        return bool(self.ray.cluster_resources().get("GPU", 0))

    def __call__(
        self, function: Callable[[Item], Result], items: Sequence[Item], /, *, gpu: bool = False
    ) -> Iterator[Result]:
        """The results, in the order of the items; what is no longer wanted is cancelled.

        So many parts are with Ray at a time as keep every core busy, so that one that is done again is not the last.
        """
        from framefall import __version__

        part = self.ray.remote(num_cpus=1, num_gpus=int(gpu), max_retries=RETRIES, max_calls=0)(_part)
        coming, waiting = iter(items), deque[Any]()
        try:
            while True:
                ahead = max(1, _AHEAD * int(self.ray.cluster_resources().get("CPU", 1)) - len(waiting))
                for item in islice(coming, ahead):
                    waiting.append(part.remote(__version__, os.getcwd(), function, item))
                if not waiting:
                    break
                result = _result(self.ray, waiting[0])
                waiting.popleft()
                yield result
        finally:
            if waiting and self.ray.is_initialized():  # otherwise they have ended with it
                for one in waiting:
                    self.ray.cancel(one)
                self.ray.wait(list(waiting), num_returns=len(waiting), timeout=_CLEARING)


@contextlib.contextmanager
def spread(on: Place | None) -> Iterator[Cluster | None]:
    """Where parts are done: on Ray (`on="ray"`), or (None) nowhere but here.

    The cluster is the one that this process is connected to already, that of `$RAY_ADDRESS`, or one of this machine's
    cores that ends with the block. Raises `ValueError` where Ray is not installed or does not answer.
    """
    if on not in (None, "ray"):
        raise ValueError(f"work must be done here or on ray, got {on!r}; try ray")
    if on is None:
        yield None
        return
    with _connected() as ray:
        yield Cluster(ray)


@contextlib.contextmanager
def _connected() -> Iterator[Any]:
    """The library, connected to a cluster."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    try:
        import ray
    except ImportError:
        raise ValueError("--on ray needs Ray, which is not installed: pip install 'framefall[ray]'") from None
    if ray.is_initialized():
        yield ray
        return
    address = os.environ.get("RAY_ADDRESS", "")
    before = signal.getsignal(signal.SIGTERM)
    if address:
        _check_answers(address)
    try:
        own: dict[str, Any] = {} if address else {"include_dashboard": False, "object_store_memory": _STORE}
        try:
            ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **own)
        except Exception as error:  # Ray raises a plain one where its own processes have not begun in 30 seconds
            raise ValueError(f"Ray cannot be started: {_first_line(error)}; see that {_where(address)}") from None
        yield ray
    finally:
        ray.shutdown()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # Ray puts its own there


def _check_answers(address: str) -> None:
    """Tries a cluster out in another process: Ray waits for minutes for one that is not there, and ends its own."""
    failed = f"the Ray cluster of RAY_ADDRESS={address} must answer, and"
    try:
        tried = subprocess.run(
            [sys.executable, "-c", _PROBE, address], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise ValueError(
            f"{failed} said nothing for {PATIENCE:g} s; see that {_where(address)}, or unset RAY_ADDRESS"
        ) from None
    if tried.returncode:
        said = (tried.stderr.strip().splitlines() or ["nothing"])[-1]
        raise ValueError(f"{failed} did not ({said[:200]}); see that {_where(address)}, or unset RAY_ADDRESS")


def _where(address: str) -> str:
    if not address:
        return "this machine has memory and processes to spare"
    token = "" if os.environ.get("RAY_AUTH_MODE") else ", that RAY_AUTH_MODE=token is set if it asks for a token"
    return f"`ray status --address {address}` shows it{token}"


def _part(version: str, folder: str, function: Callable[[Item], Result], item: Item) -> Result:
    """One part, in a worker of Ray."""
    import cv2
    import torch

    from framefall import __version__

    if version != __version__:
        raise ValueError(f"every node must have framefall {version}, and one has {__version__}; install it there")
    if not Path(folder).is_dir():
        raise ValueError(f"every node must see the folder {folder}, and one does not; share it among them")
    os.chdir(folder)  # names stay as they were given
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    return function(item)


def _result(ray: Any, part: Any) -> Any:
    """What a part gave; what it raised is raised as if it had been done here."""
    try:
        return ray.get(part)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, ImportError):
            raise ValueError(f"every node must have framefall, and one has not: {_first_line(error.cause)}") from None
        raise (error.cause or error) from None
    except ray.exceptions.RayError as error:
        raise RuntimeError(
            f"a part of the work ended its worker {RETRIES + 1} times, or its cluster is gone ({_first_line(error)});"
            " what is finished stays, and the same command goes on from it"
        ) from None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
