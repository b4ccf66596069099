"""What models there are and what each knows: the stages of its config, and what its card says of them."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from framefall import publish
from framefall.cascade.card import StageCard, read_card
from framefall.cascade.cascade import CascadeConfig
from framefall.cascade.checkpoint import CONFIG, find, makes, read_config
from framefall.weights import SHIPPED


@dataclass(frozen=True, kw_only=True)
class StageAbout:
    """One stage of a model."""

    task: str
    makes: str
    parameters: int
    card: StageCard | None  # None: nothing is written about what it knows


@dataclass(frozen=True, kw_only=True)
class ModelAbout:
    """A model, without its weights."""

    name: str
    folder: str
    description: str
    license: str
    trained_on: list[str]
    stages: dict[str, StageAbout]

    @property
    def words(self) -> dict[str, int]:
        """Of all captions, and how many have each, the most frequent first; each word as often as a stage has it."""
        found: dict[str, int] = {}
        for stage in self.stages.values():
            for word, count in ({} if stage.card is None else stage.card.words).items():
                found[word] = max(count, found.get(word, 0))
        return dict(sorted(found.items(), key=lambda one: -one[1]))


def about_model(model: str | Path) -> ModelAbout:
    """A shipped model by its name, or the one in a folder. Raises `ValueError` for what is none, or is damaged."""
    folder = find(model)
    publish.verify(folder)
    if not (folder / CONFIG).exists():
        raise ValueError(f"a model must have a {CONFIG}, {folder} has none; name a model's folder, not a checkpoint's")
    config, card = read_config(folder / CONFIG), read_card(folder)
    parts = {} if card is None else card.stages
    return ModelAbout(
        name=config.name,
        folder=str(folder),
        description=config.description,
        license=config.license,
        trained_on=config.trained_on,
        stages={name: _stage(folder, name, config, parts.get(name)) for name in config.stages},
    )


def models(*folders: str | Path) -> list[ModelAbout]:
    """The shipped models, and those of the folders given."""
    shipped = sorted(path.parent for path in SHIPPED.glob(f"*/{publish.MANIFEST}"))
    return [about_model(folder) for folder in (*shipped, *folders)]


def _stage(folder: Path, name: str, config: CascadeConfig, card: StageCard | None) -> StageAbout:
    stage = config.stages[name]
    return StageAbout(
        task=stage.task.kind,
        makes=makes(stage),
        parameters=_numbers_in(folder / f"{name}.safetensors"),
        card=card,
    )


def _numbers_in(file: Path) -> int:
    """How many numbers a safetensors file holds, from its header."""
    with open(file, "rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    return sum(math.prod(one["shape"]) for name, one in header.items() if name != "__metadata__")
