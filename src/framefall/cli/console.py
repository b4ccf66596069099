"""What the terminal shows while a command works. Progress and sentences go to stderr; heavy imports wait."""

import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from framefall.cascade.cascade import Event
    from framefall.data.folder import Folder, FolderConfig
    from framefall.data.loader import Source
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


def bar(**options: Any) -> Any:
    """A progress bar on stderr, where that is a terminal."""
    from tqdm import tqdm

    return tqdm(file=sys.stderr, dynamic_ncols=True, disable=None, leave=False, **options)


def watch(events: "Iterator[Event]") -> "Iterator[Event]":
    """A progress bar around a cascade's events."""
    with bar(unit=" steps") as shown:
        for event in events:
            if event.stage is not None:
                shown.set_description(f"{event.stage.name}, frames {event.frames.start}-{event.frames.stop - 1}")
                shown.update()
            yield event


def watched(run: "Events[Result]") -> Result:
    """The result of long work, with a progress bar while it is done and its notes above the bar."""
    from framefall.progress import Note, Stepped

    with bar(unit=" steps") as shown:
        while True:
            try:
                event = next(run)
            except StopIteration as end:
                result: Result = end.value
                return result
            if isinstance(event, Note):
                shown.write(event.text, file=sys.stderr)
            elif isinstance(event, Stepped):
                shown.total = event.total
                shown.set_description(event.what)
                shown.update(event.done - shown.n)


def open_source(source: str, config: "FolderConfig") -> "Folder | Source":
    """What to train on: a folder if there is one of that name, or else a world."""
    from framefall.runs.sources import WorldSource, names_a_world
    from framefall.worlds.world import open_world

    if Path(source).exists() or not names_a_world(source):
        return open_folder(source, config)
    return WorldSource(open_world(source), size=config.size, fps=config.fps)


def open_folder(source: str, config: "FolderConfig") -> "Folder":
    """Opens a folder with a progress bar, and says what was skipped."""
    from framefall.data.folder import collect, ingest

    def shown() -> Iterator[Any]:
        with bar(unit=" files", desc="reading") as progress:
            for outcome in ingest(source, config):
                progress.total = outcome.total
                progress.update()
                yield outcome

    folder = collect(source, shown(), config)
    say(str(folder.report))
    return folder
