"""What the command `framefall generate` takes: on cores that nobody else wants, and beside one and two busy ones.

Every run is the command itself in a fresh process, by wall time, without a GPU. Busy cores are processes of our own
that multiply matrices (`busy.py`). Beside the command as it is, whose threads wait passively, stands the same with the
active wait that libgomp has where nobody says anything: it spins for milliseconds before it sleeps.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch

from framefall import publish
from framefall.bench.speed.busy import busy_cores
from framefall.bench.speed.timing import flop_counter, product, ratio, spread
from framefall.cascade.cascade import Cascade, CascadeConfig
from framefall.cascade.request import Quality, Request
from framefall.cascade.saved.checkpoint import load_cascade, save
from framefall.models.precision import fast_dtype
from framefall.progress import Events, Stepped, operation
from framefall.recipes.registry import RECIPES
from framefall.threads import VARIABLES
from framefall.train.loop import initial
from framefall.weights import DEFAULT, SHIPPED

PROMPT = "a large red ball falls and bounces on the floor"
BESIDE = {"idle": 0, "beside_one": 1, "beside_two": 2}  # busy cores
ACTIVE = {"GOMP_SPINCOUNT": "300000"}  # libgomp's own count of looks before it sleeps, where nobody says anything


@dataclass(frozen=True)
class Case:
    """A way to run the command."""

    beside: str  # of BESIDE
    quality: Quality = "fast"
    wait: Literal["passive", "active"] = "passive"

    def __str__(self) -> str:
        return f"{self.quality}, {self.beside.replace('_', ' ')}{', active wait' if self.wait == 'active' else ''}"


# the active wait beside two cores is measured for `fast` alone: a clip takes a minute there
CASES = (
    *(Case("idle", quality, wait) for quality in ("fast", "best") for wait in ("passive", "active")),
    *(Case(beside, quality) for beside in ("beside_one", "beside_two") for quality in ("fast", "best")),
    Case("beside_two", "fast", "active"),
)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a command took, in seconds of wall time."""

    whole: float
    stages: Mapping[str, float]
    clip: float  # how long the clip lasts that it made
    others: float = 0.0  # cores that other processes used meanwhile

    @property
    def inside(self) -> float:
        """All stages together."""
        return sum(self.stages.values())


@operation
def generate_bench(
    model: str | None = None, rounds: int = 5, cases: Sequence[Case] = CASES, seed: int = 0
) -> Events[dict[str, Any]]:
    """Seconds of the whole command and of each stage, case by case in turns, and what they are beside each other.

    `model` is a shipped name, a trained model's folder, or a recipe's name: that cascade with fresh weights, which are
    as fast. The floor is the operations of a clip at the rate of a large matrix product on as many threads, measured
    in the same rounds. `others_cores` says how far from idle the machine was by itself.
    """
    by_load = {beside: [case for case in cases if case.beside == beside] for beside in BESIDE}
    runs: dict[Case, list[Run]] = {case: [] for case in cases}
    rates: list[float] = []
    done, total = 0, rounds * len(cases)
    with TemporaryDirectory() as place:
        folder = Path(place)
        path = _model(model or DEFAULT, folder)
        flops = {quality: stage_flops(load_cascade(path), quality) for quality in {case.quality for case in cases}}
        for _ in range(rounds):
            rates.append(matmul_rate())
            for beside, those in by_load.items():
                with busy_cores(BESIDE[beside] if those else 0):
                    for case in those:
                        yield Stepped(done, total, str(case))
                        runs[case].append(run(case, path, folder / f"{done}.mp4", seed))
                        done += 1
    results = {
        "model": model or DEFAULT,
        "cores": os.cpu_count(),
        "seconds_of_clip": runs[cases[0]][0].clip,
        "matmul_gflops_a_second": spread([rate / 1e9 for rate in rates]),
        "gflops_a_clip": {quality: {name: one / 1e9 for name, one in each.items()} for quality, each in flops.items()},
        "others_cores": spread([one.others for case in by_load["idle"] for one in runs[case]] or [0.0]),
        **{_key(case): _row(each) for case, each in runs.items()},
    }
    totals = {quality: sum(each.values()) for quality, each in flops.items()}
    return {"results": results, "ratios": _ratios(runs, rates, totals)}


