import os
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from threading import Thread

import pytest

from framefall.locks import Held, alone, in_turn

HOLDER = """
import pathlib, time
from framefall.locks import alone
with alone(pathlib.Path({lock!r})):
    print("have it", flush=True)
    time.sleep(60)
"""


def test_of_two_only_one_is_alone_and_the_other_is_told_whose_turn_it_is(tmp_path: Path) -> None:
    with alone(tmp_path / "lock"):
        with pytest.raises(Held, match=f"is held by process {os.getpid()}") as refusal, alone(tmp_path / "lock"):
            pass
        assert refusal.value.holder == os.getpid()
    with alone(tmp_path / "lock"):  # again, as nobody has it
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_ends_with_its_process_and_what_that_left_is_no_obstacle(tmp_path: Path) -> None:
    code = HOLDER.format(lock=str(tmp_path / "lock"))
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"have it\n"
    with pytest.raises(Held) as refusal, alone(tmp_path / "lock"):
        pass
    assert refusal.value.holder == child.pid
    child.kill()
    child.wait()
    child.stdout.close()
    assert (tmp_path / "lock").exists()  # the control: a file that is there would keep everybody out for ever
    with alone(tmp_path / "lock"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("locked", [True, False])
def test_what_is_read_and_written_in_turn_loses_nothing(locked: bool, tmp_path: Path) -> None:
    """Without turns, the control, counts get lost."""
    count = [0]

    def add() -> None:
        before = count[0]
        time.sleep(0.002)
        count[0] = before + 1

    def work() -> None:
        for _ in range(10):
            with in_turn(tmp_path) if locked else nullcontext():
                add()

    threads = [Thread(target=work) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (count == [20]) == locked
    assert list(tmp_path.iterdir()) == []


def test_who_is_interrupted_lets_go(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), in_turn(tmp_path), alone(tmp_path / "lock"):
        raise KeyboardInterrupt
    with in_turn(tmp_path), alone(tmp_path / "lock"):
        pass
