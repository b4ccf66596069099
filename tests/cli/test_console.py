import atexit
import ctypes
import gc
import os
import sys
import weakref
from collections.abc import Iterator

import pytest

from framefall.cli.console import collect_seldom, keep_memory, say, watched
from framefall.progress import Event, Note, Stepped


def work() -> Iterator[Event]:
    """Two steps with a note between them, then a result."""
    yield Stepped(1, 2, "counting")
    yield Note("half of it is done")
    yield Stepped(2, 2, "counting")
    return "the result"


def test_watched_work_gives_its_result_and_its_notes_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert watched(work()) == "the result"
    out, err = capsys.readouterr()
    assert out == "" and err == "half of it is done\n"  # no bar: that is for a terminal


def test_what_the_work_raises_is_raised(capsys: pytest.CaptureFixture[str]) -> None:
    def failing() -> Iterator[Event]:
        yield Note("so far so good")
        raise ValueError("no clips")

    with pytest.raises(ValueError, match="no clips"):
        watched(failing())
    assert "so far so good" in capsys.readouterr().err


def test_a_sentence_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    say("done")
    assert capsys.readouterr() == ("", "done\n")


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is asked, and only on Linux")
@pytest.mark.parametrize(("variable", "asked"), [("UNRELATED", 2), ("MALLOC_ARENA_MAX", 0), ("GLIBC_TUNABLES", 0)])
def test_freed_memory_is_kept_unless_the_user_set_the_allocator(
    variable: str, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("MALLOC_", "GLIBC_TUNABLES"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(variable, "1")
    options: list[int] = []

    class Library:
        def __init__(self, name: None) -> None:
            self.mallopt = lambda option, value: options.append(option)

    monkeypatch.setattr(ctypes, "CDLL", Library)
    keep_memory()
    assert len(options) == asked


def test_unused_cycles_are_found_less_often_but_found() -> None:
    class Knot:
        def __init__(self) -> None:
            self.own = self

    before = gc.get_threshold()
    try:
        gc.set_threshold(700, 10, 10)
        tied = weakref.ref(Knot())
        assert tied() is not None  # nothing but the collector can free it
        collect_seldom()
        assert gc.isenabled() and gc.get_threshold()[0] > 10 * 700
        kept = [[] for _ in range(2 * gc.get_threshold()[0])]
        assert len(kept) and tied() is None
    finally:
        gc.set_threshold(*before)
        atexit.unregister(gc.freeze)
