"""A model's card: what each of its stages was trained on, how well it does, and where it fails. Written by training.

It lies in the model's folder as `card.json`, under the manifest. Models that were made before have none: nothing is
written about what they know. A stage that is trained anew takes the place of its part; the other parts stay.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from framefall import bounded
from framefall.config import from_json, to_json
from framefall.publish import Corrupt
from framefall.ranges import Count

CARD = "card.json"
FORMAT = 1
LARGEST = 1 << 24  # bytes of a card that is read
SOURCES, CAPTIONS, SCENES, WORDS, SENTENCES = 64, 64, 64, 2048, 16  # the most that a stage's part lists of each
LONGEST = 400  # characters of any text in it
Words = Mapping[str, int]


Scenes = Mapping[str, Iterable[str]]
_NONE: Scenes = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class StageCard:
    """What training knows of one stage."""

    sources: list[str] = field(default_factory=list)  # files, worlds, or words for both
    clips: Count = 0  # different ones in the sources; 0 where nobody knows
    captioned: Count | None = None  # of them with a caption; none where nobody knows
    captions: list[str] = field(default_factory=list)  # the distinct ones, where they are few
    scenes: dict[str, list[str]] = field(default_factory=dict)  # of worlds: scenarios, with the words of their captions
    words: dict[str, Count] = field(default_factory=dict)  # of captions, and how many have each; of worlds, of a sample
    left_out: dict[str, Count] = field(default_factory=dict)  # how many sources, captions, words there was no room for
    seen: Count = 0  # clips in training, repeats included
    scores: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)  # known ones, a sentence each

    def __post_init__(self) -> None:
        for name, most in _ROOM.items():
            listed: Sequence[str] | Mapping[str, object] = getattr(self, name)
            if len(listed) > most:
                raise ValueError(f"a card must list at most {most} {name}, got {len(listed)}; leave the rest out")
            long = next((text for text in listed if not 0 < len(text) <= LONGEST), None)
            if long is not None:
                raise ValueError(f"a card's {name} must be of 1 to {LONGEST} characters, got {long[:40]!r}; cut them")
        if any(len(words) > WORDS for words in self.scenes.values()):
            raise ValueError(f"a card must list at most {WORDS} words of a scene; leave the rest out")
        if not all(map(math.isfinite, self.scores.values())):
            raise ValueError(f"a card's scores must be finite, got {self.scores}; leave the others out")

    @property
    def told(self) -> bool | None:
        """Whether it was trained with captions; none where nobody knows."""
        return None if self.captioned is None else self.captioned > 0


_ROOM = {
    "sources": SOURCES,
    "captions": CAPTIONS,
    "scenes": SCENES,
    "words": WORDS,
    "left_out": 8,
    "scores": 32,
    "failures": SENTENCES,
}


@dataclass(frozen=True, kw_only=True)
class Card:
    """The parts of all stages, by name."""

    stages: dict[str, StageCard] = field(default_factory=dict)
    format: Count = FORMAT


def about(sources: Sequence[str], captions: Iterable[str | None], scenes: Scenes = _NONE) -> StageCard:
    """The part of a stage that is about to be trained on clips with these captions; None for a clip without one.

    `scenes` are the words of whole grammars: known, whether or not the captions at hand have them.
    """
    said = list(captions)
    counts = Counter(word for caption in said if caption for word in set(words_of(caption)))
    for words in scenes.values():
        counts.update(dict.fromkeys(words, 0))
    part = StageCard(clips=len(said), captioned=sum(map(bool, said)))
    distinct = [] if scenes else sorted({caption for caption in said if caption})
    return _bounded(part, sources=sources, captions=distinct, words=counts, scenes=scenes)


def after(part: StageCard, before: StageCard | None) -> StageCard:
    """The part of a stage that goes on from weights with a part of their own: what these knew is known still."""
    if before is None:
        return part
    told = [one.captioned for one in (before, part) if one.captioned is not None]
    whole = replace(part, clips=before.clips + part.clips, captioned=sum(told) if told else None)
    words, left_out = Counter(before.words), Counter(before.left_out)
    words.update(part.words)
    left_out.update(part.left_out)
    names = dict.fromkeys((*before.scenes, *part.scenes))
    return _bounded(
        replace(whole, seen=before.seen + part.seen, left_out=dict(left_out)),
        sources=list(dict.fromkeys((*before.sources, *part.sources))),
        captions=list(dict.fromkeys((*before.captions, *part.captions))),
        words=words,
        scenes={name: [*before.scenes.get(name, []), *part.scenes.get(name, [])] for name in names},
    )


def _bounded(
    part: StageCard, *, sources: Sequence[str], captions: Sequence[str], words: Words, scenes: Scenes
) -> StageCard:
    """The part with as much of these as there is room for, the most frequent words first, and how much was left out."""
    ranked = sorted(words.items(), key=lambda one: (-one[1], one[0]))
    few = len(captions) <= CAPTIONS  # a part of the captions would look like all of them
    left_out = Counter(part.left_out)
    left_out.update(
        sources=max(0, len(sources) - SOURCES),
        captions=0 if few else len(captions),
        words=max(0, len(ranked) - WORDS),
    )
    return replace(
        part,
        sources=[_cut(source) for source in sources[:SOURCES]],
        captions=[_cut(caption) for caption in captions] if few else [],
        words=dict(ranked[:WORDS]),
        scenes={name: sorted(set(found))[:WORDS] for name, found in list(scenes.items())[:SCENES]},
        left_out=dict(+left_out),
    )


def words_of(text: str) -> list[str]:
    """The words of a text, in small letters; what is not made of letters is none."""
    return [word[:_LONG_WORD] for word in _WORD.findall(text.lower())]


def read_card(folder: str | Path) -> Card | None:
    """The card of a model's folder, checked; none where there is none, or one of a later format."""
    path = Path(folder) / CARD
    if not path.exists():
        return None
    try:
        return parse_card(bounded.read(path, LARGEST), path)
    except bounded.Unreadable as error:
        raise Corrupt(f"{error}: restore it from a copy") from None


def parse_card(text: bytes, path: Path) -> Card | None:
    """The same from the bytes of the file."""
    try:
        values = bounded.parse(text)
    except json.JSONDecodeError:
        values = {}  # the schema's own sentence says what is wrong
    except ValueError as error:
        raise Corrupt(f"{path} does not fit Card: {error}: restore it from a copy") from None
    if isinstance(values, dict) and isinstance(values.get("format"), int) and values["format"] > FORMAT:
        return None
    try:
        return from_json(Card, text, origin=str(path))
    except ValueError as error:
        raise Corrupt(f"{error}: restore it from a copy") from None


def write_card(card: Card, folder: Path) -> None:
    """Writes it into a folder that is about to be published."""
    (folder / CARD).write_text(to_json(card))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


_LONG_WORD = 40  # characters; nothing longer is a word
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
