"""Captions read backwards: the attributes that a sentence states, exactly.

A sentence without its values is a skeleton ("a SIZE COLOUR SHAPE falls ..."). All skeletons are made once, from the
patterns that captions are made from, and no two are alike; so a look-up says which slot each value belongs to.
"""

import functools
import re
from collections.abc import Iterator
from itertools import product

from framefall.worlds.captions.grammar import KINDS, PARAPHRASES, PATTERNS, WORDS, Form, pattern
from framefall.worlds.captions.sentences import ALIKE, SAME_SIZE
from framefall.worlds.scene import Attributes, Thing

_TOKEN = re.compile(r"\{\w+\}|\d+\.\d\d|\w+|[^\w\s]")
_MANY = {
    "billiards": (3, 4, 5),
    "stack": (2, 3, 4),
    "collision": (2,),
    "double_drop": (2,),
    "solid_collision": (2,),
    "solid_orbit": (3,),
}  # else 1, or as it says
Skeleton = tuple[str, ...]


def parse(text: str) -> Attributes:
    """The attributes that a caption states; a ValueError for a sentence that is no caption."""
    skeleton, values = _skeleton(text.strip().removesuffix(".").lower())
    if skeleton not in _forms():
        raise ValueError(f"a caption must be a sentence of the worlds' grammar, got {text[:80]!r}; see grammar.py")
    form, slots = _forms()[skeleton]
    found: dict[str, str] = {}
    for slot, value in zip(slots, values, strict=True):
        if slot.startswith("="):  # a word of the sentence itself
            if slot[1:] != value:
                raise ValueError(f"a caption must be a sentence of the worlds' grammar, got {text[:80]!r}")
        elif found.setdefault(slot, value) != value:
            raise ValueError(f"a caption must not contradict itself, got two values for {slot} in {text[:80]!r}")
    return _attributes(form, found, text)


def sentence_words(scenario: str) -> frozenset[str]:
    """The words of all sentences about a scenario that stand there whatever the values of its slots are."""
    forms = [form for form in _all_forms() if form.scenario == scenario]
    texts = (pattern(form, paraphrase) for form in forms for paraphrase in range(PARAPHRASES))
    return frozenset(word for text in texts for word in _TOKEN.findall(text) if word.isalpha())


def _attributes(form: Form, found: dict[str, str], text: str) -> Attributes:
    shape = ALIKE.get(form.scenario) or SAME_SIZE.get(form.scenario)
    things = tuple(
        Thing(found[f"colour{i}"], shape or found[f"shape{i}"], found["size0" if shape else f"size{i}"])
        for i in range(form.things)
    )
    count = int(found.get("count", len(things)))
    if form.scenario in ALIKE:
        things *= count
    if len(things) != count:
        raise ValueError(f"a caption must name as many things as it counts, got {text[:80]!r}")
    return Attributes(
        scenario=form.scenario,
        things=things,
        direction=found.get("direction", ""),
        speed=found.get("speed", ""),
        occluder=found.get("occluder", ""),
        outcome="" if form.scenario == "occluder" else form.variant,
        camera=found.get("camera", ""),
        gravity=float(found["gravity"]) if "gravity" in found else None,
        velocity=float(found["velocity"]) if "velocity" in found else None,
    )


def _skeleton(text: str) -> tuple[Skeleton, list[str]]:
    """The words with kinds in the place of values, and the values in their order."""
    skeleton, values = [], []
    for token in _TOKEN.findall(text):
        kind, value = WORDS.get(token, ("", ""))
        if token[0].isdigit():
            kind, value = "number", token
        skeleton.append(f"<{kind}>" if kind else token)
        if kind:
            values.append(value)
    return tuple(skeleton), values


@functools.cache
def _forms() -> dict[Skeleton, tuple[Form, tuple[str, ...]]]:
    """Every skeleton, with its form and the slots in the order of the values."""
    forms: dict[Skeleton, tuple[Form, tuple[str, ...]]] = {}
    for form, paraphrase in product(_all_forms(), range(PARAPHRASES)):
        skeleton, slots = [], []
        for token in _TOKEN.findall(pattern(form, paraphrase)):
            slot = token.strip("{}") if token.startswith("{") else ""
            kind = (KINDS.get(slot) or slot.rstrip("0123456789")) if slot else WORDS.get(token, ("", ""))[0]
            skeleton.append(f"<{kind}>" if kind else token)
            if kind:
                slots.append(slot or f"={WORDS[token][1]}")
        if tuple(skeleton) in forms:
            raise AssertionError(f"two sentences cannot be told apart: {' '.join(skeleton)}")
        forms[tuple(skeleton)] = form, tuple(slots)
    return forms


def _all_forms() -> Iterator[Form]:
    for scenario, variant in PATTERNS:
        counts = _MANY.get(scenario, (2 if variant == "two" else 1,))
        for things, flags in product(counts, product((False, True), repeat=4)):
            form = Form(scenario, variant, things, *flags)
            if not form.behind or scenario == "collision":
                yield form
