import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from forked import forking
from numbered import Counted, Letters, same

from framefall.data.cached.ahead import Ahead
from framefall.data.cached.kept import Kept
from framefall.data.cached.shards import Shards
from framefall.data.cached.store import Store

PATIENCE = 60.0
pytestmark = pytest.mark.usefixtures("forked")


@pytest.fixture
def on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children find the module of the stream under the name that it has here."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


@pytest.fixture
def shards(tmp_path: Path, on_path: None) -> Shards:
    return Shards(Counted(20), Store(tmp_path), Letters(), largest=8)


def gone(process: int) -> bool:
    """Whether a process has ended, waited for."""
    last = time.monotonic() + PATIENCE
    while time.monotonic() < last:
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def test_shards_made_in_other_processes_are_those_made_here(shards: Shards, tmp_path: Path) -> None:
    said: list[str] = []
    with closing(Ahead(2, said.append)) as makers:
        for shard in (0, 1, 2, 1):
            makers.want(shards, shard)
        assert [makers.finished(shards, shard) for shard in (2, 0, 1)] == [True] * 3
        assert makers.finished(shards, 0) is None  # nobody was asked again
        children = makers.processes
        assert 1 <= len(children) <= 2
    here = replace(shards, store=Store(tmp_path / "here"))
    for shard in range(3):
        assert here.make(shard) and here.path(shard).read_bytes() == shards.path(shard).read_bytes()
    assert all(map(gone, children)) and said == []


def test_a_reader_gets_the_same_clips_and_makes_the_first_shard_itself(shards: Shards) -> None:
    with closing(Ahead(1, lambda text: None)) as makers, closing(Kept(shards, print, makers)) as kept:
        for first in range(0, 60, 4):
            positions = range(first, first + 4)
            clips = kept.clips(positions)
            assert all(map(same, clips, shards.fresh([shards.stream.number(position) for position in positions])))
        assert makers.processes
    assert len(list(shards.folder.glob("*.records"))) == 3


def test_a_worker_that_dies_costs_nothing_but_its_help(shards: Shards) -> None:
    said: list[str] = []
    with closing(Ahead(1, said.append)) as makers, closing(Kept(shards, said.append, makers)) as kept:
        makers.want(shards, 0)
        assert makers.finished(shards, 0)
        (child,) = makers.processes
        os.kill(child, signal.SIGKILL)
        for first in range(0, 20, 4):
            positions = range(first, first + 4)
            assert all(map(same, kept.clips(positions), shards.fresh([*positions])))
    assert len(said) == 1 and "a worker that makes clips ahead has ended (exit code -9)" in said[0]


def test_what_a_worker_cannot_write_is_said(tmp_path: Path, on_path: None) -> None:
    (tmp_path / "file").touch()
    said: list[str] = []
    poor = Shards(Counted(20), Store(tmp_path / "file"), largest=8)
    with closing(Ahead(1, said.append)) as makers:
        makers.want(poor, 0)
        assert makers.finished(poor, 0) is None
    assert len(said) == 1 and f"the cache {tmp_path / 'file'} must be a folder with room" in said[0]


PARENT = """
import sys, time
from pathlib import Path
from numbered import Counted
from framefall.data.cached.ahead import Ahead
from framefall.data.cached.shards import Shards
from framefall.data.cached.store import Store
makers = Ahead(2, print)
shards = Shards(Counted(4000, side=256), Store(Path(sys.argv[1])), largest=8)
for shard in range(400):
    makers.want(shards, shard)
while len(list(Path(sys.argv[1]).glob("shards/*/*.records"))) < 3:
    time.sleep(0.01)
print(*makers.processes, flush=True)
time.sleep(60)
"""


def test_when_the_parent_is_killed_its_workers_end_and_clear_up(tmp_path: Path, on_path: None) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with forking(deep=True):
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, env=environment, text=True
        )
    assert parent.stdout is not None
    children = [int(word) for word in parent.stdout.readline().split()]
    assert children and all(Path(f"/proc/{child}").exists() for child in children)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert all(map(gone, children))
    names = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert names and not [name for name in names if ".partial-" in name]
