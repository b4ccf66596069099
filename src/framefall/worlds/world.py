"""A world is an endless numbered list of scenes, of which `size` are used: nothing of it is stored.

Example `i` is a pure function of (seed, split, scenario, i). A world of 6,000 scenes is therefore the first fifth
of a world of 30,000, and a world of one scenario repeats the scenes that a world of all has of it. Version 2 of a
world has the same scenes with bigger things (`captions/bins.py`).
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from framefall.config import to_dict, to_json
from framefall.worlds.captions.bins import BINS
from framefall.worlds.captions.grammar import PARAPHRASES
from framefall.worlds.captions.sentences import describe
from framefall.worlds.scenarios.registry import SCENARIOS, draw_scene
from framefall.worlds.scenarios.solids import SOLID_SCENARIOS, draw_solid
from framefall.worlds.scene import Scene
from framefall.worlds.splits import SPLITS
from framefall.worlds.state import StateLog

LARGEST = 10_000_000  # scenes; a larger number is a slip


@dataclass(frozen=True)
class World:
    """Scenes of some scenarios in turn, in one split."""

    scenarios: tuple[str, ...] = tuple(SCENARIOS)
    split: str = "train"
    size: int = 30_000
    seed: int = 0
    version: int = 1  # of the words: what sizes they stand for

    def __post_init__(self) -> None:
        known = (*SCENARIOS, *SOLID_SCENARIOS)
        if not self.scenarios:
            raise ValueError(f"a world must have at least one scenario of {', '.join(SCENARIOS)}; got none")
        for name in self.scenarios:
            if name not in known:
                raise ValueError(f"scenario must be one of all, {', '.join(known)}; got {name!r}")
            if name in SOLID_SCENARIOS and self.split == "comb":
                raise ValueError(f"scenes with depth have no comb split, got {name}; take id or ood-near")
        if len(set(self.scenarios)) < len(self.scenarios):
            raise ValueError(f"a world must have each scenario once, got {', '.join(self.scenarios)}")
        if self.split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}; got {self.split!r}")
        if self.version not in BINS:
            raise ValueError(f"the version of a world must be one of {', '.join(map(str, BINS))}; got {self.version}")
        if not 0 < self.size <= LARGEST:
            raise ValueError(f"size must be from 1 to {LARGEST:,} scenes, got {self.size}; try 30000")

    def __len__(self) -> int:
        return self.size

    def scenario_of(self, index: int) -> str:
        """The scenario of a scene: they take turns."""
        if not 0 <= index < self.size:
            raise IndexError(f"scene must be from 0 to {self.size - 1}, got {index}")
        return self.scenarios[index % len(self.scenarios)]

    def scene(self, index: int) -> Scene:
        """Scene number `index`."""
        return _drawn(self, self.scenario_of(index), index)

    def log(self, index: int) -> StateLog:
        """What happens in scene number `index`, marked with the renderer that is installed."""
        from framefall.worlds.engines.registry import simulate
        from framefall.worlds.render.renderer import RENDERER

        return replace(simulate(self.scene(index)), renderer=RENDERER)

    def caption(self, index: int, paraphrase: int | None = None, numeric: bool = False) -> str:
        """The caption of scene number `index`; without a paraphrase they take turns."""
        turn = index // len(self.scenarios) % PARAPHRASES
        return describe(self.scene(index), turn if paraphrase is None else paraphrase, numeric)

    @property
    def fingerprint(self) -> str:
        """Names the world by what is in it: its settings, and a drawn scene and caption of each scenario."""
        values = to_dict(self)
        if self.version == 1:  # there were no versions when it got its name
            del values["version"]
        digest = hashlib.blake2b((json.dumps(values, indent=2) + "\n").encode(), digest_size=8)
        for name in self.scenarios:
            scene = _drawn(self, name, 0)
            digest.update(to_json(scene).encode() + describe(scene).encode())
        return digest.hexdigest()


def open_world(name: str, split: str = "train", size: int = 30_000, seed: int = 0) -> World:
    """The world of a scenario, of several joined by commas, or of `all` flat ones; `solid_` ones need MuJoCo.

    A name may end in a size and then in a version: `all:6k` is 6,000 scenes, `all@2` and `all:6k@2` have bigger things.
    """
    name, at, version = name.partition("@")
    if at and not version.isdigit():
        raise ValueError(f"the version of a world must be given last, like all@2 or all:6k@2; got {version!r}")
    name, _, count = name.partition(":")
    if count:
        digits = count.lower().removesuffix("k")
        if not digits.isdigit():
            raise ValueError(f"the size of a world must be given like all:6000 or all:6k, got {count!r}")
        size = int(digits) * (1000 if digits != count.lower() else 1)
    names = tuple(SCENARIOS) if name.strip() == "all" else tuple(part.strip() for part in name.split(","))
    return World(names, split, size, seed, int(version) if at else 1)


def version_trained_on(sources: Sequence[str]) -> int:
    """The newest version of a world among what a model was trained on (`worlds:fall/train/6000@2`); 1 without any."""
    # scenarios are told apart by commas, and so is what somebody says of the source after its name
    found = (re.match(r"worlds:[^@]*@(\d+)(?:,|$)", source) for source in sources)
    return max((int(match[1]) for match in found if match), default=1)


def _drawn(world: World, scenario: str, index: int) -> Scene:
    draw = draw_solid if scenario in SOLID_SCENARIOS else draw_scene
    return draw(world.seed, world.split, scenario, index, world.version)
