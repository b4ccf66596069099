"""All promises of reliability with their full counts: what `make reliability` runs and `docs/reliability.md` shows.

    python tests/batteries/reliability.py [SHARE [NAME ...]]     writes docs/reliability.json and docs/reliability.md

Each battery is a module beside this one with `run(count, folder, seed) -> Report` (or several reports). SHARE scales
all counts (1 by default: less than an hour on two cores); with names only those are run, and the others keep their last
figures. Two batteries run at a time, those that took longest first, but for those that a clock judges. Each is written
down as it ends: a run that was killed goes on with those that are not yet tried at this commit and this share. Exit
code 1 if a promise is broken or a control held.
"""

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from children import SERVER
from report import Report

from framefall.provenance import commit, machine

DOCS = Path(__file__).parents[2] / "docs"
AT_ONCE = 2  # batteries: each waits for its children, or has one core


@dataclass(frozen=True)
class Battery:
    """A module beside this one, and how often its promise is tried: in full, and at least."""

    module: str
    full: int
    least: int = 1
    by_itself: bool = False  # its promise has seconds of a clock in it: no other runs beside it

    def run(self, share: float, folder: Path, seed: int = 0) -> list[Report]:
        """Its reports at a share of the full count."""
        return alone(self.module, max(self.least, round(share * self.full)), folder, seed)


def alone(module: str, count: int, folder: Path, seed: int = 0) -> list[Report]:
    """A battery's reports out of a process of its own, in which the largest child is one of the battery's."""
    with ProcessPoolExecutor(1, mp_context=SERVER) as pool:
        return pool.submit(_reports, module, count, folder, seed).result()


def _reports(module: str, count: int, folder: Path, seed: int) -> list[Report]:
    found: Report | Sequence[Report] = import_module(module).run(count, folder, seed)
    return [found] if isinstance(found, Report) else list(found)


# full counts are those of the plan of promises, or what an hour allows
BATTERIES: dict[str, Battery] = {
    "outputs": Battery("outputs", 100, 8),
    "kills": Battery("kills", 200, 4),
    "power": Battery("power", 50, 2),
    "bit_rot": Battery("bit_rot", 1000, 20),
    "trainings": Battery("trainings", 540, 16),
    "odd_files": Battery("odd_files", 500, 24),
    "odd_videos": Battery("odd_videos", 60, 12),
    "cache_kills": Battery("cache_kills", 50, 4),
    "made_clips": Battery("made_clips", 100, 6),
    "leaks": Battery("leaks", 3000, 60),
    "long_videos": Battery("long_videos", 50, 3),
    "offline": Battery("offline", 3),
    "hostile": Battery("hostile", 100, 12),
    "fuzz": Battery("fuzz", 3000, 30),
    "studio_jobs": Battery("studio_jobs", 200, 8, by_itself=True),
    "studio_queue": Battery("studio_queue", 2000, 20),
    "studio_guard": Battery("studio_guard", 5000, 60),
    "studio_files": Battery("studio_files", 1000, 30, by_itself=True),
}


def measure(share: float, names: Sequence[str]) -> Iterator[tuple[str, list[dict[str, Any]] | Exception]]:
    """The reports of the named batteries as they end, two running at a time; or what ended one before it had any."""
    groups = {True: list[str](), False: list[str]()}
    for name in names:
        groups[BATTERIES[name].by_itself].append(name)
    for by_itself, group in groups.items():
        with ThreadPoolExecutor(1 if by_itself else AT_ONCE) as pool:
            begun = {pool.submit(_timed, name, share): name for name in group}
            for done in as_completed(begun):
                error = done.exception()
                if error is not None and not isinstance(error, Exception):
                    raise error
                yield begun[done], error or done.result()


def _timed(name: str, share: float) -> list[dict[str, Any]]:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        reports = BATTERIES[name].run(share, Path(folder))
    about = {"battery": name, "share": share, "seconds": round(time.monotonic() - began, 1), "commit": commit()}
    return [report.json() | about for report in reports]


