"""The report of an assessment: a page that needs nothing else, and the scores."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from framefall.runs.evaluation import pages
from framefall.runs.evaluation.evaluate import Assessment, assess
from framefall.runs.evaluation.pages import assessment_page, write_report


@pytest.fixture(scope="module")
def assessment(generated: Path) -> Assessment:
    return assess(generated)


def test_a_folder_gets_a_page_and_the_scores_and_keeps_what_it_has(
    assessment: Assessment, generated: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    written = list(write_report(assessment, generated, tmp_path))
    assert [path.name for path in written] == ["report.html", "scores.json"]
    assert (tmp_path / "notes.txt").read_text() == "mine" and len(list(tmp_path.iterdir())) == 3
    assert json.loads((tmp_path / "scores.json").read_text())["n"] == 4
    page = (tmp_path / "report.html").read_text()
    assert page.count("<video") >= 4 and "95% interval" in page and page.count("<figure><svg") > 3
    assert "https://" not in page.replace("https://matplotlib.org", "")


def test_the_page_of_one_clip_has_no_interval_and_no_empty_column(assessment: Assessment, generated: Path) -> None:
    name = assessment.clips[0].name
    page = assessment_page(assess(generated / name), generated / name)
    for absent in ("95% interval", "coverage", "<th>n</th>", "Every clip", "<th>gate</th>"):
        assert absent not in page
    assert "<th>real video</th>" in page and "flicker" in page and "<video" in page


@pytest.mark.slow
def test_what_was_tracked_to_be_measured_is_what_the_page_shows(
    assessment: Assessment, generated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "track", None)
    assert assessment_page(assessment, generated).count("<video") >= 4
    unknown = replace(assessment, clips=[replace(one, tracks=None) for one in assessment.clips])
    with pytest.raises(TypeError):  # the control: then somebody has to look
        assessment_page(unknown, generated)
