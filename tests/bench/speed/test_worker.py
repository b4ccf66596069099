"""A network in a process of its own; ours, as the others are installed only where a benchmark is run."""

from collections.abc import Iterator

import pytest
from forked import forking

from framefall.bench.speed.worker import DTYPES, WORK, Worker


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with forking(), Worker("base_pico", 2, 16) as one:
        yield one


@pytest.mark.slow
def test_a_worker_says_what_it_is_and_what_each_pass_took(worker: Worker) -> None:
    assert worker.about["parameters"] == 3_638_275
    assert worker.about["gflops"] > 0
    for work in WORK:
        for dtype in DTYPES:
            answer = worker.run(work, dtype)
            assert answer["seconds"] > 0
            assert answer["mib"] > 4 * worker.about["parameters"] / 2**20  # its weights, at least


@pytest.mark.slow
def test_training_takes_more_than_forward(worker: Worker) -> None:
    took = {work: sorted(worker.run(work, "float32")["seconds"] for _ in range(3))[1] for work in WORK}
    assert took["train"] > 1.5 * took["forward"]


@pytest.mark.usefixtures("forked")
def test_a_worker_that_cannot_work_says_why() -> None:
    with pytest.raises(RuntimeError, match=r"video_diffusion: ModuleNotFoundError: .*video_diffusion_pytorch"):
        Worker("video_diffusion", 2, 16)
