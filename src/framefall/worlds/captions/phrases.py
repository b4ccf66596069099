"""What a sentence in anybody's own words says of things and of what they do, as far as it uses the captions' words.

`parser.parse` reads the worlds' own sentences exactly and refuses all others; this reads what it finds: "two red balls
drop" is two things that fall, each a red ball of some size. What is not said is the empty word.
"""

import re
from collections.abc import Collection

from framefall.worlds.captions.grammar import WORDS
from framefall.worlds.captions.parser import parse
from framefall.worlds.scene import Attributes, Thing

DOES = {  # beginnings of words, and the scenario that they speak of; the first that is found counts
    "behind": "occluder",
    "collid": "collision",
    "meet": "collision",
    "hit": "collision",
    "swing": "pendulum",
    "pendulum": "pendulum",
    "ramp": "ramp",
    "slope": "ramp",
    "throw": "projectile",
    "fly": "projectile",
    "flies": "projectile",
    "arc": "projectile",
    "fall": "fall",
    "drop": "fall",
}
ELSE = "uniform"  # it moves: no more is known
_KNOWN = {"again", "the", "same"}  # what follows was named before


def said(text: str) -> Attributes | None:
    """The attributes that a text states: those of a caption exactly, of others as far as they are said; none of none.

    A thing is a shape's word with the count, size and colour before it; one that is named again is not counted again.
    """
    try:
        return parse(text)
    except ValueError:
        pass
    words = re.findall(r"\w+", text.lower())
    things = _things(words)
    if not things:
        return None
    does = next((what for stem, what in DOES.items() if any(word.startswith(stem) for word in words)), ELSE)
    return Attributes(
        scenario="double_drop" if does == "fall" and len(things) == 2 else does,
        things=things,
        # what falls or rolls down goes left or right beside that
        direction=_only(words, "side", ("left", "right")) or (_only(words, "side") if does == ELSE else ""),
        speed=_only(words, "speed"),
    )


def _things(words: list[str]) -> tuple[Thing, ...]:
    things: list[Thing] = []
    before: dict[str, str] = {}  # what is said of the thing to come
    named = False
    for word in words:
        kind, value = WORDS.get(_singular(word), WORDS.get(word, ("", "")))
        if kind == "shape":
            again = named and any(one.shape == value for one in things)
            count = 0 if again else int(before.get("count", 1))
            things += [Thing(before.get("colour", ""), value, before.get("size", ""))] * count
        if kind in ("count", "size", "colour"):
            before[kind] = value
        else:  # a "grey screen" is no thing, and what is said of it is not said of the next
            before = {}
            named = word in _KNOWN or (named and kind == "speed")
    return tuple(things)


def _singular(word: str) -> str:
    return next((word.removesuffix(end) for end in ("es", "s") if word.removesuffix(end) in WORDS), word)


def _only(words: list[str], kind: str, among: Collection[str] = WORDS) -> str:
    """The one value of a kind that is said, among some; the empty word if none or several are."""
    found = {WORDS[word][1] for word in words if word in among and WORDS.get(word, ("",))[0] == kind}
    return found.pop() if len(found) == 1 else ""
