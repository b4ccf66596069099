"""Our networks beside those of other packages: forward and a training step, time and memory, same clip, same size."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from framefall.bench.speed.contestants import CONTESTANTS, INSTALL, find_peers
from framefall.bench.speed.timing import ROUNDS, ratio
from framefall.bench.speed.worker import DTYPES, WORK, Worker
from framefall.progress import Events, Stepped, operation

# what is compared: one of ours, and the peers whose fastest it is measured against
_OTHERS = ("video_diffusion", "imagen", "unet3d", "motion", "svd")
_JOINT = ("cogvideox", "ltx", "wan")
COMPARED: dict[str, tuple[str, tuple[str, ...]]] = {
    "best_peer_over_unet": ("unet", _OTHERS),
    "make_a_video_over_unet": ("unet", ("make_a_video",)),
    "best_peer_over_transformer": ("transformer", ("latte", *_JOINT)),
    "best_peer_over_transformer_of_equal_parameters": ("transformer_12", ("latte", *_JOINT)),
    "best_joint_peer_over_joint_transformer": ("transformer_joint", _JOINT),
    "best_unet_peer_over_base": ("base_pico", (*_OTHERS, "make_a_video")),
    "best_unet_peer_over_base_nano": ("base_nano", (*_OTHERS, "make_a_video")),
}
_CLOSE = 1.4  # times the fastest: who took longer in the first pass is not timed again
_SHORT = 5.0  # seconds: so short a first pass only warms up


@dataclass
class _Record:
    """What is known of a network."""

    about: dict[str, Any]
    first: dict[tuple[str, str], float] = field(default_factory=dict)  # seconds of a pass, by work and dtype
    mib: dict[tuple[str, str], float | None] = field(default_factory=dict)  # peak of memory
    turns: dict[str, list[float]] = field(default_factory=dict)  # seconds by work, round by round, in the better dtype

    def better(self, work: str) -> str:
        """The dtype in which the network is faster."""
        return min(DTYPES, key=lambda dtype: self.first[work, dtype])

    def once(self, work: str) -> float:
        """The pass in that."""
        return self.first[work, self.better(work)]


@operation
def backbones_bench(
    peers: Path | None,
    seconds: float,
    names: Iterable[str] = tuple(CONTESTANTS),
    frames: int = 16,
    size: int = 64,
    rounds: int = ROUNDS,
) -> Events[dict[str, Any]]:
    """Times every network at a clip of `frames` x `size` x `size`, each at its own better precision.

    One thread, CPU time, every network a process of its own. Each first does one pass of each kind; then those
    that came near the fastest peer of a comparison take turns with ours for `rounds` rounds, and a ratio compares two
    networks round by round. A network has about `seconds` of passes in a kind of work, at least one a round.
    """
    names = tuple(names)
    theirs = [name for name in names if not CONTESTANTS[name].ours]
    folder = find_peers(peers) if theirs else None
    families = [family for family in _FAMILIES if any(CONTESTANTS[name].family in family for name in names)]
    total = len(names) + len(WORK) * len(families)
    records: dict[str, _Record] = {}
    failed: dict[str, str] = {}
    for done, name in enumerate(names):
        yield Stepped(done, total, f"one pass of {CONTESTANTS[name].label}")
        try:
            with Worker(name, frames, size, folder) as worker:
                records[name] = _first(worker)
        except RuntimeError as error:
            if name not in theirs:
                raise
            failed[name] = str(error)
    if theirs and len(failed) == len(theirs):
        raise ValueError(f"the packages in {folder} must work, got {failed[theirs[0]]}; run: {INSTALL}")
    done = len(names)
    for family in families:
        near = {work: [one for one in _near(records, work) if CONTESTANTS[one].family in family] for work in WORK}
        with ExitStack() as stack:
            those = dict.fromkeys(name for work in WORK for name in near[work])
            workers = {name: stack.enter_context(Worker(name, frames, size, folder)) for name in those}
            for work in WORK:
                yield Stepped(done, total, f"{work}, in turns: {', '.join(near[work])}")
                done += 1
                _turns([workers[name] for name in near[work]], records, work, seconds, rounds)
    ratios, fastest = _ratios(records)
    rows = {name: _row(name, record) for name, record in records.items()}
    results = {"clip": f"3x{frames}x{size}x{size}", **rows, "fastest_peer": fastest, "failed": failed}
    return {"results": results, "ratios": ratios}


_FAMILIES = (("unet", "base"), ("transformer",))  # those that take turns; a few at once fit into memory


def _first(worker: Worker) -> _Record:
    """One pass of every kind; a short one is repeated, now that everything is warm."""
    record = _Record(worker.about)
    for work in WORK:
        for dtype in DTYPES:
            answer = worker.run(work, dtype)
            if answer["seconds"] < _SHORT:
                answer = worker.run(work, dtype)
            record.first[work, dtype] = answer["seconds"]
            record.mib[work, dtype] = answer["mib"]
    return record


def _near(records: Mapping[str, _Record], work: str) -> list[str]:
    """Who takes turns: all of ours, and of each comparison the peers that came near its fastest."""
    near = {name for name in records if CONTESTANTS[name].ours}
    for _, peers in COMPARED.values():
        first = {name: records[name].once(work) for name in peers if name in records}
        near |= {name for name, took in first.items() if took < _CLOSE * min(first.values())}
    return [name for name in records if name in near]


def _turns(workers: list[Worker], records: Mapping[str, _Record], work: str, seconds: float, rounds: int) -> None:
    """Adds to the records what each took round by round; of several passes in a round their mean."""
    for worker in workers:
        record = records[worker.name]
        record.turns[work] = []
        worker.run(work, record.better(work))
    for _ in range(rounds):
        for worker in workers:
            record = records[worker.name]
            calls = max(1, int(seconds / rounds / record.once(work)))
            passes = [worker.run(work, record.better(work))["seconds"] for _ in range(calls)]
            record.turns[work].append(float(np.mean(passes)))


def _ratios(records: Mapping[str, _Record]) -> tuple[dict[str, Any], dict[str, str]]:
    """Every comparison, and which peer was its fastest; per GFLOP, too, as equal parameters are not equal work."""
    ratios: dict[str, Any] = {}
    fastest = {}
    for key, (ours, peers) in COMPARED.items():
        for work in WORK:
            took = {name: np.median(records[name].turns[work]) for name in peers if _took_turns(records, name, work)}
            if ours not in records or not took:
                continue
            peer = min(took, key=lambda name: took[name])
            over, under = records[peer], records[ours]
            found = ratio(over.turns[work], under.turns[work])
            share = under.about["gflops"] / over.about["gflops"]
            ratios[f"{key}_{work}"] = found
            ratios[f"{key}_{work}_per_gflop"] = {which: value * share for which, value in found.items()}
            fastest[f"{key}_{work}"] = f"{CONTESTANTS[peer].label}, {over.better(work)}"
    return ratios, fastest


def _took_turns(records: Mapping[str, _Record], name: str, work: str) -> bool:
    return name in records and work in records[name].turns


def _row(name: str, record: _Record) -> dict[str, Any]:
    """A network's figures: milliseconds of a pass, and the peak of memory above what the imports take, in MiB."""
    row: dict[str, Any] = {"label": CONTESTANTS[name].label, "parameters_million": record.about["parameters"] / 1e6}
    row["gflops"] = record.about["gflops"]
    for work in WORK:
        for dtype in DTYPES:
            row[f"{work}_{dtype}_first_ms"] = 1000 * record.first[work, dtype]
            row[f"{work}_{dtype}_mib"] = record.mib[work, dtype]
        times = record.turns.get(work, [record.once(work)])
        row[f"{work}_ms"] = 1000 * float(np.median(times))
        row[f"{work}_rounds"] = len(times)
        row[f"{work}_gflops_a_second"] = (1 if work == "forward" else 3) * 1e3 * row["gflops"] / row[f"{work}_ms"]
    return row
