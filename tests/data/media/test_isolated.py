"""Frames from the worker are those of this process; whatever happens to the worker costs one file and no more."""

import os
import signal
import subprocess
import sys
import sysconfig
import threading
import venv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from encodes import clock, encode
from PIL import Image

from framefall.data.media import isolated
from framefall.data.media.decode import DecodeError, decode, probe
from framefall.data.media.frame import Limits, open_source


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("film") / "a.mp4", clock(40))


@pytest.fixture
def alone(monkeypatch) -> Iterator[list]:
    """Workers of this test alone."""
    isolated._end_all()
    yield isolated._IDLE
    isolated._end_all()


def test_the_same_frames_come_from_the_worker_and_from_here(film: Path, monkeypatch) -> None:
    apart, info = list(decode(film, short_side=20)), probe(film)
    monkeypatch.setattr(isolated, "AVAILABLE", False)
    here = list(decode(film, short_side=20))
    assert len(here) == len(apart) == 40 and probe(film) == info
    for one, other in zip(here, apart, strict=True):
        assert (one.time, one.duration, one.source) == (other.time, other.duration, other.source)
        assert np.array_equal(one.pixels, other.pixels)
    assert isolated.protections()["process"] is False


def test_one_worker_serves_many_files_and_those_left_early(film: Path, alone: list) -> None:
    for _ in range(3):
        assert len(list(islice(decode(film), 3))) == 3
        assert probe(film).frames == 40
    (worker,) = alone
    assert worker.process.poll() is None and len(list(decode(film))) == 40 and alone == [worker]


def test_a_worker_that_is_killed_costs_its_file_alone(film: Path, alone: list) -> None:
    probe(film)
    (worker,) = alone  # the one that the next file takes; other children are not ours to kill
    frames = decode(film)
    next(frames)
    worker.process.kill()
    with pytest.raises(DecodeError, match="more memory than a file is given"):
        list(frames)
    assert not alone and len(list(decode(film))) == 40


def test_a_worker_that_left_between_two_files_is_replaced(film: Path, alone: list) -> None:
    probe(film)
    (worker,) = alone
    worker.link.shutdown(1)  # it hears that nobody asks any more, and ends
    worker.process.wait(10)
    assert probe(film).frames == 40


def test_a_worker_that_hangs_is_ended(film: Path, alone: list, monkeypatch) -> None:
    probe(film)
    (worker,) = alone
    worker.link.settimeout(0.3)
    os.kill(worker.process.pid, signal.SIGSTOP)
    with pytest.raises(DecodeError, match="takes too long"):
        probe(film)
    assert worker.process.returncode is not None and probe(film).frames == 40


def test_memory_beyond_a_files_share_is_a_reason(tmp_path: Path, alone: list) -> None:
    Image.fromarray(np.zeros((6000, 6000, 3), np.uint8)).save(tmp_path / "a.png", compress_level=1)
    wide = Limits(pixels=40_000_000)
    with open_source(tmp_path / "a.png") as source:
        assert isolated.size(source, wide) == (6000, 6000)
        assert isolated.picture(source, 16, 3, wide).shape == (16, 16, 3)


def test_threads_have_a_worker_each(film: Path, alone: list) -> None:
    counts = []
    threads = [threading.Thread(target=lambda: counts.append(len(list(decode(film))))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [40] * 3 and 1 <= len(alone) <= 3


def test_a_forked_process_has_workers_of_its_own(film: Path, alone: list) -> None:
    probe(film)
    child = os.fork()
    if not child:
        code = 0 if not isolated._IDLE and probe(film).frames == 40 else 1
        isolated._end_all()
        os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert probe(film).frames == 40 and len(alone) == 1


def test_workers_end_with_whoever_started_them(film: Path) -> None:
    code = (
        "import os, sys; from framefall.data.media import isolated; from framefall.data.media.decode import probe;"
        "probe(sys.argv[1]); print(isolated._IDLE[0].process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    child = subprocess.run([sys.executable, "-c", code, str(film)], capture_output=True, check=False, text=True)
    worker = int(child.stdout)
    for _ in range(100):
        if not Path(f"/proc/{worker}").exists() or "Z" in Path(f"/proc/{worker}/stat").read_text().split(")")[1][:3]:
            return
        threading.Event().wait(0.1)
    pytest.fail("the worker is still there")


@pytest.mark.slow
def test_libraries_may_lie_outside_of_the_environment(film: Path, tmp_path: Path) -> None:
    """As those of `pip install --user` do, or of an environment below this one: they load parts of themselves late."""
    venv.create(tmp_path / "above", with_pip=False)
    (own,) = (tmp_path / "above").glob("lib/python*/site-packages")
    (own / "below.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    code = "import sys; from framefall.data.media.decode import decode; print(len(list(decode(sys.argv[1]))))"
    python = tmp_path / "above" / "bin" / "python"
    said = subprocess.run([python, "-c", code, film], capture_output=True, text=True, check=False)
    assert said.stdout == "40\n", said.stderr
