"""Kills of training, of preparing and of caching, as reports: the batteries of `kills.py` and `cache_kills.py`.

python tests/batteries/interrupted.py [COUNT]      COUNT kills of each; exit code 1 if a promise is broken
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import cache_kills
import kills
from report import Report


def run(count: int, folder: Path, seed: int = 0) -> list[Report]:
    """Both promises; of the kills at least two in five land while something is written."""
    os.environ.setdefault("FRAMEFALL_CACHE", str(folder / "cache"))
    inside, found = -(-count * 2 // 5), []
    for module, hit, row in ((kills, "inside_save", 2), (cache_kills, "inside_write", 15)):
        root = folder / module.__name__
        root.mkdir(parents=True)
        values: dict[str, Any] = module.run(root, count, inside, seed)
        held = module.passed(values, count, inside)
        faults = [f"{name}: {values[name]}" for name in sorted(values)]
        found.append(
            Report(
                name=_NAMES[module.__name__],
                promise=_PROMISES[module.__name__],
                row=row,
                tried=values["kills"],
                held=values["kills"] if held else 0,
                window="killed while something was written",
                hits=values[hit],
                least_hits=inside,
                control="written straight to its name, without a checksum",
                control_tried=values.get("naive_kills", count),
                control_broke=values.get("naive_corrupt", values.get("naive_used", 0)),
                broken=() if held else tuple(faults),
                figures={"lost_steps": values["lost_steps"]} if "lost_steps" in values else {},
            )
        )
    return found


_NAMES = {
    "kills": "a killed training loses the steps since its last checkpoint, and nothing else",
    "cache_kills": "killed preparing and caching are gone on with, and leave nothing",
}
_PROMISES = {
    "kills": "A training that is killed again and again ends with the bits of one that nobody killed",
    "cache_kills": "What killed runs prepare or cache is what others make, and no partial file is left",
}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        reports = run(int(sys.argv[1]) if len(sys.argv) > 1 else 10, Path(place))
    print(json.dumps([report.json() for report in reports], indent=2))
    sys.exit(0 if all(report.passed for report in reports) else 1)
