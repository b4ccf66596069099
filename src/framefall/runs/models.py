"""What models there are and what each knows: the stages of its config, and what its card says of them."""

from dataclasses import dataclass
from pathlib import Path

from framefall.cascade.about.card import StageCard
from framefall.cascade.saved.checkpoint import Described, describe, find, makes
from framefall.weights import shipped


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
    described = describe(folder)
    config = described.config
    return ModelAbout(
        name=config.name,
        folder=str(folder),
        description=config.description,
        license=config.license,
        trained_on=config.trained_on,
        stages={name: _stage(name, described) for name in config.stages},
    )


def models(*folders: str | Path) -> list[ModelAbout]:
    """The shipped models, and those of the folders given."""
    return [about_model(folder) for folder in (*shipped(), *folders)]


def _stage(name: str, described: Described) -> StageAbout:
    stage = described.config.stages[name]
    return StageAbout(
        task=stage.task.kind,
        makes=makes(stage),
        parameters=described.parameters[name],
        card=None if described.card is None else described.card.stages.get(name),
    )