def run(case: Case, model: Path | str, output: Path, seed: int = 0) -> Run:
    """Runs the command once, and removes its clip."""
    root = str(Path(publish.__file__).parents[1])  # this package, whichever is installed
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH"))))
    command = [sys.executable, "-c", "from framefall.cli import main; main()", "generate", PROMPT, "-o", str(output)]
    command += ["--model", str(model), "--quality", case.quality, "--seed", str(seed), "--device", "cpu", "--json"]
    before, began = _cpu_seconds(), time.perf_counter()
    said = subprocess.run(
        command, env=environment | (ACTIVE if case.wait == "active" else {}), capture_output=True, text=True
    )
    whole = time.perf_counter() - began
    if said.returncode:
        raise RuntimeError(f"framefall generate failed: {said.stderr.strip().splitlines()[-1:]}")
    output.unlink()
    others = [now - then for now, then in zip(_cpu_seconds(), before, strict=True)]
    (clip,) = json.loads(said.stdout)["clips"]
    return Run(
        whole=whole,
        stages=clip["seconds"],
        clip=clip["frames"] / clip["fps"],
        others=max(0.0, others[0] - others[1]) / whole,
    )


def stage_flops(cascade: Cascade, quality: Quality) -> dict[str, int]:
    """Operations of each stage's networks for the clip: matrix products, convolutions and attention."""
    found: dict[str, int] = {}
    for stage in cascade.stages:  # a caption is encoded once in a process: not here, and then in none of them
        stage.condition([PROMPT], frames=1, fps=1.0)
    with flop_counter() as counter:
        for event in cascade.stream(Request(PROMPT, quality=quality)):
            assert event.stage is not None
            new = int(counter.get_total_flops()) - sum(found.values())
            found[event.stage.name] = found.get(event.stage.name, 0) + new
    return found


def matmul_rate() -> float:
    """Operations a second of a large product on all of torch's threads, by wall time: the best of five."""
    multiply, operations = product(fast_dtype(torch.device("cpu")))
    times = []
    for _ in range(5):
        began = time.perf_counter()
        multiply()
        times.append(time.perf_counter() - began)
    return operations / min(times)


def untrained(recipe: str) -> Cascade:
    """A recipe's cascade with fresh weights."""
    parts = RECIPES[recipe]().stages
    stages = tuple(initial(name, part, 0, torch.device("cpu")) for name, part in parts.items())
    config = CascadeConfig(name=recipe, stages={name: part.stage for name, part in parts.items()})
    return Cascade(config=config, stages=tuple(replace(one, backbone=one.backbone.eval()) for one in stages))


def _model(name: str, folder: Path) -> Path | str:
    """What the command is to load."""
    if name not in RECIPES or Path(name).is_dir() or (SHIPPED / name / publish.MANIFEST).exists():
        return name
    save(untrained(name), folder / name)
    return folder / name


def _key(case: Case) -> str:
    return "_".join((case.quality, case.beside, *(("active",) if case.wait == "active" else ())))


def _row(runs: Sequence[Run]) -> dict[str, Any]:
    return {
        "whole_seconds": spread([one.whole for one in runs]),
        "stages_seconds": spread([one.inside for one in runs]),
        "seconds": {name: spread([one.stages[name] for one in runs]) for name in runs[0].stages},
    }


def _ratios(
    runs: Mapping[Case, Sequence[Run]], rates: Sequence[float], flops: Mapping[Quality, int]
) -> dict[str, dict[str, float]]:
    """What there are cases for; `_best` is said of the quality that is not the default."""
    whole = {case: [one.whole for one in each] for case, each in runs.items()}
    inside = {case: [one.inside for one in each] for case, each in runs.items()}
    ratios = {}
    for case in runs:
        suffix = "" if case.quality == "fast" else f"_{case.quality}"
        idle, passive = replace(case, beside="idle"), replace(case, wait="passive")
        if case.wait == "active" and passive in runs:
            ratios[f"passive_over_active_{case.beside}{suffix}"] = ratio(inside[passive], inside[case])
        elif case.beside != "idle" and idle in runs:
            ratios[f"{case.beside}_over_idle{suffix}"] = ratio(whole[case], whole[idle])
            ratios[f"stages_{case.beside}_over_idle{suffix}"] = ratio(inside[case], inside[idle])
        elif case.beside == "idle":
            floors = [flops[case.quality] / rate for rate in rates]
            ratios[f"seconds_over_matmul_floor{suffix}"] = ratio(inside[case], floors)
            ratios[f"real_time{suffix}"] = ratio([one.clip for one in runs[case]], inside[case])
    return ratios


def _cpu_seconds() -> tuple[float, float]:
    """CPU time of everything on this machine, on Linux, and of this process with the children that have ended."""
    ours = sum(os.times()[:4])
    if not _STAT.exists():
        return ours, ours
    user, nice, system, _, _, interrupts, soft, *_ = map(int, _STAT.read_text().splitlines()[0].split()[1:])
    return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK"), ours


_STAT = Path("/proc/stat")
