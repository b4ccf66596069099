"""Finished windows of a video that is not whole yet: the same request goes on from them, and no other."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from framefall import locks
from framefall.cascade.cascade import Cascade, finished
from framefall.cascade.kept import LOCK, NOTHING, Kept, keeping
from framefall.cascade.request import Request
from framefall.video import from_pixels, to_pixels

ONE, OTHER = "1" * 64, "2" * 64
CPU = torch.device("cpu")


@pytest.fixture
def video() -> torch.Tensor:
    return torch.rand(2, 3, 4, 6, 8, generator=torch.Generator().manual_seed(0)) * 2.4 - 1.2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / f".a.mp4.windows-{ONE[:32]}"


def failed(tmp_path: Path, key: str, video: torch.Tensor) -> None:
    """A run that keeps two windows and ends by an error."""
    with pytest.raises(RuntimeError, match="out of memory"), keeping(tmp_path / "a.mp4", key) as kept:
        kept.write("base", range(4), video)
        kept.write("base", range(4, 8), -video)
        raise RuntimeError("out of memory")


def test_what_is_kept_is_what_was_made(tmp_path: Path, video: torch.Tensor) -> None:
    kept = Kept(tmp_path)
    kept.write("base", range(4), video)
    kept.write("spatial_sr", range(4), video, pixels=True)
    same, bytes_ = kept.read("base", range(4), CPU), kept.read("spatial_sr", range(4), CPU)
    assert same is not None and torch.equal(same, video) and same.dtype == torch.float32
    assert bytes_ is not None and torch.equal(to_pixels(bytes_), to_pixels(video)) and not torch.equal(bytes_, video)
    assert kept.read("base", range(4, 8), CPU) is None and kept.read("temporal_sr", range(4), CPU) is None
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_pixels(from_pixels(every)), every)


def test_a_run_that_failed_is_gone_on_with_and_leaves_nothing(
    tmp_path: Path, folder: Path, video: torch.Tensor
) -> None:
    failed(tmp_path, ONE, video)
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    with keeping(tmp_path / "a.mp4", ONE) as kept:
        again = kept.read("base", range(4, 8), CPU)
        assert kept.found == 2 and again is not None and torch.equal(again, -video)
    assert list(tmp_path.iterdir()) == []


def test_another_request_never_reads_them_and_sweeps_them(tmp_path: Path, folder: Path, video: torch.Tensor) -> None:
    failed(tmp_path, ONE, video)
    (neighbour := tmp_path / f".b.mp4.windows-{ONE[:32]}").mkdir()  # of another file
    with keeping(tmp_path / "a.mp4", OTHER) as kept:
        assert kept.found == 0 and kept.read("base", range(4), CPU) is None and not folder.exists()
    assert list(tmp_path.iterdir()) == [neighbour]


def test_a_folder_that_holds_something_else_is_let_be(tmp_path: Path, folder: Path) -> None:
    folder.mkdir()
    (folder / "mine.npy").touch()
    with keeping(tmp_path / "a.mp4", OTHER):
        assert (folder / "mine.npy").exists()
    with keeping(tmp_path / "a.mp4", ONE) as kept:
        assert kept.found == 0
    assert (folder / "mine.npy").exists()


@pytest.mark.parametrize("where", [0, 200, -1])
def test_a_window_that_is_not_as_it_was_written_is_made_again(
    where: int, tmp_path: Path, folder: Path, video: torch.Tensor
) -> None:
    failed(tmp_path, ONE, video)
    path = folder / "base.0-4.npy"
    data = bytearray(path.read_bytes())
    data[where] ^= 1
    path.write_bytes(data)
    (folder / "base.4-8.npy").write_bytes(b"")  # cut off
    kept = Kept(folder)
    assert kept.found == 0 and kept.read("base", range(4), CPU) is None and list(folder.iterdir()) == []


def test_whoever_makes_the_same_at_the_same_time_keeps_nothing(
    tmp_path: Path, folder: Path, video: torch.Tensor
) -> None:
    with keeping(tmp_path / "a.mp4", ONE) as kept:
        kept.write("base", range(4), video)
        with keeping(tmp_path / "a.mp4", ONE) as second, keeping(tmp_path / "a.mp4", OTHER) as third:
            assert second is NOTHING and third.found == 0
            second.write("base", range(4), -video)
        again = kept.read("base", range(4), CPU)
        assert again is not None and torch.equal(again, video) and {one.name for one in folder.iterdir()} >= {LOCK}
    assert list(tmp_path.iterdir()) == []


def test_whoever_closes_the_work_leaves_nothing(tmp_path: Path, video: torch.Tensor) -> None:
    def work() -> Iterator[None]:
        with keeping(tmp_path / "a.mp4", ONE) as kept:
            kept.write("base", range(4), video)
            yield

    run = work()
    next(run)
    assert len(list(tmp_path.rglob("*.npy"))) == 1
    run.close()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_ends_the_keeping_and_not_the_work(
    tmp_path: Path, folder: Path, video: torch.Tensor
) -> None:
    with keeping(tmp_path / "a.mp4", ONE) as kept:
        kept.write("base", range(4), video)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        try:
            with pytest.warns(UserWarning, match=f"finished windows are no longer kept in {folder} "):
                kept.write("base", range(4, 8), video)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        kept.write("base", range(8, 12), video)
        assert kept.read("base", range(4), CPU) is None and [path.name for path in folder.iterdir()] == [LOCK]
    assert list(tmp_path.iterdir()) == []


def test_a_cascade_takes_what_is_kept_for_what_it_would_make(cascade: Cascade, tmp_path: Path) -> None:
    request = Request(seed=3, frames=40)
    whole = torch.cat(list(finished(cascade.stream(request), "spatial_sr")), 2)
    kept = Kept(tmp_path)
    first = to_pixels(torch.cat(list(finished(cascade.stream(request, kept), "spatial_sr")), 2))
    for path in sorted(tmp_path.glob("*"))[::2]:  # some of each stage are gone
        path.unlink()
    events = list(cascade.stream(request, Kept(tmp_path)))
    assert torch.equal(to_pixels(whole), first)
    assert torch.equal(to_pixels(torch.cat(list(finished(iter(events), "spatial_sr")), 2)), first)
    there = {event.stage.name for event in events if event.stage and event.step is None and event.video is not None}
    assert there == {"base", "temporal_sr", "spatial_sr"} and any(event.step for event in events)


def test_a_killed_run_leaves_a_lock_that_nobody_has(tmp_path: Path, folder: Path) -> None:
    folder.mkdir()
    (folder / LOCK).write_text("1")
    with keeping(tmp_path / "a.mp4", ONE) as kept:
        assert kept is not NOTHING
        with pytest.raises(locks.Held), locks.alone(folder / LOCK):
            pass
    assert list(tmp_path.iterdir()) == []
