"""Contact sheets of every scenario and of every violation beside its valid twin.

    python scripts/world_sheets.py DIR [--size 96] [--seed 0]

writes DIR/scenarios.png, DIR/violations.png and DIR/solids.png.
"""

import argparse
from pathlib import Path

import numpy as np

from framefall.data.sheet import strips
from framefall.noise import Key
from framefall.worlds.render import View, render
from framefall.worlds.scenarios import SCENARIOS
from framefall.worlds.state import StateLog, frame_times
from framefall.worlds.violations import VIOLATIONS, applicable, break_physics
from framefall.worlds.world import open_world

FRAMES, RATE = 11, 4.0  # 2.5 seconds


def main() -> None:
    """Draws the sheets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    worlds = {name: open_world(name, seed=chosen.seed) for name in SCENARIOS}
    rows = [(name, drawn(world.log(index), chosen.size)) for name, world in worlds.items() for index in range(2)]
    strips(rows, chosen.folder / "scenarios.png")
    rows = []
    for name in VIOLATIONS:
        log = next(
            (log for world in worlds.values() for log in map(world.log, range(4)) if name in applicable(log)), None
        )
        if log is None:
            raise SystemExit(f"no scenario has {name}")
        rows.append((log.scene.attributes.scenario, drawn(log, chosen.size)))
        rows.append((name, drawn(break_physics(log, name, Key(chosen.seed, "sheet")), chosen.size)))
    strips(rows, chosen.folder / "violations.png")


def drawn(log: StateLog, size: int) -> np.ndarray:
    """A clip's frames, uint8 [frames, height, width, 3]."""
    view = View(size, round(size * log.scene.width), size)
    return render([log], [frame_times(FRAMES, RATE)], view)[0].permute(1, 2, 3, 0).numpy()


if __name__ == "__main__":
    main()
