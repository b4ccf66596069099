"""`framefall models`: what models there are, and what each knows."""

from typing import TYPE_CHECKING, Annotated

import typer

from framefall.cli.options import Json

if TYPE_CHECKING:
    from framefall.cascade.about.card import StageCard
    from framefall.runs.models import ModelAbout


def models(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME|FOLDER]...", help="A shipped model, or a trained one's folder.")
    ] = None,
    json: Json = False,
) -> None:
    """Say what models there are, or what one knows: its clips, its captions' words, its scores and known failures.

    Training writes this into the model's folder (card.json). Of a model that was made before there were cards no more
    is known than its stages and sources.

    \b
    Examples:
      framefall models
      framefall models pico
      framefall models my_model --json
    """
    from dataclasses import asdict

    from framefall.jsonable import json_text
    from framefall.runs.models import about_model
    from framefall.runs.models import models as shipped

    found = [about_model(name) for name in names] if names else shipped()
    if json:
        print(json_text({"models": [{**asdict(one), "words": one.words} for one in found]}), end="")
    else:
        print("\n\n".join(_told(one) if names else _line(one) for one in found))


def _line(model: "ModelAbout") -> str:
    """A model in a few lines."""
    stages = ", ".join(f"{name} ({stage.makes})" for name, stage in model.stages.items())
    return f"{model.name}: {model.description or 'a cascade'}\n  {stages}"


def _told(model: "ModelAbout") -> str:
    """All that is known of a model."""
    lines = [f"{model.name}: {model.description or 'a cascade'}", f"  licence of the weights: {model.license}"]
    lines.append(f"  trained on: {'; '.join(model.trained_on) or 'not recorded'}")
    shown: list[StageCard] = []
    for name, stage in model.stages.items():
        lines.append(f"  {name}: {stage.task}, makes {stage.makes}, {stage.parameters / 1e6:.2f} M parameters")
        lines += [f"    {line}" for line in _part(stage.card, shown)]
        shown += [stage.card] if stage.card else []
    return "\n".join(lines)


def _part(card: "StageCard | None", before: "list[StageCard]") -> list[str]:
    if card is None:
        return ["nothing is written about what it knows"]
    clips, told = (f"{count:,}" if count else "an unknown number" for count in (card.clips, card.captioned))
    told = "none" if card.told is False else told
    lines = [f"clips: {clips}, {told} with a caption; {card.seen:,} seen in training"]
    if not any((one.captions, one.words, one.scenes) == (card.captions, card.words, card.scenes) for one in before):
        lines += [f"scenarios of the worlds: {', '.join(card.scenes)}"] if card.scenes else []
        lines += [f"caption: {caption}" for caption in card.captions]
        rest = f" (and {card.left_out['words']:,} rarer ones)" if card.left_out.get("words") else ""
        lines += [f"{len(card.words):,} words{rest}: {' '.join(card.words)}"] if card.words else []
    lines += [f"{name.replace('_', ' ')}: {value:g}" for name, value in card.scores.items()]
    return lines + [f"known failure: {sentence}" for sentence in card.failures]
