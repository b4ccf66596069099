import math
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from framefall.data.cached import store
from framefall.data.cached.store import CacheError, Store, hold, release, touch


def shard(root: Path, key: str, number: int = 0, size: int = 1000, age: float = 3600.0) -> Path:
    """A shard that was used so many seconds ago."""
    path = root / "shards" / key / f"{number:06d}.records"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    (path.parent / "used").touch()
    os.utime(path.parent / "used", (time.time() - age,) * 2)
    return path


def frames(root: Path, name: str, size: int = 1000, age: float = 3600.0) -> tuple[Path, Path]:
    """Decoded frames that were used so many seconds ago."""
    root.mkdir(parents=True, exist_ok=True)
    array, record = root / f"{name * 32}.npy", root / f"{name * 32}.json"  # 64 digits, as of a SHA-256
    array.write_bytes(bytes(size - 10)), record.write_bytes(bytes(10))
    os.utime(record, (time.time() - age,) * 2)
    return array, record


def test_the_cache_lies_where_one_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FRAMEFALL_CACHE", str(tmp_path / "named"))
    assert store.root() == tmp_path / "named" and store.root(tmp_path) == tmp_path
    monkeypatch.delenv("FRAMEFALL_CACHE")
    assert store.root().parts[-2:] == (".cache", "framefall")


def test_its_limit_is_what_one_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FRAMEFALL_CACHE_GB", raising=False)
    assert store.limit() == 20_000_000_000 and store.limit(0.5) == 500_000_000 and store.limit(math.inf) is None
    monkeypatch.setenv("FRAMEFALL_CACHE_GB", "3")
    assert store.limit() == 3_000_000_000 and store.limit(1.0) == 1_000_000_000
    monkeypatch.setenv("FRAMEFALL_CACHE_GB", "much")
    with pytest.raises(ValueError, match="FRAMEFALL_CACHE_GB must be a number of gigabytes, got 'much'; try 20"):
        store.limit()


def test_what_was_used_longest_ago_goes_first_and_no_more_than_must(tmp_path: Path) -> None:
    kept = Store(tmp_path, 4000)
    oldest, older, old = (
        shard(tmp_path, "aa", age=9000),
        frames(tmp_path, "bb", age=8000),
        shard(tmp_path, "cc", age=7000),
    )
    assert kept.size == 3000 and kept.has_room(1000) and oldest.exists()
    assert kept.has_room(2500)
    assert not oldest.exists() and not any(path.exists() for path in older) and old.exists()
    assert kept.size == 1000 and not oldest.parent.exists()


def test_arrays_that_somebody_else_keeps_there_never_make_room(tmp_path: Path) -> None:
    """A folder of a person's own data is named as the cache, by mistake."""
    names = ("holiday.npy", "aa.npy", f"{'A' * 64}.npy", f"{'a' * 64}.npy.old")
    theirs = [tmp_path / name for name in names]
    for path in theirs:
        path.write_bytes(bytes(1000))
        os.utime(path, (0, 0))
    ours = frames(tmp_path, "bb", age=8000)
    assert Store(tmp_path, 1500).has_room(1500) and not ours[0].exists()  # the control: one of the cache's own goes
    assert all(path.exists() for path in theirs)


def test_what_somebody_uses_stays_and_then_there_is_no_room(tmp_path: Path) -> None:
    kept = Store(tmp_path, 3000)
    others, ours, fresh = (
        shard(tmp_path, "aa", age=9000),
        shard(tmp_path, "bb", age=8000),
        frames(tmp_path, "cc", age=1),
    )
    hold(ours.parent)
    os.utime(ours.parent / "used", (0, 0))  # held by this process, however long ago it was read
    assert not kept.has_room(2500)
    assert not others.exists() and ours.exists() and fresh[0].exists()
    release(ours.parent)
    assert kept.has_room(2000) and not ours.exists()


def test_more_than_may_ever_be_held_costs_nobody_an_entry(tmp_path: Path) -> None:
    other = shard(tmp_path, "aa")
    assert not Store(tmp_path, 3000).has_room(3001) and other.exists()
    assert Store(tmp_path, None).has_room(3001)


def test_a_disk_that_is_nearly_full_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "RESERVE", 1 << 62)
    assert not Store(tmp_path, None).has_room(1)
    assert Store(tmp_path, None).full("clips") == f"the cache {tmp_path} has no room for clips (its disk is full)"
    assert "(it may hold 2.5 GB)" in Store(tmp_path, 2_500_000_000).full("clips")


def test_use_is_marked_so_that_other_processes_see_it(tmp_path: Path) -> None:
    path = shard(tmp_path, "touched", age=9000)
    touch(path.parent)
    assert time.time() - (path.parent / "used").stat().st_mtime < 60
    os.utime(path.parent / "used", (0, 0))
    touch(path.parent)  # not again so soon
    assert (path.parent / "used").stat().st_mtime == 0


def test_a_cache_that_is_no_folder_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for inside in (tmp_path / "file", tmp_path / "file" / "deeper"):
        wanted = r"the cache .*file.* must be a folder with room that this user may write to, got: (File exi|Not a dir)"
        with pytest.raises(CacheError, match=wanted) as refusal:
            Store(inside).has_room(1)
        assert "$FRAMEFALL_CACHE or --set data.cache=FOLDER" in str(refusal.value)
        with pytest.raises(CacheError), Store(inside).only_one("ab"):
            pass
        with pytest.raises(CacheError), Store(inside).writing(inside / "a"):
            pass


@pytest.fixture
def small_files() -> Iterator[int]:
    """The system takes no file of more than 4096 bytes, as a disk takes none that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield 4096
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_while_it_is_written_to_leaves_nothing(tmp_path: Path, small_files: int) -> None:
    kept = Store(tmp_path)
    with (
        pytest.raises(CacheError, match=r"got: File too large; choose another"),
        kept.writing(tmp_path / "a") as partial,
    ):
        partial.write_bytes(bytes(small_files + 1))
    assert list(tmp_path.iterdir()) == []


HOLD = """
import sys, time
from pathlib import Path
from framefall.data.cached.store import Store
with Store(Path(sys.argv[1])).only_one("0123456789abcdef"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_process_makes_what_several_want_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"held\n"
    got = threading.Event()

    def wait() -> None:
        with Store(tmp_path).only_one("0123456789abcdef"):
            got.set()

    with Store(tmp_path).only_one("fedcba9876543210"):  # another name is nobody's
        pass
    waiting = threading.Thread(target=wait)
    waiting.start()
    assert not got.wait(0.3)
    child.kill()
    child.wait()
    child.stdout.close()
    assert got.wait(10)
    waiting.join()
