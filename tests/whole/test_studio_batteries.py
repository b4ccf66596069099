"""Small counts of the studio's batteries: jobs under kills, the API's schema, and uploads.

In `tests/studio` are cancels (`test_supervisor.py`), other pages (`test_security.py`), states (`test_queue.py`), and
names (`test_files.py`), with the same races and the same control.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from forked import forking

from examples import examples

sys.path.insert(0, str(Path(__file__).parents[1] / "batteries"))
import studio_files
import studio_jobs
from serving import place_of, served


@pytest.mark.timeout(600)
def test_no_accepted_job_is_lost_when_worker_and_server_are_killed(tmp_path: Path) -> None:
    with forking(deep=True):
        report = studio_jobs.kills(examples(4, 100), tmp_path / "kills", 0)
    assert report.passed, report.broken


@pytest.mark.slow
def test_cancelled_is_stopped_and_days_on_all_is_well(tmp_path: Path) -> None:
    for promise in (studio_jobs.cancels, studio_jobs.soak):
        report = promise(examples(8, 50), tmp_path / promise.__name__, 0)
        assert report.passed, report.broken


@pytest.fixture
def studio(tmp_path: Path, forked: None) -> Iterator[Any]:
    import studio_guard  # with schemathesis: half a second, for the worker whose test this is

    (tmp_path / "root").mkdir()
    model = studio_guard.tiny(tmp_path)
    with served(place_of(tmp_path / "home", (model,), (tmp_path / "root",))) as studio:
        yield studio


def test_the_api_keeps_to_its_schema(studio: Any) -> None:
    import studio_guard

    report = studio_guard.schema(studio, examples(19, 2000), 0)
    assert report.passed, report.broken


@pytest.mark.slow  # one at a time in `studio/test_uploads.py`
def test_uploads_exhaust_nothing(studio: Any) -> None:
    report = studio_files.uploads(studio, examples(6, 200), 0)
    assert report.passed, report.broken


@pytest.mark.slow
def test_no_name_leaves_its_root(tmp_path: Path) -> None:
    report = studio_files.names(examples(30, 1000), tmp_path, 0)
    assert report.passed, report.broken
