"""Physics and consistency: tracks, parabolas and laws, twins, and the game."""

import math

import numpy as np
import pytest

from examples import examples as examples_of
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.evaluate.stages.likelihood import preference, stage_judge
from framefall.studio.lesson.basics import a_case
from framefall.studio.lesson.examples import FOLDER, examples
from framefall.studio.lesson.media import strip_frames
from framefall.studio.lesson.physics import PAIRS, READ, _prefers, _trial, read
from framefall.video import to_frames


@pytest.fixture(scope="module")
def case():
    return a_case("fall", 2)


def test_the_simulators_clip_is_read_as_the_lesson_shows_it(case):
    shipped = examples()["physics-scenes"]["scenes"]["drop"]["clips"]["simulator"]
    found = read(case, case.video, READ["drop"])
    assert found["gravity"]["fitted"] == pytest.approx(shipped["gravity"]["fitted"], rel=1e-3)
    for name, law in found["laws"].items():
        assert law["value"] == pytest.approx(shipped["laws"][name]["value"], rel=1e-3, abs=1e-6)
        assert law["passes"] == shipped["laws"][name]["passes"]
    assert np.array_equal(strip_frames(FOLDER / shipped["strip"], shipped["frames"]), to_frames(case.video))


def test_the_parabola_bends_as_gravity_does(case):
    found = read(case, case.video, READ["drop"])
    assert found["gravity"]["fitted"] == pytest.approx(found["gravity"]["true"], rel=0.02)
    # backwards in time it still does; half as fast it does not
    slow = case.video[:, :, np.arange(case.frames) // 2]
    assert read(case, slow, READ["drop"])["gravity"]["fitted"] != pytest.approx(found["gravity"]["true"], rel=0.3)


def test_fitted_points_lie_where_the_object_was_seen(case):
    (path,) = read(case, case.video, READ["drop"])["paths"]
    points = np.concatenate([arc["points"] for arc in path["arcs"]])
    for place in path["places"]:
        assert np.linalg.norm(points - place, axis=1).min() < 2.5


def test_smoothness_prefers_the_lie_and_physics_does_not():
    shipped = examples()["physics-twins"]
    linear = shipped["pairs"]["linear_fall"]["prefers"]
    assert {"roughness", "unevenness"} <= {name for name in shipped["smooth"] if linear[name] == "broken"}
    for pair in shipped["pairs"].values():
        assert "broken" not in {pair["prefers"][name] for name in shipped["physical"]}
        # before the violation they are the same clip
        sides = [strip_frames(FOLDER / pair[side]["strip"], pair[side]["frames"]) for side in ("valid", "broken")]
        assert np.array_equal(sides[0][: pair["from"]], sides[1][: pair["from"]])
        assert not np.array_equal(sides[0][pair["from"] + 1], sides[1][pair["from"] + 1])
        for name, side in pair["prefers"].items():
            values = [pair[one]["scores"][name] for one in ("valid", "broken")]
            valid, broken = (math.nan if value is None else value for value in values)
            assert side == _prefers(shipped["metrics"][name]["better"], valid, broken)


@pytest.mark.slow  # after new weights: `make test-full`
def test_the_model_answers_the_game_as_it_does_here():
    shipped, stage = examples()["physics-game"], load_cascade("worlds").stages[0]
    assert len(shipped["pairs"]) == len(PAIRS) == 10 and len({violation for _, violation in PAIRS}) == 10
    assert shipped["right"] == sum(pair["model"]["right"] for pair in shipped["pairs"])
    assert {pair["left"] for pair in shipped["pairs"]} == {"valid", "broken"}
    for number in (0, 3)[: examples_of(1, 2)]:
        trial, pair = (
            _trial(*PAIRS[number], stage.config.shape.height, stage.config.shape.fps),
            shipped["pairs"][number],
        )
        found = preference(trial, stage_judge(stage))
        assert found == pytest.approx(pair["model"]["preference"], rel=0.02), (
            "other weights? python scripts/lesson_examples.py"
        )
        assert (found < 0) == pair["model"]["right"]
        frames = strip_frames(FOLDER / pair["valid"]["strip"], pair["valid"]["frames"])
        assert np.array_equal(frames, to_frames(trial.valid[:1]))
        assert not np.array_equal(frames, to_frames(trial.broken[:1]))
