"""Parts of a work on Ray: in order, as here, whoever dies. They skip without framefall[ray]; `make scale` runs them."""

import os
import signal
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from framefall import publish
from framefall.cascade.cascade import Cascade
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import save
from framefall.data.media.writer import write
from framefall.progress import Note, Stepped
from framefall.runs import on_ray
from framefall.runs.evaluation.evaluate import assess
from framefall.runs.generation.prompts import generate_each
from framefall.runs.on_ray import Cluster, spread
from framefall.runs.prepare import prepare

_OWN = {"lock", "used", "prepared.json"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A Ray of one core, which ends with the file."""
    ray = pytest.importorskip("ray", reason="the extra framefall[ray]")
    before, told = signal.getsignal(signal.SIGTERM), os.environ.get("RAY_USAGE_STATS_ENABLED")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "include_dashboard": False}
    ray.init(address="local", num_cpus=1, object_store_memory=100 << 20, **quiet)
    try:
        with spread("ray") as connected:
            assert connected is not None
            yield connected
        assert ray.is_initialized()  # it was there before: it stays
    finally:
        ray.shutdown()
        signal.signal(signal.SIGTERM, before)
        os.environ.pop("RAY_USAGE_STATS_ENABLED")
        if told is not None:
            os.environ["RAY_USAGE_STATS_ENABLED"] = told


def files(folder: Path) -> dict[str, str]:
    """The hash of every file below a folder, hidden ones too, but for what says when and where it was made."""
    return {
        path.relative_to(folder).as_posix(): publish.sha256(path)
        for path in folder.rglob("*")
        if path.is_file() and path.name not in _OWN
    }


def said(events: Any, folder: Path) -> list[str]:
    """What work says and how far it is, without how long stages took, and where it writes."""
    found = []
    for event in events:
        if isinstance(event, Note):
            found.append(event.text.partition(" (base ")[0].replace(str(folder), "OUT"))
        elif type(event) is Stepped:
            found.append(f"{event.what} {event.done} of {event.total}")
    return found


def test_results_come_in_order_from_another_process_of_one_thread(cluster: Cluster, tmp_path: Path) -> None:
    def part(number: int) -> tuple[int, int, int, str]:
        import torch

        time.sleep(0.2 if number == 0 else 0)
        return number, os.getpid(), torch.get_num_threads(), os.getcwd()

    found = list(cluster(part, range(4)))
    assert [one[0] for one in found] == [0, 1, 2, 3]
    assert all(one[1] != os.getpid() and one[2:] == (1, os.getcwd()) for one in found)


@pytest.mark.parametrize("error", [ValueError("width must be 4; try 4"), FileNotFoundError(2, "No such file", "a.mp4")])
def test_what_a_part_raises_is_raised_as_it_would_be_here(cluster: Cluster, error: Exception) -> None:
    def part(number: int) -> int:
        if number == 1:
            raise error
        return number

    run = cluster(part, range(3))
    assert next(run) == 0
    with pytest.raises(type(error)) as raised:
        next(run)
    assert str(raised.value) == str(error) and vars(raised.value) == vars(error)


def test_whoever_leaves_ends_what_is_left_to_do(cluster: Cluster, tmp_path: Path) -> None:
    def part(number: int) -> int:
        (tmp_path / str(number)).touch()
        time.sleep(0.3)
        return number

    run = cluster(part, range(20))
    assert next(run) == 0
    run.close()  # type: ignore[attr-defined]
    begun = len(list(tmp_path.iterdir()))
    time.sleep(0.7)
    assert begun == len(list(tmp_path.iterdir())) < 6


def test_a_part_whose_worker_dies_is_done_again_and_given_once(cluster: Cluster, tmp_path: Path) -> None:
    def part(number: int) -> int:
        if number == 1 and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    assert list(cluster(part, range(3))) == [0, 1, 2] and (tmp_path / "died").exists()


def test_a_part_that_ends_every_worker_ends_in_a_sentence(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_ray, "RETRIES", 1)
    with pytest.raises(RuntimeError, match="a part of the work ended its worker 2 times, or its cluster is gone"):
        list(cluster(lambda number: os._exit(3), [0]))


def test_a_node_with_another_version_is_named(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framefall.__version__", "99.0")
    with pytest.raises(ValueError, match=r"every node must have framefall 99\.0, and one has"):
        list(cluster(abs, [0]))


@pytest.mark.parametrize("source", ["folder", "shards", "uniform,fall:6"])
def test_a_source_is_prepared_as_it_is_here(source: str, cluster: Cluster, tmp_path: Path) -> None:
    if source in ("folder", "shards"):
        for number in range(3):
            frames = np.random.default_rng(number % 2).integers(0, 255, (8, 32, 32, 3), np.uint8)  # one is there twice
            write(tmp_path / "videos" / f"a ball {number}.mp4", [frames], 12.0)
        (tmp_path / "videos" / "broken.mp4").write_bytes(b"no video")
        with tarfile.open(tmp_path / "videos.tar", "w") as shard:
            for video in sorted((tmp_path / "videos").iterdir()):
                shard.add(video, video.name)
        source = str(tmp_path / ("videos" if source == "folder" else "videos.tar"))
    words = []
    for name, on in (("here", None), ("ray", "ray")):
        out = tmp_path / name
        words.append(said(prepare.events(source, out, "micro", stages=["base"], on=on), out))  # type: ignore[arg-type]
    assert files(tmp_path / "here") == files(tmp_path / "ray") and len(files(tmp_path / "ray")) >= 2
    assert words[0] == words[1] and words[0]


def test_prompts_are_made_as_they_are_here(cluster: Cluster, cascade: Cascade, tmp_path: Path) -> None:
    save(cascade, tmp_path / "model")
    words = []
    for name, on in (("here", None), ("ray", "ray")):
        out = tmp_path / name / "a.mp4"
        run = generate_each.events(Request(("a ball", "a cup"), seed=2), out, tmp_path / "model", on=on)  # type: ignore[arg-type]
        words.append(said(run, out.parent))
    assert files(tmp_path / "here") == files(tmp_path / "ray")
    assert files(tmp_path / "ray").keys() == {"a-000.mp4", "a-001.mp4", "a.jsonl"}
    assert words[0] == words[1] and len(words[0]) >= 5


def test_clips_that_are_made_where_nobody_sees_them_are_refused(
    cluster: Cluster, cascade: Cascade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(cascade, tmp_path / "model")
    request = Request(("a ball",), until="base")
    generate_each(request, tmp_path / "a.npy", tmp_path / "model", on="ray")
    monkeypatch.setattr("framefall.runs.generation.prompts._sha256", lambda path: "another")
    with pytest.raises(ValueError, match="every node must write where this one reads"):
        generate_each(request, tmp_path / "a.npy", tmp_path / "model", on="ray")


def test_clips_are_measured_as_they_are_here(cluster: Cluster, generated: Path, tmp_path: Path) -> None:
    for clip in generated.iterdir():
        (tmp_path / clip.name).symlink_to(clip)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    here, there = (list(assess.events(tmp_path, generated, on=on)) for on in (None, "ray"))  # type: ignore[arg-type]
    assert said(here, tmp_path) == said(there, tmp_path)
    (ours, theirs) = (events[-1].result for events in (here, there))
    assert str(ours) == str(theirs) and str(ours.values()) == str(theirs.values()) and len(theirs.clips) == 4


COMMANDS = [
    "prepare {clips} -o {out}/ready --recipe micro --on ray",
    "generate --prompts {out}/prompts.txt -o {out}/a.mp4 --model {trained} --on ray",
    "evaluate {clips} --on ray",
]


@pytest.mark.parametrize("line", COMMANDS)
def test_without_ray_a_sentence_says_how_to_get_it(
    line: str, clips: Path, trained: Path, tmp_path: Path, framefall: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    (tmp_path / "prompts.txt").write_text("a ball\n")
    found = framefall(*line.format(clips=clips, trained=trained, out=tmp_path).split())
    assert found.code == 1 and found.out == ""
    last = found.err.splitlines()[-1]
    assert last == "framefall: --on ray needs Ray, which is not installed: pip install 'framefall[ray]'"
    assert [path.name for path in tmp_path.iterdir()] == ["prompts.txt"]


def test_an_address_that_does_not_answer_is_waited_for_as_long_as_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="the extra framefall[ray]")
    monkeypatch.setattr(on_ray, "PATIENCE", 4.0)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    began = time.monotonic()
    with pytest.raises(ValueError, match=r"RAY_ADDRESS=127\.0\.0\.1:1 must answer, and said nothing for 4 s; see that"):
        on_ray._check_answers("127.0.0.1:1")
    assert time.monotonic() - began < 30
    with pytest.raises(ValueError, match="RAY_ADDRESS=nonsense must answer, and did not"):
        monkeypatch.setattr(on_ray, "PATIENCE", 60.0)
        on_ray._check_answers("nonsense")
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    assert "RAY_AUTH_MODE=token is set if it asks for a token" in on_ray._where("nonsense")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert on_ray._where("nonsense") == "`ray status --address nonsense` shows it"


@pytest.mark.parametrize("error", [Exception("The current node timed out\nduring startup."), RuntimeError("no memory")])
def test_a_ray_that_does_not_start_is_a_sentence(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**_: object) -> None:
        raise error

    calls: dict[str, Any] = {"is_initialized": lambda: False, "init": init, "shutdown": lambda: None}
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(**calls))  # a real one is slow to start on a busy machine
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    sentence = f"Ray cannot be started: {str(error).splitlines()[0]}; see that this machine has memory"
    with pytest.raises(ValueError, match=sentence), spread("ray"):
        pass


def test_only_ray_is_known(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="work must be done here or on ray, got 'moon'"), spread("moon"):  # type: ignore[arg-type]
        pass
    with spread(None) as nowhere:
        assert nowhere is None
