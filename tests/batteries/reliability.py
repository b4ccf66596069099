"""All promises of reliability with their full counts: what `make reliability` runs and `docs/reliability.md` shows.

    python tests/batteries/reliability.py [SHARE [NAME ...]]     writes docs/reliability.json and docs/reliability.md

Each battery is a module beside this one with `run(count, folder, seed) -> Report` (or several reports). SHARE scales
all counts (1 by default: about an hour on two cores); with names only those are run, and the others keep their last
figures. Exit code 1 if a promise is broken or a control held.
"""

import json
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from children import SERVER
from report import Report

from framefall.provenance import commit, machine

DOCS = Path(__file__).parents[2] / "docs"


@dataclass(frozen=True)
class Battery:
    """A module beside this one, and how often its promise is tried: in full, and at least."""

    module: str
    full: int
    least: int = 1

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
    "studio_jobs": Battery("studio_jobs", 200, 8),
    "studio_queue": Battery("studio_queue", 2000, 20),
    "studio_guard": Battery("studio_guard", 5000, 60),
    "studio_files": Battery("studio_files", 1000, 30),
}


def measure(share: float, names: Sequence[str]) -> list[dict[str, Any]]:
    """The reports of the named batteries, a line each as they end."""
    found = []
    for name in names:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            reports = BATTERIES[name].run(share, Path(folder))
        for report in reports:
            took = round(time.monotonic() - began, 1)
            values = report.json() | {"battery": name, "seconds": took, "commit": commit()}
            print(f"{'held' if report.passed else 'BROKEN':7}{figure(values):14}{report.name}", flush=True)
            found.append(values)
    return found


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
        "often as the figure says, by `tests/batteries/` (a smaller count of the same is in `make test`). The",
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
    """Runs, writes both files, and says whether all held."""
    share = float(words[0]) if words else 1.0
    names = list(words[1:]) or list(BATTERIES)
    path = docs / "reliability.json"
    before = json.loads(path.read_text())["promises"] if path.exists() and len(words) > 1 else []
    found = [one for one in before if one["battery"] not in names] + measure(share, names)
    result = {
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "system": platform.platform(terse=True),
        "minutes": sum({one["battery"]: one.get("seconds", 0.0) for one in found}.values()) / 60,
        "promises": found,
    }
    path.write_text(json.dumps(result, indent=1) + "\n")
    (docs / "reliability.md").write_text(page(result))
    return 0 if all(one["passed"] for one in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
