"""Contact sheets of every scenario and of every violation beside its valid twin.

    python scripts/world_sheets.py DIR [--size 96] [--seed 0] [--rows 2]

writes DIR/scenarios.png, DIR/violations.png and, with MuJoCo installed, DIR/solids.png.
"""

import argparse
import importlib.util
from pathlib import Path

from framefall.data.media.sheet import Row, strips
from framefall.noise import Key
from framefall.worlds.render.renderer import View, render
from framefall.worlds.scenarios.registry import SCENARIOS
from framefall.worlds.scenarios.solids import SOLID_SCENARIOS
from framefall.worlds.state import StateLog, frame_times
from framefall.worlds.violations.registry import VIOLATIONS, applicable, break_physics
from framefall.worlds.world import open_world

FRAMES, RATE = 11, 4.0  # 2.5 seconds


def main() -> None:
    """Draws the sheets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=2, help="of each scenario")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    worlds = {name: open_world(name, seed=chosen.seed) for name in SCENARIOS}
    logs = [(name, world.log(index)) for name, world in worlds.items() for index in range(chosen.rows)]
    rows = [drawn(name, log, chosen.size) for name, log in logs]
    strips(rows, chosen.folder / "scenarios.png")
    rows = []
    for name in VIOLATIONS:
        log = next(
            (log for world in worlds.values() for log in map(world.log, range(4)) if name in applicable(log)), None
        )
        if log is None:
            raise SystemExit(f"no scenario has {name}")
        rows.append(drawn(log.scene.attributes.scenario, log, chosen.size))
        rows.append(drawn(name, break_physics(log, name, Key(chosen.seed, "sheet")), chosen.size))
    strips(rows, chosen.folder / "violations.png")
    if importlib.util.find_spec("mujoco"):
        solids = [(name, open_world(name, seed=chosen.seed).log(0)) for name in SOLID_SCENARIOS]
        strips([drawn(name, log, chosen.size) for name, log in solids], chosen.folder / "solids.png")


def drawn(label: str, log: StateLog, size: int) -> Row:
    """A clip's frames with their times."""
    view = View(size, round(size * log.scene.width), size)
    times = frame_times(FRAMES, RATE)
    return Row(label, render([log], [times], view)[0].permute(1, 2, 3, 0).numpy(), tuple(map(float, times)))


if __name__ == "__main__":
    main()
