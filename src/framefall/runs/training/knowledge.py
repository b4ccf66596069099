"""What training writes into a model's card: what a stage was trained on, what came of it, and whether that will do."""

from dataclasses import replace
from functools import cache
from pathlib import Path

from framefall import bounded, publish
from framefall.cascade.about.card import StageCard, about
from framefall.config import from_json, to_json
from framefall.data.folder import Folder
from framefall.data.loader import Source
from framefall.noise import Key
from framefall.runs.sources import WorldSource
from framefall.train.held_out import HeldOutLoss
from framefall.train.outlook import Kind, reached
from framefall.train.recipe import Recipe
from framefall.worlds.captions.grammar import PARAPHRASES, WORDS
from framefall.worlds.captions.parser import sentence_words
from framefall.worlds.captions.sentences import describe
from framefall.worlds.world import World

NOTES = "card.json"  # in a run's folder: what its stage is trained on
SAMPLE = 100  # scenes of each scenario whose captions are read: none of a slot's values is rarer than one in 20

SHARED = ("size", "speed", "colour", "side")  # a value of these that one scenario shows is known in all of them


def known_of(source: Folder | Source) -> StageCard:
    """The part of a stage that is trained on this source, before its first step."""
    if isinstance(source, Folder):
        return about(source.names, (shot.caption for shot in source.shots))
    if isinstance(source, WorldSource):
        return _of_world(source.world, tuple(source.names))
    return StageCard(sources=list(source.names)[:1])


@cache
def _of_world(world: World, names: tuple[str, ...]) -> StageCard:
    """All words of the scenarios' sentences, and the values that a sample of the scenes has in them."""
    captions = list[str]()
    scenes = {name: set(sentence_words(name)) for name in world.scenarios}
    for index in range(min(world.size, SAMPLE * len(world.scenarios))):
        scene, key = world.scene(index), Key(world.seed, "card", str(index))
        said = describe(scene, key.integer(PARAPHRASES), numeric=key.named("numeric").uniform() < 0.25)
        captions.append(said)
        scenes[world.scenario_of(index)].update(about([], [said]).words)
    anywhere = {word for words in scenes.values() for word in words if WORDS.get(word, ("",))[0] in SHARED}
    found = about(names, captions, {name: sorted(words | anywhere) for name, words in scenes.items()})
    return replace(found, clips=world.size, captioned=world.size)


def concluded(part: StageCard, found: HeldOutLoss | None, kind: Kind, clips: int) -> StageCard:
    """The part of a stage that has seen `clips` more and was measured; what will not do is a known failure."""
    failures, scores = [], dict[str, float]()
    if found is not None:
        error = {} if found.error is None else {"held_out_error": found.error}
        scores = {name: round(value, 6) for name, value in {"held_out_loss": found.loss, **error}.items()}
        verdict = reached(found, kind, part.seen + clips)
        if not verdict.enough:
            failures.append(f"{verdict.because[:1].upper()}{verdict.because[1:]}.")
        if not found.kept_back:
            failures.append("Its scores are of clips that it was trained on: none is held out.")
    if kind == "base" and part.told is False:
        failures.append("It was trained without captions: a prompt says nothing to it.")
    return replace(part, seen=part.seen + clips, scores=_finite(scores), failures=failures)


def keeps_back(part: StageCard, recipe: Recipe) -> bool:
    """Whether a run measures on clips that are kept from training: a world has others, a folder if it is told to."""
    return bool(part.scenes) or recipe.data.holdout > 0


def note(part: StageCard, run_folder: Path) -> None:
    """Writes down what a run's stage is trained on, for whoever takes a model out of the run."""
    with publish.file(run_folder / NOTES) as partial:
        partial.write_text(to_json(part))


def noted(run_folder: Path) -> StageCard | None:
    """What was noted; none in a run of before."""
    path = run_folder / NOTES
    return from_json(StageCard, bounded.read(path), origin=str(path)) if path.exists() else None


def _finite(scores: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in scores.items() if abs(value) < float("inf")}
