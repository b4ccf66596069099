"""The batteries run together: each is there, what they found becomes a page, and a broken promise fails the run."""

import json
from importlib import import_module
from pathlib import Path

import pytest
import reliability
from reliability import BATTERIES, DOCS, Battery, main, page
from report import Report

HELD = Report(
    name="a file is whole", promise="no half file", row=19, tried=8, held=8, window="killed in a write", hits=4,
    least_hits=3, control="written in place", control_tried=8, control_broke=5,
)  # fmt: skip


@pytest.mark.parametrize("name", BATTERIES)
def test_each_battery_has_a_run(name: str) -> None:
    assert callable(import_module(BATTERIES[name].module).run) and BATTERIES[name].least <= BATTERIES[name].full


@pytest.mark.parametrize(
    "change",
    [{"held": 7}, {"tried": 0, "held": 0}, {"hits": 2}, {"control_broke": 0}],
    ids=lambda change: next(iter(change)),
)
def test_a_promise_is_broken_when_a_try_a_hit_or_the_control_is_missing(change: dict) -> None:
    assert HELD.passed and not Report(**{**HELD.__dict__, **change}).passed


def test_the_page_is_what_the_batteries_found() -> None:
    result = json.loads((DOCS / "reliability.json").read_text())
    assert (DOCS / "reliability.md").read_text() == page(result)
    assert {one["battery"] for one in result["promises"]} == set(BATTERIES)


class Quick(Battery):
    """A battery of a moment, so that what is tested is the run of all of them."""

    def run(self, share: float, folder: Path, seed: int = 0) -> list[Report]:
        if self.module == "ends":
            raise RuntimeError("it is no longer there")
        return [Report(**{**HELD.__dict__, "name": self.module, "tried": round(self.full * share)})]


def test_a_run_writes_what_it_found_and_keeps_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control is a battery whose promise is broken. Real ones have tests of their own, at small counts."""
    monkeypatch.setitem(BATTERIES, "odd_videos", Quick("odd_videos", 800))
    other = HELD.json() | {"battery": "outputs", "commit": "0"}
    (tmp_path / "reliability.json").write_text(json.dumps({"promises": [other], "minutes": 5}))
    assert main(["0.01", "odd_videos"], tmp_path) == 0
    found = json.loads((tmp_path / "reliability.json").read_text())["promises"]
    assert [one["battery"] for one in found] == ["outputs", "odd_videos"] and found[1]["tried"] == 8
    assert (
        "| 19 | no half file | `outputs` | 8/8 | killed in a write: 4 (3) |"
        in (tmp_path / "reliability.md").read_text()
    )
    broken = {**other, "held": 7, "passed": False}
    (tmp_path / "reliability.json").write_text(json.dumps({"promises": [broken], "minutes": 5}))
    assert main(["0.01", "odd_videos"], tmp_path) == 1


def test_a_run_that_was_stopped_goes_on_with_the_batteries_that_it_had_not_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one that ends without a report is run again; at another share, all are; and when all are done, anew."""
    monkeypatch.setattr(reliability, "BATTERIES", {name: Quick(name, 8) for name in ("a", "b", "ends")})
    assert main([], tmp_path) == 1
    assert "3/3" in (said := capsys.readouterr().out) and "RuntimeError('it is no longer there')" in said
    reliability.BATTERIES["ends"] = Quick("mended", 8)
    assert main([], tmp_path) == 0
    assert "1/1 ends" in capsys.readouterr().out
    for words, ran in (([], "3/3"), (["0.5"], "3/3"), (["0.5", "a"], "1/1")):
        main(words, tmp_path)
        assert ran in capsys.readouterr().out
