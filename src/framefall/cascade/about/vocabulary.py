"""Whether a model knows what a prompt says: words and scenes beside those of the captions that it was trained with.

A word is known in all of its inflections; function words and what is said of any clip are never asked for.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import torch
import torch.nn.functional as F

from framefall.cascade.about.card import StageCard, words_of
from framefall.cascade.about.english import forms, is_content
from framefall.models.text import CaptionEncoder

CANDIDATES = 512  # known words among which the nearest is looked for: encoding them takes half a second
OFTEN = 0.04  # of a cosine, that ten times as many captions count
NAMED = 5  # words that a sentence names at most


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """What of a prompt a model does not know, in one sentence and as values."""

    sentence: str
    words: dict[str, str] = field(default_factory=dict)  # each unknown word, and the nearest that is known
    scene: str | None = None  # where all words are known, but not together: the nearest scene


def doubt(prompt: str | None, name: str, part: StageCard | None, reads: bool) -> Doubt | None:
    """What of a prompt the model called `name` does not know, by its base's part of the card; none if it knows all.

    `reads` says whether the base's network takes captions at all.
    """
    if not prompt or not prompt.strip():
        return None
    if not reads or (part is not None and part.told is False):
        return Doubt(sentence=f"{name} was trained without captions: a prompt says nothing to it, leave it out")
    if part is None or not part.words:
        return Doubt(sentence=f"nothing is written about what {name} knows: it may not know the words of the prompt")
    known = _forms_of(tuple(part.words))
    asked = [word for word in dict.fromkeys(words_of(prompt)) if is_content(word)]
    unknown = [word for word in asked if not forms(word) & known]
    if unknown:
        words = dict(zip(unknown, nearest(unknown, part.words), strict=True))
        return Doubt(sentence=_no_words(name, part, words), words=words)
    scene = _farthest(asked, part)
    if scene is None:
        return None
    what = "no scene that it was trained on has them together" if part.scenes else "no caption has them together"
    return Doubt(
        sentence=f"{name} was trained on {trained_on(part)}; it knows the words of the prompt, but {what};"
        f" nearest: {scene!r}",
        scene=scene,
    )


def trained_on(part: StageCard) -> str:
    """What a stage was trained on, in a few words."""
    if part.scenes:
        names = list(part.scenes)
        return f"the worlds' {_listed(names)}" if len(names) <= 4 else f"{len(names)} scenarios of the worlds"
    if part.captions:
        count = len(part.captions)
        return f"clips with {'one caption' if count == 1 else f'{count} captions'}"
    return f"{part.clips:,} clips" if part.clips else "clips"


def nearest(words: Sequence[str], known: Mapping[str, int]) -> list[str]:
    """For each word the known content word whose MiniLM state is closest in direction; nothing where none is known.

    Of words that are about as close, the one that captions have more often.
    """
    candidates = [word for word in known if is_content(word)][:CANDIDATES]
    if not candidates:
        return ["" for _ in words]
    often = torch.tensor([math.log10(1 + known[word]) for word in candidates])
    found = (_directions(tuple(words)) @ _directions(tuple(candidates)).T + OFTEN * often).argmax(dim=1)
    return [candidates[place] for place in found.tolist()]


@lru_cache(maxsize=8)
def _forms_of(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(form for word in words for form in forms(word))


def _farthest(asked: Iterable[str], part: StageCard) -> str | None:
    """The scene that has most of the words, where none has all of them; none where one has, or scenes are not known."""
    scenes = part.scenes or {caption: words_of(caption) for caption in part.captions}
    wanted = [forms(word) for word in asked]
    shared = {name: sum(bool(one & _forms_of(tuple(words))) for one in wanted) for name, words in scenes.items()}
    if not scenes or max(shared.values()) == len(wanted):
        return None
    return max(shared, key=lambda name: shared[name])


@lru_cache(maxsize=64)
def _directions(words: tuple[str, ...]) -> torch.Tensor:
    """Mean states of length one."""
    states = CaptionEncoder(words=8)(words)
    return F.normalize(torch.stack([one.float().mean(dim=0) for one in states]), dim=-1)


def _no_words(name: str, part: StageCard, words: dict[str, str]) -> str:
    shown = list(words.items())[:NAMED]
    said = [f"no {word!r}" + (f", nearest: {near!r}" if near else "") for word, near in shown]
    more = f"; and {len(words) - NAMED} more" if len(words) > NAMED else ""
    among = f" among its {len(part.words):,} most frequent words" if part.left_out.get("words") else ""
    return f"{name} was trained on {trained_on(part)}; it knows{among} {'; '.join(said)}{more}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
