import pickle
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from framefall.data.cached.decoding import Decoded, Turns, Undecoded, decode, in_threads
from framefall.data.cached.store import CacheError, Store
from framefall.data.media.writer import write
from framefall.data.origin import Settings


@pytest.fixture
def video(tmp_path: Path) -> Path:
    frames = np.random.default_rng(0).integers(0, 255, (8, 32, 32, 3), np.uint8)
    write(tmp_path / "a.mp4", [frames], 12.0)
    return tmp_path / "a.mp4"


def test_a_file_is_decoded_by_what_can_be_sent_elsewhere_and_what_comes_back_is_its_entry(
    video: Path, tmp_path: Path
) -> None:
    work = pickle.loads(pickle.dumps(partial(decode, Store(tmp_path / "cache"), Settings(size=32))))
    found = pickle.loads(pickle.dumps(work(Undecoded(video))))
    assert isinstance(found, Decoded) and found.entry.shape == (8, 32, 32, 3) and found.entry.file.exists()
    assert found.entry.read(range(8)).shape == (8, 32, 32, 3)


def test_a_file_that_cannot_be_used_is_a_reason_and_a_cache_that_cannot_be_is_an_error(
    video: Path, tmp_path: Path
) -> None:
    (tmp_path / "b.mp4").write_bytes(b"no video")
    (tmp_path / "c.mp4").symlink_to(tmp_path / "nowhere")
    store = Store(tmp_path / "cache")
    assert isinstance(decode(store, Settings(), Undecoded(tmp_path / "b.mp4")), str)
    assert decode(store, Settings(), Undecoded(tmp_path / "c.mp4")) == "it is a link to nothing"
    with pytest.raises(CacheError):
        decode(Store(video / "cache"), Settings(), Undecoded(video))


def test_threads_give_results_in_order_and_take_turns_by_name() -> None:
    turns, inside, most = Turns(), [0], [0]

    def work(number: int) -> int:
        with turns("one"):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.02 if number == 0 else 0.002)
            inside[0] -= 1
        return number

    assert list(in_threads(work, range(6))) == [0, 1, 2, 3, 4, 5] and most == [1]
    assert turns("one") is turns("one") is not turns("two")


def test_whoever_leaves_ends_what_is_left_to_do() -> None:
    begun: list[int] = []
    gate = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if number:
            gate.wait(5)
        return number

    run = in_threads(work, range(50))
    assert next(run) == 0
    threading.Timer(0.05, gate.set).start()
    run.close()
    assert len(begun) < 50
