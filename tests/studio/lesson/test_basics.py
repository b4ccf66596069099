"""The card on diffusion models."""

import numpy as np
import pytest

from framefall.studio.lesson.basics import LEVELS, a_case, noise
from framefall.studio.lesson.examples import examples, make


@pytest.fixture(scope="module")
def remade(tmp_path_factory):
    return make("basics-noise", tmp_path_factory.mktemp("noise"))


def test_the_shipped_example_is_what_the_library_makes(remade):
    shipped = examples()["basics-noise"]
    assert remade["caption"] == shipped["caption"]
    for key in ("times", "alpha", "sigma", "error"):
        assert remade[key] == pytest.approx(shipped[key], rel=1e-3), key


def test_more_noise_makes_the_belief_worse(remade):
    assert len(remade["error"]) == LEVELS
    assert all(one < two for one, two in zip(remade["error"][1:], remade["error"][2:], strict=False))
    assert np.allclose(np.add(remade["alpha"], remade["sigma"]), 1.0)


def test_a_case_is_one_scene_of_the_test_split():
    assert a_case("fall", 2).name == "fall/id/2" and noise.__doc__
