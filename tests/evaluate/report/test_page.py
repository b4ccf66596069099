"""The page is one file, says everything, and trusts no text."""

import math
from html.parser import HTMLParser

from framefall.evaluate.metrics.suite import ScoreRow, score_row
from framefall.evaluate.report.page import Figure, Report, page


class Parsed(HTMLParser):
    """Tags, links and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def _rows() -> list[ScoreRow]:
    flicker = score_row("flicker", {"a": 0.1, "b": 0.2, "c": 0.4}, "lower", "of 1", floor=0.05)
    return [flicker, score_row("gravity", {"a": math.nan, "b": 0.02, "c": math.nan}, "lower", "ln")]


def _report() -> Report:
    return Report(
        title="clips <of> mine",
        rows=_rows(),
        facts={"clips": "3", "protocol": "abc", "codec": "h264"},
        notes=["c.mp4 was skipped: it is <b>broken</b>"],
        gates={"flicker": "a frozen clip wins it, and dynamics are 0.1 of the reference's"},
        figures=[Figure("c", "worst of flicker", b"\x00\x01", b"\x02", "a red ball falls")],
        failures={"permanence": [("c", "object 0 is missing from frame 7 on")], "gravity": []},
        rankings=["flicker: not ranked"],
    )


def test_the_page_needs_nothing_from_outside() -> None:
    text = page(_report())
    links = Parsed(text).links
    assert links
    assert all(link.startswith(("data:", "#")) for link in links)
    assert "http://" not in text.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )


def test_every_number_its_interval_and_its_gate_are_there() -> None:
    seen = Parsed(page(_report()))
    for said in (
        "clips <of> mine",
        "0.2333",
        "3 of 3",
        "1 of 3",
        "33%",
        "0.05",
        "permanence: 1",
        "abc",
        "h264",
    ):
        assert said in seen.text
    assert "a frozen clip wins it" in seen.text
    assert seen.tags.count("video") == 2


def test_text_from_files_is_never_markup() -> None:
    text = page(_report())
    assert "<b>broken</b>" not in text
    assert "&lt;b&gt;broken" in text
    assert "<of>" not in text


def test_what_cannot_be_measured_says_so() -> None:
    nothing = score_row("gravity", {"a": math.nan}, "lower", "ln")
    seen = Parsed(page(Report(title="t", rows=[nothing], facts={})))
    assert "not measurable" in seen.text
    assert "nan" not in seen.text.lower()


def test_the_page_of_one_clip_has_no_interval_and_no_column_that_is_empty() -> None:
    seen = Parsed(page(Report(title="t", rows=[score_row("flicker", {"a": 0.1}, "lower", "of 1")], facts={})))
    for absent in ("95% interval", "coverage", "gate", "Every clip"):
        assert absent not in seen.text
    assert "0.1" in seen.text and "real video" in seen.text
