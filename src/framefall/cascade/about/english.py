"""English, as far as a prompt is compared with captions: which words say what is to be seen, and their inflections."""

import re
from functools import lru_cache


def is_content(word: str) -> bool:
    """Whether a word, in small letters, says what is to be seen: no function word, nor what is said of any clip."""
    return len(word) > 1 and word not in _FUNCTION and word not in _OF_ANY_CLIP


@lru_cache(maxsize=1 << 14)
def forms(word: str) -> frozenset[str]:
    """What a word may be an inflection of, as stems that are no words themselves; two words that share one are one."""
    word = re.sub(r"['\u2019](s|re|ve|ll|d|m|t)?$", "", word)
    word = _IRREGULAR.get(word, word)
    stems = {word}
    for ending, stem in _ENDINGS:
        if word.endswith(ending) and len(word) >= len(ending) + 3 - len(stem):
            stems.add(word.removesuffix(ending) + stem)
    return frozenset(re.sub(r"(.)\1$", r"\1", stem.removesuffix("e")) for stem in stems)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ENDINGS = (
    *((ending, "") for ending in ("s", "es", "ed", "d", "ing", "er", "r", "est", "ly", "ers", "ings")),
    *((ending, "y") for ending in ("ies", "ied", "ier", "iest", "ily")),
    ("ves", "f"),
)
_BASES = """
fall: fell fallen; throw: threw thrown; fly: flew flown; go: went gone; come: came; hang: hung; swing: swung;
strike: struck stricken; shoot: shot; slide: slid; meet: met; stand: stood; hold: held; run: ran; rise: rose risen;
ride: rode ridden; lie: lay lain lying; drive: drove driven; break: broke broken; spin: spun; sink: sank sunk;
swim: swam swum; sing: sang sung; sit: sat; light: lit; eat: ate eaten; write: wrote written; give: gave given;
take: took taken; draw: drew drawn; grow: grew grown; blow: blew blown; hide: hid hidden; speak: spoke spoken;
wear: wore worn; catch: caught; lose: lost; keep: kept; man: men; woman: women; child: children; person: people;
foot: feet; tooth: teeth; mouse: mice; goose: geese
"""
_IRREGULAR = {
    form: base.strip()
    for base, _, others in (one.partition(":") for one in _BASES.split(";"))
    for form in others.split()
}
_FUNCTION = _words("""
a an the this that these those some any each every all both few many much more most other another such no not only same
so than too very just also again once here there where when while why how what which who whom whose as at by for from in
into of off on onto out over to toward towards under up down with within without about above across after against along
among around away back before behind below beneath beside between beyond during except inside near next outside past per
since through throughout till until upon via and but or nor if because though although unless whether either neither
then now ever never always often still yet even i me my mine we us our you your he him his she her it its they them
their one ones itself themselves be am is are was were been being do does did done doing have has had having can could
will would shall should may might must get gets got let lets make makes made it's isn't don't
""")
_OF_ANY_CLIP = _words("""
video videos clip clips scene scenes footage film films movie shot view views picture image images frame frames show
shows showing shown seen see thing things something
""")
