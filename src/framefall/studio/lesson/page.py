"""The numbers in the lesson's text: written into the page from the examples, so that it reads without a script."""

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

from framefall.studio.lesson.examples import LESSON, examples
from framefall.studio.lesson.numbers import formatted, found

PAGE = LESSON / "index.html"
# <data data-from="time-fusion:steps" data-form="d0">24</data>
_NUMBER = re.compile(r'(<data data-from="([^"]+)" data-form="([^"]+)">)([^<]*)(</data>)')


def numbers(text: str) -> Iterator[tuple[str, str, str]]:
    """Each number of a page: where it comes from, its form, and what is written."""
    for found_here in _NUMBER.finditer(text):
        yield found_here[2], found_here[3], html.unescape(found_here[4])


def filled(text: str, values: Mapping[str, Any]) -> str:
    """The page with its numbers as the examples have them."""

    def number(match: re.Match[str]) -> str:
        return match[1] + html.escape(formatted(found(values, match[2]), match[3])) + match[5]

    return _NUMBER.sub(number, text)


def renew() -> None:
    """Writes the numbers of the shipped examples into the shipped page."""
    if PAGE.exists():
        examples.cache_clear()
        PAGE.write_text(filled(PAGE.read_text(), examples()))
