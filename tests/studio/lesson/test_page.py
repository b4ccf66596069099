"""The lesson's text: each number in it is one that the library computed."""

import html
import re

from framefall.studio.lesson.examples import LESSON, examples
from framefall.studio.lesson.numbers import formatted, found
from framefall.studio.lesson.page import PAGE, filled, numbers

# numbers that are names, or facts of the argument: 3-D, 16 frames becoming 1,024, years of papers
ALLOWED = {"3-D", "1,024", "64", "256", "1024", "95", "0", "1", *map(str, range(2015, 2026))}


def test_each_number_of_the_text_is_what_the_library_computed():
    text, values = PAGE.read_text(), examples()
    assert len(list(numbers(text))) > 30
    for path, form, written in numbers(text):
        assert written == formatted(found(values, path), form), path
    assert filled(text, values) == text
    # a number that was typed is found out
    typed = re.sub(r'(data-from="time-fusion[^>]*>)[^<]*<', r"\g<1>0.5<", text, count=1)
    assert any(written != formatted(found(values, path), form) for path, form, written in numbers(typed))


def test_no_other_number_stands_in_the_text():
    text = PAGE.read_text()
    body = text[text.index("<main") : text.index('<section class="references')]
    body = re.sub(r"<math.*?</math>|<data.*?</data>|<sub>.*?</sub>|<code>.*?</code>", " ", body, flags=re.DOTALL)
    body = re.sub(r"<h3>.*?</h3>", " ", body)  # names of systems, and their years
    said = html.unescape(re.sub(r"<[^>]*>", " ", body))
    strange = [word for word in re.findall(r"\d[\d,.]*(?:-D| %)?", said) if word.rstrip(",.") not in ALLOWED]
    assert strange == []


def test_what_the_page_names_is_there():
    text = PAGE.read_text()
    for name in re.findall(r'(?:src|href)="([^"#:]+)"', text):
        path = LESSON.parent / name.removeprefix("../static/") if name.startswith("../static/") else LESSON / name
        assert path.is_file(), name
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert {name.removeprefix("#") for name in re.findall(r'href="(#[^"]+)"', text)} <= set(ids)
    assert not re.search(r"https?://(?!arxiv\.org|openai\.com)", text)  # nothing is loaded from elsewhere
    assert "style=" not in text  # the studio's guard lets no such style through


def test_every_module_that_is_imported_is_there():
    for script in LESSON.glob("*.js"):
        for name in re.findall(r'(?:from|import) "([^"]+)"', script.read_text()):
            path = LESSON.parent / name.removeprefix("../static/") if name.startswith("../static/") else LESSON / name
            assert path.is_file(), f"{script.name}: {name}"
