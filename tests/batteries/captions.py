"""Captions of drawn scenes, parsed: the attributes must come back exactly, each time.

    python tests/batteries/captions.py [COUNT]      prints a line a scenario; exit code 1 if a caption is misread

COUNT captions of each scenario (10,000 unless told), in all splits, paraphrases, with numbers and without. The
control swaps a colour, a size or a side in each tenth caption: the parser must then read something else.
"""

import re
import sys
import time

from framefall.worlds.captions.grammar import PARAPHRASES, WORDS
from framefall.worlds.captions.parser import parse
from framefall.worlds.captions.sentences import describe, stated
from framefall.worlds.scenarios.registry import SCENARIOS, draw_scene
from framefall.worlds.splits import SPLITS

SWAPS = {"left": "right", "right": "left", "red": "blue", "small": "large", "medium": "small", "large": "medium"}


def run(name: str, count: int) -> tuple[int, int, int, int, float]:
    """Misread captions, unlike captions, controls, noticed controls, and seconds in the parser."""
    wrong, controls, noticed, spent, texts = 0, 0, 0, 0.0, set()
    for index in range(-(-count // 10)):
        scene = draw_scene(17, SPLITS[index % len(SPLITS)], name, index)
        for variant in range(2 * PARAPHRASES):
            paraphrase, numeric = variant % PARAPHRASES, variant >= PARAPHRASES
            text = describe(scene, paraphrase, numeric)
            texts.add(text)
            begin = time.perf_counter()
            said = parse(text)
            spent += time.perf_counter() - begin
            wrong += said != stated(scene.attributes, numeric)
            if variant == index % 10:
                controls += 1
                noticed += parse(_swapped(text)) != said
    return wrong, len(texts), controls, noticed, spent


def _swapped(text: str) -> str:
    """The caption with the first word of `SWAPS`, or else its first colour, made another."""
    first = next((m for m in re.finditer(r"\w+", text) if m.group() in SWAPS), None)
    if first is None:
        first = next(m for m in re.finditer(r"\w+", text) if WORDS.get(m.group(), ("",))[0] in ("colour", "size"))
    word = SWAPS.get(first.group()) or ("tiny" if first.group() == "huge" else "huge")
    if WORDS[first.group()][0] == "colour":
        word = SWAPS.get(first.group(), "red")
    return text[: first.start()] + word + text[first.end() :]


if __name__ == "__main__":
    count, failed = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, False
    print(f"{'scenario':<16} {'captions':>8} {'unlike':>8} {'misread':>8} {'control':>12} {'us each':>8}")
    for name in SCENARIOS:
        wrong, unlike, controls, noticed, spent = run(name, count)
        total = 10 * -(-count // 10)
        failed |= wrong > 0 or noticed < controls
        print(f"{name:<16} {total:>8} {unlike:>8} {wrong:>8} {f'{noticed}/{controls}':>12} {spent / total * 1e6:>8.1f}")
    sys.exit(failed)
