"""What models know, for pages: their stages, words, scores and failures, and how a prompt may go on."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path

from framefall.cascade.about.card import StageCard, words_of
from framefall.cascade.about.english import is_content
from framefall.cascade.about.vocabulary import doubt
from framefall.cascade.saved.checkpoint import Described, describe, makes
from framefall.cascade.stage_config import StageConfig
from framefall.recipes.registry import RECIPES
from framefall.runs.models import about_model
from framefall.studio.answers import Completed, ModelAbout, RecipeAbout, StageAbout
from framefall.studio.place import Place
from framefall.worlds.scenarios.registry import SCENARIOS
from framefall.worlds.world import World

MOST = 12  # completions
SENTENCES = 40  # of each scenario among which completions are looked for
USES = ("images", "video", "extend", "end", "loop", "mask", "strength", "prompts_at")


def about_models(place: Place) -> list[ModelAbout]:
    """Every model of a studio. One that is damaged is left out: `framefall verify` says what is wrong with it."""
    found = []
    for id, origin, folder in place.known_models():
        try:
            found.append(_about(id, origin, folder, _changed(folder)))
        except ValueError:
            continue
    return found


def about_recipes() -> list[RecipeAbout]:
    """Every recipe by its name."""
    return list(_recipes())


def completed(folder: Path, prompt: str) -> Completed:
    """Whether a model knows what a prompt says, and sentences of its training that go on like it."""
    described = _described(folder, _changed(folder))
    name, base = next(iter(described.config.stages.items()))
    card = None if described.card is None else described.card.stages.get(name)
    found = doubt(prompt, described.config.name, card, bool(base.backbone.text_dim))
    known = [] if card is None else _sentences(card)
    return Completed(
        known=found is None,
        sentence="" if found is None else found.sentence,
        words={} if found is None else dict(found.words),
        completions=list(_going_on(prompt, known, [] if card is None else list(card.words)))[:MOST],
    )


def _going_on(prompt: str, sentences: Sequence[str], words: Sequence[str]) -> Iterator[str]:
    """Sentences that begin like it, then such as have its words; then the prompt with its last word made whole."""
    start, said = prompt.lower().lstrip(), set(words_of(prompt))
    begins = [one for one in sentences if one.lower().startswith(start)]
    whole = {word for word in said if is_content(word) and word in words}
    having = [one for one in sentences if whole and whole <= set(words_of(one))]
    last = words_of(prompt)[-1] if said and prompt[-1:].isalpha() else ""
    ends = [
        prompt[: len(prompt) - len(last)] + word for word in words if last and word.startswith(last) and word != last
    ]
    yield from dict.fromkeys((*begins[: MOST // 2], *ends[: MOST // 2], *having, *begins, *ends))


def _sentences(card: StageCard) -> tuple[str, ...]:
    scenes = tuple(name for name in card.scenes if name in SCENARIOS)
    return (*card.captions, *(sentence for scene in scenes for sentence in _of_scene(scene)))


@cache
def _of_scene(scene: str) -> tuple[str, ...]:
    world = World(scenarios=(scene,))
    return tuple(dict.fromkeys(world.caption(number) for number in range(SENTENCES)))


def _changed(folder: Path) -> int:
    return (folder / "manifest.json").stat().st_mtime_ns


@lru_cache(maxsize=32)
def _described(folder: Path, changed: int) -> Described:
    return describe(folder)


@lru_cache(maxsize=32)
def _about(id: str, origin: str, folder: Path, changed: int) -> ModelAbout:
    about, config = about_model(folder), _described(folder, changed).config
    stages, sizes, down, across = [], [], 0, 0
    for number, (name, stage) in enumerate(config.stages.items()):
        down = down * stage.task.space_factor if number else stage.shape.height
        across = across * stage.task.space_factor if number else stage.shape.width
        card = about.stages[name].card
        stages.append(_stage(name, stage, about.stages[name].parameters, (down, across), card))
        sizes.append((down, across))
    cards = [one.card for one in about.stages.values() if one.card is not None]
    return ModelAbout(
        id=id,
        name=about.name,
        origin=origin,  # type: ignore[arg-type]
        description=about.description,
        license=about.license,
        stages=stages,
        trained_on=about.trained_on,
        scenes=_once(scene for card in cards for scene in card.scenes),
        captions=_once(caption for card in cards for caption in card.captions),
        words=about.words,
        scores={f"{one.name}.{name}": value for one in stages for name, value in one.scores.items()},
        failures=_once(sentence for card in cards for sentence in card.failures),
        uses=list(USES),
        sizes=sizes,
    )


@cache
def _recipes() -> tuple[RecipeAbout, ...]:
    found = []
    for name, make in RECIPES.items():
        recipe = make()
        stages, down, across = [], 0, 0
        for stage_name, part in recipe.stages.items():
            stage = part.stage
            down, across = stage.shape.height, stage.shape.width
            stages.append(_stage(stage_name, stage, 0, (down, across), None))
        found.append(RecipeAbout(name=name, about=(make.__doc__ or "").partition("\n")[0], stages=stages))
    return tuple(found)


def _stage(name: str, stage: StageConfig, parameters: int, size: tuple[int, int], card: StageCard | None) -> StageAbout:
    return StageAbout(
        name=name,
        task=stage.task.kind,
        makes=makes(stage),
        frames=stage.shape.frames,
        height=size[0],
        width=size[1],
        fps=stage.shape.fps,
        parameters=parameters,
        scores={} if card is None else dict(card.scores),
        failures=[] if card is None else list(card.failures),
        seen=0 if card is None else card.seen,
    )


def _once(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
