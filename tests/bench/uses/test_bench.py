"""The whole benchmark on a toy, and its verdicts on made-up figures."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from framefall.bench.table import lines
from framefall.bench.uses import bench
from framefall.bench.uses.bench import MUST, projectiles, uses_bench
from framefall.bench.uses.cases import USES
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.jsonable import json_text
from framefall.metric import Interval


@pytest.mark.slow  # every use is tried in `test_cases.py`, a projectile below
def test_every_figure_is_there_with_what_must_hold_of_it(
    lively: Path, real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def as_asked(model: str, count: int, seconds: float, *_: object) -> dict:
        assert (model, count, seconds) == (str(lively), 1, 5.0)
        return of_long_videos(good=True)  # making one takes two processes, and is tested by itself

    monkeypatch.setattr(bench, "long_videos", as_asked)
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "film.mp4").symlink_to(real / "carphone_pristine.mp4")
    few = {name: USES[name] for name in ("image", "inpaint")}
    found = uses_bench(
        str(lively), 1, quality="fast", videos=tmp_path / "videos", sheet=tmp_path / "sheet.png", seconds=5.0, uses=few,
        streams=str(lively),
    )  # fmt: skip
    results = found["results"]
    assert results.keys() == {"uses", "projectile", "long", "streaming"} and results["uses"].keys() == few.keys()
    for kinds in results["uses"].values():
        assert [kinds[kind] for kind in ("worlds", "real")] and kinds.keys() == {"worlds", "real"}
    kept = results["uses"]["inpaint"]["real"]["kept_output"]
    assert kept["value"] == Interval(1.0, 1.0, 1.0, 1) and kept["control"].value < 0.5 and kept["gain"].low > 0
    assert results["uses"]["image"]["worlds"]["given_join"].keys() >= {"value", "control", "source", "gain", "within"}
    assert results["projectile"].keys() == {
        "model", "inertia", "constant_acceleration", "control", "gain", "control_gain"
    }  # fmt: skip
    checks = {(check["use"], check["measure"]): check for check in found["checks"]}
    assert {"memory", "join", "brightness_drift", "saturation_drift", "objects_kept"} <= {
        measure for use, measure in checks if use == "long"
    }
    assert checks["image, worlds", "kept_base"]["holds"] and checks["image, worlds", "kept_base"]["control_fails"]
    assert found["fails"] == [f"{use}: {measure}" for (use, measure), one in checks.items() if not one["holds"]]
    assert '"must": "= 1"' in json_text(found)
    text = list(lines({"name": "uses", **found}))
    assert len(text[text.index("") + 2 :]) == len(checks) and any(line.startswith("streaming ") for line in text)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height > 10 * 64  # three rows of a world clip and two of a real one, of two uses


@pytest.mark.slow
def test_a_toy_knows_less_of_a_projectile_than_constant_velocity(
    lively: Path,
) -> None:
    cascade = load_cascade(lively)
    base = cascade.stages[0]
    able = replace(base, config=replace(base.config, shape=replace(base.config.shape, frames=14, height=32, width=32)))
    found = projectiles(replace(cascade, stages=(able,)), 2, 0, "fast", 1)
    assert found["model"].n == found["gain"].n == 2 and found["gain"].high < 0
    assert found["inertia"].value < found["model"].value and found["constant_acceleration"].n == 2
    assert found["gain"].value == pytest.approx(found["inertia"].value - found["model"].value)


def clip(**measures: tuple[float, float]) -> dict[str, dict[str, float]]:
    return {name: {"value": value, "control": control} for name, (value, control) in measures.items()}


def test_measures_are_held_against_their_limits_clip_by_clip() -> None:
    clips = [clip(given_join=(1.0, 3.0), kept_output=(1.0, 0.1)), clip(given_join=(1.4, 3.2), kept_output=(0.9, 0.0))]
    found = bench._summed(clips)
    assert found["given_join"]["value"].value == pytest.approx(1.2) and found["given_join"]["within"].value == 0.5
    assert found["given_join"]["gain"].value == pytest.approx(1.9) and found["kept_output"]["within"].value == 0.5
    assert found["kept_output"]["gain"].low > 0  # more is better of these
    assert "seam" not in found and bench._summed([clip(seam=(math.nan, math.nan))]) == {}
    assert bench._summed([]) == {}
    assert bench._holds("kept_base", 1.0) and not bench._holds("kept_base", 0.9999)
    assert bench._holds("loop_join", 1.1) and not bench._holds("loop_join", 1.11) and not bench._holds("seam", math.nan)
    assert {"given_join", "window_join", "loop_join", "seam", "obeys", "distance"} < set(MUST)


def at(value: float) -> Interval:
    return Interval(value, value, value, 4)


def of_long_videos(good: bool) -> dict[str, Interval]:
    """Figures that hold, or that do not."""
    drifts = {f"{name}_drift": at(0.01 if good else 0.1) for name in ("brightness", "saturation")}
    kept = {"memory": at(1.0 if good else 1.2), "join": at(1.0 if good else 2.0)}
    return kept | drifts | {"objects_kept": at(1.0 if good else 0.75)}


def test_checks_fail_where_figures_do() -> None:
    def checked(good: bool) -> dict[tuple[str, str], bool]:
        row = bench._summed([clip(distance=(0.1, 0.5 if good else 0.05), obeys=(0.9, 0.2 if good else 0.95))])
        fall = {"model": at(0.5), "inertia": at(1.0), "gain": at(0.5 if good else -0.5), "control_gain": at(0.1)}
        found = {"uses": {"redraw": {"real": row}}, "projectile": fall, "long": of_long_videos(good)}
        found["streaming"] = {"ratio_real_time": 0.4 if good else 1.1}
        return {(one["use"], one["measure"]): one["holds"] for one in bench._checks(found)}

    assert all(checked(True).values()) and not any(checked(False).values()) and len(checked(True)) == 9