def figure(values: dict[str, Any]) -> str:
    """How often a promise held."""
    return f"{values['held']:,}/{values['tried']:,}"


def page(result: dict[str, Any]) -> str:
    """The reports as a page: promise, test, figure, control."""
    lines = [
        "# What Framefall promises, and how often that was tried",
        "",
        f"Written by `make reliability` from `docs/reliability.json` (commit {result['commit']}, {result['date']},",
        f"{result['machine']['cpu']}, {result['system']}, {result['minutes']:.0f} minutes). Each promise is tried as",
        "often as the figure says, by `tests/batteries/` (fewer times in `make test-full`, most in `make test`). The",
        "dangerous moment is met as often as *hits* says, or the battery fails. A control does the same in the way",
        "that everybody writes first; the same tries must break it, or they prove nothing.",
        "",
        "| row | promise | test | held | dangerous moment: hits (at least) | control: broken | |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in sorted(result["promises"], key=lambda one: (one["row"] or 99, one["name"])):
        hits = f"{one['window']}: {one['hits']:,} ({one['least_hits']:,})" if one["window"] else ""
        control = f"{one['control']}: {one['control_broke']:,} of {one['control_tried']:,}"
        cells = [one["row"] or "", one["promise"], f"`{one['battery']}`", figure(one), hits, control]
        lines.append(f"| {' | '.join(map(str, cells))} | {'' if one['passed'] else '**broken**'} |")
    for one in result["promises"]:
        more = [*one["broken"], *(f"{name}: {value}" for name, value in one["figures"].items())]
        if more:
            lines += ["", f"**{one['name']}**", "", *(f"- {line}" for line in more)]
    return "\n".join(lines) + "\n"


def main(words: Sequence[str], docs: Path = DOCS) -> int:
    """Runs, writes both files as each battery ends, and says whether all held."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # two at a time have one core each
    share, here, began = float(words[0]) if words else 1.0, commit(), time.monotonic()
    before = _read(docs)
    took = {one["battery"]: one.get("seconds", 0.0) for one in before["promises"]}
    tried = {one["battery"] for one in before["promises"] if (one["commit"], one.get("share")) == (here, share)}
    left = [name for name in BATTERIES if name not in tried]
    names = list(words[1:]) or left or list(BATTERIES)
    spent = before["minutes"] if words[1:] or (tried and left) else 0.0
    for turn, (name, reports) in enumerate(measure(share, sorted(names, key=lambda name: -took.get(name, 1e9))), 1):
        minutes = (time.monotonic() - began) / 60
        reports, error = ([], reports) if isinstance(reports, Exception) else (reports, None)
        print(f"{turn}/{len(names)} {name}, after {minutes:.1f} minutes{f': {error!r}' if error else ''}", flush=True)
        for one in reports:
            print(f"  {'held' if one['passed'] else 'BROKEN':7}{figure(one):14}{one['name']}", flush=True)
            for line in () if one["passed"] else one["broken"]:
                print(f"      {line}", flush=True)
        others = [one for one in _read(docs)["promises"] if one["battery"] != name]  # read anew: two may run at once
        _write(docs, [*others, *reports], spent if words[1:] else spent + minutes)
    found = _read(docs)["promises"]
    return 0 if all(one["passed"] for one in found) and set(names) <= {one["battery"] for one in found} else 1


def _read(docs: Path) -> dict[str, Any]:
    path = docs / "reliability.json"
    return dict(json.loads(path.read_text())) if path.exists() else {"promises": [], "minutes": 0.0}


def _write(docs: Path, found: list[dict[str, Any]], minutes: float) -> None:
    result = {
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "system": platform.platform(terse=True),
        "minutes": minutes,
        "promises": found,
    }
    text = json.dumps(result, indent=1) + "\n"
    (docs / "reliability.json").write_text(text)
    (docs / "reliability.md").write_text(
        page(json.loads(text))
    )  # as whoever reads the other one has it: names are text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
