"""Going on from frames: each predictor's clips are its own, and a clip does not depend on its batch."""

import torch

from framefall.bench.worlds.continuation import _all_continued, continued, over
from framefall.cascade.cascade import Cascade
from framefall.evaluate.worldbench.benchmark import Protocol, cases


def test_a_clip_made_in_a_batch_is_the_one_made_alone_up_to_rounding(toy: Cascade, protocol: Protocol) -> None:
    given = list(cases(protocol, "id"))
    together = {case.name: video for case, video in _all_continued(toy, given, "fast")}
    alone = continued(toy, given[1], "fast")
    torch.testing.assert_close(together[given[1].name], alone, rtol=0, atol=1e-4)  # decision 28
    assert torch.equal(alone[:, :, :3], given[1].video[:, :, :3])  # and it begins with what was given
    assert (together[given[0].name] - alone).abs().max() > 0.01


def test_each_predictor_is_judged_by_its_own_clips(measured) -> None:
    rows = measured.scores["id"]["references"]
    errors = {name: rows[name]["velocity_error_of"]["projectile"]["value"] for name in rows}
    assert errors["renderer"] < 0.1 < errors["nearest_training"]
    assert errors["copy_last"] == 1.0  # what stands still misses all of the motion
    assert len({errors[name] for name in ("renderer", "copy_last", "inertia", "constant_acceleration")}) == 4


def test_multiples_of_real_clips_are_of_their_mean() -> None:
    found = over([2.0, 4.0], [1.0, 3.0], 0)
    assert (found.value, found.n) == (1.5, 2)
    assert over([2.0], [0.0], 0).n == 0  # nothing is a multiple of nothing
