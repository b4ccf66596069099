"""A training under torchrun whose ranks are killed and frozen: it says so by name, and goes on to the same weights."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from framefall import publish

STEPS = 24
COMMAND = "from framefall.cli import main; main()"


def torchrun(clips: Path, model: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *options),
            *("--no-python", sys.executable, "-c", COMMAND, "train", str(clips), "-o", str(model), "--recipe", "micro"),
            *("--stage", "base", "--steps", str(STEPS), "--resume", "--device", "cpu", "--set", "save_every=2"),
            *("--set", "stages.base.sharding=full"),
        ],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def workers(agent: int) -> list[int]:
    """The processes that torchrun has started, by rank."""
    return [int(one) for one in Path(f"/proc/{agent}/task/{agent}/children").read_text().split()]


def checkpoints(model: Path) -> list[int]:
    return sorted(int(one.name) for one in (model.parent / f"{model.name}.training/base/checkpoints").glob("[0-9]*"))


def struck(clips: Path, model: Path, rank: int, what: signal.Signals, *options: str) -> tuple[int, str, int, float]:
    """A training of which a rank is struck after its first checkpoint: exit code, stderr, its process, seconds."""
    agent = torchrun(clips, model, *options)
    try:
        end = time.monotonic() + 200
        while not checkpoints(model):
            assert time.monotonic() < end and agent.poll() is None
            time.sleep(0.05)
        process = workers(agent.pid)[rank]
        began = time.monotonic()
        os.kill(process, what)
        _, said = agent.communicate(timeout=250)
        return agent.returncode, said, process, time.monotonic() - began
    finally:
        agent.kill()


@pytest.fixture(scope="module")
def unbroken(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The hash of the weights of a training that nobody disturbs."""
    model = tmp_path_factory.mktemp("unbroken") / "model"
    agent = torchrun(clips, model)
    _, said = agent.communicate(timeout=250)
    assert agent.returncode == 0, said
    return publish.sha256(model / "base.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize(("rank", "what"), [(0, signal.SIGKILL), (1, signal.SIGSTOP)])
def test_a_lost_rank_ends_the_job_within_thirty_seconds_with_its_name(
    rank: int, what: signal.Signals, clips: Path, tmp_path: Path
) -> None:
    code, said, process, seconds = struck(clips, tmp_path / "model", rank, what)
    sentences = [
        line for line in said.splitlines() if re.search(rf"framefall: .*rank {rank} \(.+, process \d+\)", line)
    ]
    assert code != 0 and len(sentences) == 1 and f"process {process})" in sentences[0]
    assert seconds < 30


@pytest.mark.slow
@pytest.mark.parametrize(("rank", "what"), [(1, signal.SIGKILL), (0, signal.SIGSTOP)])
def test_torchrun_starts_it_again_and_it_ends_with_the_same_weights(
    rank: int, what: signal.Signals, clips: Path, tmp_path: Path, unbroken: str
) -> None:
    model = tmp_path / "model"
    code, said, _, _ = struck(clips, model, rank, what, "--max-restarts", "2")
    assert code == 0, said
    rows = [json.loads(line) for line in (tmp_path / "model.training/base/log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "loss" in row] == list(range(1, STEPS + 1))
    assert publish.sha256(model / "base.safetensors") == unbroken


@pytest.mark.slow
def test_groups_of_ranks_train_the_stages_at_the_same_time(clips: Path, tmp_path: Path) -> None:
    def run(name: str, count: int, *words: str) -> Path:
        model = tmp_path / name
        started = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
        code = ["--no-python", sys.executable, "-c", COMMAND, "train", str(clips), "-o", str(model)]
        settings = ["--recipe", "micro", "--steps", "3", "--device", "cpu", *words]
        done = subprocess.run([*started, *code, *settings], stderr=subprocess.PIPE, text=True, timeout=280)
        assert done.returncode == 0, done.stderr
        return model

    together = run("together", 4, "--ranks", "base=2,temporal_sr=1,spatial_sr=1", "--set", "stages.base.sharding=full")
    base = run("base", 2, "--stage", "base", "--set", "stages.base.sharding=full")
    temporal = run("temporal", 1, "--stage", "temporal_sr")
    for alone, name in ((base, "base"), (temporal, "temporal_sr")):
        assert publish.sha256(together / f"{name}.safetensors") == publish.sha256(alone / f"{name}.safetensors")
    assert publish.verify(together).keys() >= {f"{name}.safetensors" for name in ("base", "temporal_sr", "spatial_sr")}
