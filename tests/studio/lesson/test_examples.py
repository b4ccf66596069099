"""The examples that ship: all there, small, and nothing else."""

import re

from framefall.studio.lesson.examples import EXAMPLES, FOLDER, LESSON, MEASURED, examples

MOST = 3 << 20  # bytes of all examples
PAGE = 300 << 10  # bytes of a first page, without its pictures


def named(value):
    """The files that an example names."""
    if isinstance(value, dict):
        for key, one in value.items():
            if key in ("strip", "film"):
                yield one
            yield from named(one)
    elif isinstance(value, list):
        for one in value:
            yield from named(one)


def test_every_picture_is_there_and_none_is_left_over():
    files = {f"{name}.json" for name in (*EXAMPLES, *MEASURED)}
    for values in examples().values():
        files |= set(named(values))
    assert {path.name for path in FOLDER.iterdir()} == files
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < MOST


def test_the_page_is_small():
    """What comes before the first tab is shown: page, styles, scripts, and its examples without pictures."""
    static = LESSON.parent
    files = [*LESSON.glob("*.*"), *(static / name for name in ("style.css", "dom.js", "clip-player.js"))]
    files += [FOLDER / f"{name}.json" for name in (*EXAMPLES, *MEASURED) if re.match("basics|time", name)]
    assert sum(path.stat().st_size for path in files) < PAGE
