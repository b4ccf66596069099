"""Whether the other ranks of a run are alive: whoever is dead or silent ends the job, with its name in one sentence.

Each rank counts up a number in torch's key-value store (of torchrun, or of rank 0) every second, from a thread, and
looks at those of the others. On its own machine it looks at their processes too: a dead one is known at once, and one
that computes without a word is busy and not frozen. The lowest rank that is left speaks, one on the machine of a
frozen process ends that, so that nobody waits for it, and all that are left end with exit code 1.
"""

import contextlib
import json
import math
import os
import platform
import select
import signal
import sys
import threading
import time
import traceback
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch.distributed as dist

LIMIT = 20.0  # seconds of silence that are too many
EVERY = 1.0  # seconds between two words
GRACE = 3.0  # seconds in which a rank may fail of the same as another, and say so itself
_LEFT, _FAILED = b"left", b"failed: "


@dataclass(frozen=True)
class Who:
    """A rank's process."""

    rank: int
    host: str
    process: int
    began: int  # of the process, in the system's ticks; 0 where it does not say

    @property
    def here(self) -> bool:
        """Whether it runs on this machine."""
        return self.host == platform.node()

    def said(self) -> str:
        """Its name for people."""
        return f"rank {self.rank} ({self.host}, process {self.process})"


class Heartbeat:
    """A rank's word to the others, and its ear for theirs, from when it is made until it is ended."""

    def __init__(self, rank: int, world_size: int) -> None:
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        stores: Any = dist  # whose names its types do not have
        client = stores.TCPStore(address, port, is_master=False, timeout=timedelta(seconds=LIMIT))
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        self.store = stores.PrefixStore(f"framefall/heartbeat/{attempt}", client)
        self.rank, self.beats = rank, [f"beat/{one}" for one in range(world_size)]
        me = Who(rank, platform.node(), os.getpid(), _stat(os.getpid()).began)
        self.store.set(f"who/{rank}", json.dumps(asdict(me)))
        self.store.set(self.beats[rank], "0")
        self.ranks = [Who(**json.loads(self.store.get(f"who/{one}"))) for one in range(world_size)]
        self.word, self.ended = "", threading.Event()
        self.news = [b""] * world_size, time.monotonic()  # what all said, and when the store was asked
        self.wakened, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._signals = threading.current_thread() is threading.main_thread()
        if self._signals:  # by a pipe: the main thread may be waiting for a dead rank, where Python's handlers wait too
            self._before = signal.signal(signal.SIGTERM, lambda *_: None)
            signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        # the store is asked by a thread of its own: where its process is frozen no answer comes, and no timeout
        self.threads = [threading.Thread(target=one, name="heartbeat", daemon=True) for one in (self._tell, self._run)]
        for thread in self.threads:
            thread.start()

    def end(self, failed: str | None = None) -> None:
        """Says that this rank leaves, or what it failed of, and stops listening."""
        self.word = (_LEFT if failed is None else _FAILED).decode() + (failed or "")
        self.ended.set()
        with contextlib.suppress(OSError):
            os.write(self._wake, b"\0")
        for thread in self.threads:
            thread.join(LIMIT / 2)
        if self._signals:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGTERM, self._before)
        os.close(self._wake)
        os.close(self.wakened)

    def _run(self) -> None:
        try:
            self._listen()
        except Exception:  # nobody would hear of SIGTERM any more
            traceback.print_exc()
            os._exit(1)

    def _tell(self) -> None:
        """Says this rank's word again and again, and keeps those of all."""
        beat = 0
        while not self.ended.is_set():
            beat += 1
            try:
                self.store.set(self.beats[self.rank], str(beat))
                asked = time.monotonic()
                self.news = list(self.store.multi_get(self.beats)), asked
            except Exception:  # in the end whoever serves the store may be gone first
                self.ended.wait(GRACE)
                self.news = self.news[0], -LIMIT
                return
            self.ended.wait(EVERY)
        with contextlib.suppress(Exception):  # nobody may be left to hear it
            self.store.set(self.beats[self.rank], self.word)

    def _listen(self) -> None:
        looked = time.monotonic()
        words = [b""] * len(self.ranks)
        heard, worked, ending = [looked] * len(words), [0] * len(words), [math.inf] * len(words)
        told, rested = math.inf, looked
        while True:
            woken, _, _ = select.select([self.wakened], [], [], EVERY)
            now, (found, asked) = time.monotonic(), self.news
            if woken and signal.SIGTERM in os.read(self.wakened, 64):  # as torchrun does when a rank has died
                told = min(told, now)
            if self.ended.is_set():
                return
            if now - looked > LIMIT / 2:  # this process stood still itself: nobody's silence counts
                heard, rested = [now] * len(words), now
            lost = {}
            if now - max(asked, rested) > LIMIT or asked < 0:
                lost[0] = "serves the ranks' store, which does not answer: it is dead or frozen, or its machine is"
            for who in self.ranks:
                at, stat = who.rank, _stat(who.process) if who.here else None
                word = found[at]
                gone = stat is not None and not stat.is_of(who) and word != _LEFT
                if gone or word.startswith(_FAILED):  # both may be the end of a rank that has said why, or will
                    ending[at] = min(ending[at], now)
                    if word.startswith(_FAILED):
                        lost |= {at: word.decode()} if now - ending[at] > GRACE else {}
                    elif asked > ending[at] and now - ending[at] > GRACE / 2:  # its last word is known
                        lost[at] = "is dead"
                elif word == _LEFT or word != words[at] or (stat and stat.worked > worked[at]):
                    heard[at] = now
                elif now - heard[at] > LIMIT and not lost:
                    lost[at] = f"has been silent for {now - heard[at]:.0f} seconds: it is frozen, or its machine is"
                words[at], worked[at] = word, stat.worked if stat else 0
            if lost or now - told > GRACE:
                self._leave(lost, 1 if lost else 128 + signal.SIGTERM)
            looked = now

    def _leave(self, lost: dict[int, str], code: int) -> None:
        """Ends this process; it speaks, and ends what is frozen beside it, where it is the one to do so."""
        alive = [who for who in self.ranks if who.rank not in lost]
        self.word = _LEFT.decode()  # others that see this one go shall not count it as lost
        self.ended.set()
        self.threads[0].join(GRACE)
        if lost and alive and alive[0].rank == self.rank:
            names = "; ".join(f"{self.ranks[rank].said()} {why}" for rank, why in sorted(lost.items()))
            after = "a training goes on from its newest checkpoint with --resume"
            print(f"framefall: {names}; the job ends, {after}", file=sys.stderr, flush=True)
        for who in (self.ranks[rank] for rank in lost):
            beside = [one.rank for one in alive if one.host == who.host]
            if who.here and beside and beside[0] == self.rank and _stat(who.process).is_of(who):
                with contextlib.suppress(OSError):
                    os.kill(who.process, signal.SIGKILL)
        os._exit(code)


@dataclass(frozen=True)
class _Stat:
    """What the system says of a process."""

    state: str  # a letter; empty where there is none, or the system does not say
    began: int = 0
    worked: int = 0  # ticks of computing

    def is_of(self, who: Who) -> bool:
        """Whether it is that process, and alive; where the system says nothing of processes it counts as that."""
        return not who.began or (self.began == who.began and self.state not in "ZX")


def _stat(process: int) -> _Stat:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _Stat("")
    return _Stat(fields[0], int(fields[19]), int(fields[11]) + int(fields[12]))
