"""Captions that tell left from right: under them a mirrored picture is a wrong one.

Whole words are looked for, in any case. Those of some other languages are listed too; a word that means a side in one
of them and something else in English ("links") costs half of the variety of mirrored clips, and no truth.
"""

import re

ENGLISH = (
    "left lefts leftward leftwards leftmost lefthand left-hand left-handed lefty"
    " right rights rightward rightwards rightmost righthand right-hand right-handed righty"
    " clockwise counterclockwise counter-clockwise anticlockwise anti-clockwise portside starboard"
)
OTHERS = (
    "links rechts linke linken linker linkes rechte rechten rechter rechtes"  # German, Dutch
    " gauche droite izquierda izquierdo derecha derecho sinistra sinistro destra destro"  # French, Spanish, Italian
    " esquerda esquerdo direita direito"  # Portuguese
    " влево вправо слева справа налево направо левый правый левая правая"  # Russian
)
SIGNS = "左右"  # Chinese, Japanese: words are not set apart

_WORDS = frozenset((ENGLISH + " " + OTHERS).split())


def side(caption: str) -> str | None:
    """The first word of a caption that names a side; none where it may be mirrored."""
    lowered = caption.lower()
    words = (part for word in re.findall(r"\w+(?:-\w+)*", lowered) for part in (word, *word.split("-")))
    found = next((word for word in words if word in _WORDS), None)
    return found or next((sign for sign in lowered if sign in SIGNS), None)
