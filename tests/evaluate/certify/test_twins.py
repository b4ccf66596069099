"""Valid clips and their broken twins: nothing but physics tells them apart."""

import numpy as np
import pytest
import torch

from framefall.evaluate.certify.twins import UNLIKE, Trial, swapped, world_trials
from framefall.worlds.render.renderer import View
from framefall.worlds.world import World

WORLD = World(("uniform", "occluder"), "id", 100)


@pytest.fixture(scope="module")
def vanishing() -> list[Trial]:
    return list(world_trials(WORLD, "vanish", 3, View(16, 16), 6.0, 12))


def test_swapped_clips_begin_as_the_valid_ones_and_hold_the_same_frames(vanishing):
    trial = vanishing[0]
    assert trial.captions == (None, None) and trial.valid.shape[0] == 2
    assert torch.equal(trial.valid[:, :, 0], trial.broken[:, :, 0])
    assert torch.equal(trial.valid.sort(dim=0).values, trial.broken.sort(dim=0).values)
    assert (trial.valid != trial.broken).any()


def test_frames_are_exchanged_where_it_is_said():
    one, other = torch.zeros(1, 1, 4, 2, 2), torch.ones(1, 1, 4, 2, 2)
    trial = swapped(one, other, np.array([False, False, True, False]), "a", "blink", 6.0, (None, None))
    assert trial.broken[:, 0, :, 0, 0].tolist() == [[0, 0, 1, 0], [1, 1, 0, 1]]
    with pytest.raises(ValueError, match="some frames must be exchanged and some not"):
        swapped(one, other, np.ones(4, bool), "a", "blink", 6.0, (None, None))


def test_a_trial_holds_as_much_foreground_on_either_side(vanishing: list[Trial]) -> None:
    assert len(vanishing) == 3 and all(trial.unlikeness <= UNLIKE for trial in vanishing)
    # the control: the pair as one would take it without thinking is told apart by what is missing
    naive = [Trial(one.name, one.violation, one.valid[:1], one.broken[:1], one.fps, (None,)) for one in vanishing]
    assert all(trial.unlikeness > UNLIKE for trial in naive)


def test_captions_are_left_out_where_they_would_tell() -> None:
    def captions(**options: bool) -> list[tuple]:
        trials = world_trials(WORLD, "gravity_flip", 2, View(16, 16), 6.0, 12, **options)
        return [trial.captions for trial in trials]

    assert all(one == (None,) * len(one) for one in captions(captions=False))


def test_a_trial_with_a_caption_too_many_is_refused() -> None:
    clip = torch.zeros(1, 1, 3, 4, 4)
    with pytest.raises(ValueError, match="as many broken clips and captions as valid clips"):
        Trial("a", "b", clip, clip, 6.0, (None, None))
