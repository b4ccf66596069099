"""The cascade: what stages cost, alone and together."""

from itertools import pairwise

import pytest

from framefall.bench.cascade import above, planned
from framefall.bench.presets import sized
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.models.counted import counted
from framefall.studio.lesson.examples import examples
from framefall.weights import DEFAULT


@pytest.fixture(scope="module")
def shipped():
    return {stage.name: stage.config for stage in load_cascade(DEFAULT).stages}


@pytest.mark.slow  # after a new network: `make test-full`
def test_a_row_of_the_planner_is_what_the_library_counts(shipped):
    rows = examples()["cascade-planner"]["networks"]["transformer"]["rows"]
    made = planned(*shipped.values(), rows[0]["side"])
    assert made.pop("stages") == pytest.approx(rows[0]["stages"], rel=1e-5)
    assert made == pytest.approx({name: value for name, value in rows[0].items() if name != "stages"}, rel=1e-5)
    # at its own size a stage costs what the presets say
    assert rows[2]["stages"]["base"] == pytest.approx(sized(shipped["base"])["gflops_a_clip"], rel=1e-5)


def test_one_model_costs_ever_more_than_the_cascade():
    for network in examples()["cascade-planner"]["networks"].values():
        times = [row["times"] for row in network["rows"]]
        assert all(one < two for one, two in pairwise(times)) and times[0] > 10
        for row in network["rows"]:
            assert row["cascade"] == pytest.approx(sum(row["stages"].values()), rel=1e-5)
            assert row["times"] == pytest.approx(row["single"] / row["cascade"], rel=1e-4)


@pytest.mark.slow
def test_operations_of_attention_over_all_patches_grow_as_a_square_of_the_frames(shipped):
    _, *calls = zip(*(counted(shipped["base"].backbone, (frames, 64, 64)) for frames in (16, 32, 48, 64)), strict=True)
    flops = calls[0]
    first = [two - one for one, two in pairwise(flops)]
    second = [two - one for one, two in pairwise(first)]
    assert second[0] == second[1] > 0  # a parabola exactly


def test_spatial_super_resolution_costs_as_much_a_pixel_at_any_size(shipped):
    small, large = (above(shipped["temporal_sr"], shipped["spatial_sr"], 60, side) for side in (64, 128))
    assert large["spatial"] == pytest.approx(4 * small["spatial"])
    assert large["temporal"] > 4 * small["temporal"]  # it attends


def test_stages_left_out_cost_nothing():
    shipped = examples()["cascade-without"]
    for clip in shipped["clips"].values():
        assert clip["gflops"] == pytest.approx(sum(shipped["costs"][stage] for stage in clip["stages"]), rel=1e-5)
    measured = {name: clip["measured"] for name, clip in shipped["clips"].items()}
    assert measured["all"]["blur"] < measured["base+temporal"]["blur"]  # what SSR is for
    assert measured["all"]["cadence"] < measured["base+spatial"]["cadence"]  # what TSR is for
