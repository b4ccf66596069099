"""What the terminal shows while a command works. Progress and sentences go to stderr; heavy imports wait."""

import atexit
import contextlib
import ctypes
import gc
import os
import sys
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from framefall.progress import Events

Result = TypeVar("Result")


def say(text: str) -> None:
    """A sentence on stderr."""
    print(text, file=sys.stderr)


def keep_memory() -> None:
    """Lets the process keep what it frees, up to a gigabyte, for the next step of training instead of giving it back.

    Pages that come and go with every step cost a tenth of it (docs/log.md). Where the C library is another nothing
    happens; so also with the user's own MALLOC_ settings in the environment.
    """
    if sys.platform != "linux" or any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, 1 << 30)
        mallopt(_MMAP_THRESHOLD, 1 << 25)  # the most that it takes


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h


def collect_seldom() -> None:
    """Looks for unused cycles of objects less often, and not at all when the interpreter ends.

    Imports make hundreds of thousands of objects that stay: looking through them took a quarter of a start.
    """
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)


def bar(**options: Any) -> Any:
    """A progress bar on stderr, where that is a terminal."""
    from tqdm import tqdm

    return tqdm(file=sys.stderr, dynamic_ncols=True, disable=None, leave=False, **options)


def watched(run: "Events[Result]") -> Result:
    """The result of long work, with a progress bar while it is done and its notes above the bar.

    Whatever libraries print meanwhile goes to stderr: stdout is for the result.
    """
    with contextlib.redirect_stdout(sys.stderr):
        return _watched(run)


def _watched(run: "Events[Result]") -> Result:
    from framefall.progress import Note, Stepped

    what = None
    with bar() as shown:
        while True:
            try:
                event = next(run)
                if isinstance(event, Note):
                    shown.write(event.text, file=sys.stderr)
                elif isinstance(event, Stepped):
                    if event.what.partition(",")[0] != what:  # another part of the work, counted anew
                        what = event.what.partition(",")[0]
                        shown.reset(event.total)
                    shown.set_description(event.what)
                    shown.update(event.done - shown.n)
            except StopIteration as end:
                result: Result = end.value
                return result
            except KeyboardInterrupt as stop:  # wherever it came: the work ends as if it had met it
                run.throw(stop)
