import math

import numpy as np
import pytest
import torch
from torch import Tensor

from framefall.evaluate.metrics.suite import NamedVideo
from framefall.evaluate.sets.memorisation import (
    SPACES,
    Described,
    Memorisation,
    Space,
    content,
    describe,
    memorisation,
)
from framefall.noise import Key
from framefall.video import from_pixels, to_pixels
from framefall.worlds.damage.placebos import PLACEBOS
from framefall.worlds.render.renderer import View, render
from framefall.worlds.state import frame_times
from framefall.worlds.world import World

Clips = list[NamedVideo]
Known = tuple[dict[str, Described], dict[str, Described]]


def made(split: str, count: int) -> Clips:
    world = World(("uniform", "projectile", "collision"), split, count)
    logs = [world.log(index) for index in range(count)]
    pictures = from_pixels(render(logs, [frame_times(12, 6.0)] * count, View(24, 24)))
    return [(f"{split} {index}", video, 6.0) for index, video in enumerate(pictures.split(1))]


@pytest.fixture(scope="module")
def training() -> Clips:
    return made("train", 24)


@pytest.fixture(scope="module")
def held_out() -> Clips:
    return made("id", 24)


@pytest.fixture(scope="module")
def known(training: Clips, held_out: Clips) -> Known:
    return describe(training), describe(held_out)


def changed(clips: Clips, how: str) -> Clips:
    def change(name: str, video: Tensor) -> Tensor:
        pixels = PLACEBOS[how](to_pixels(video)[0].numpy(), Key(0, "replay", name))
        return from_pixels(torch.from_numpy(np.ascontiguousarray(pixels)))[None]

    return [(f"again {name}", change(name, video), fps) for name, video, fps in clips]


def by_space(answers: list[Memorisation]) -> dict[str, Memorisation]:
    return {answer.space: answer for answer in answers}


def test_replayed_training_clips_are_found_and_named_in_content_and_in_motion(
    training: Clips, held_out: Clips, known: Known
):
    answers = memorisation(describe(training[:8]), *known)
    assert [answer.space for answer in answers] == ["content", "motion"]
    for answer in answers:
        assert answer.flagged.value == 1 and answer.rho.high < 1e-6
        assert all(one.nearest == one.clip for one in answer.clips if not math.isnan(one.rho))
        assert answer.rho.n >= 6


@pytest.mark.parametrize("how", ["flip", "noise", "jpeg_85", "gamma", "codec"])
def test_a_copy_is_found_whatever_was_done_to_hide_it(how: str, training: Clips, held_out: Clips, known: Known):
    for answer in memorisation(describe(changed(training[:8], how)), *known):
        assert answer.flagged.value >= 0.85 and answer.rho.value < 0.5, answer.space
        named = [one.clip == f"again {one.nearest}" for one in answer.clips]
        assert np.mean(named) >= 0.85, answer.space


def test_new_clips_are_as_far_as_held_out_ones_and_reach_as_many(training: Clips, held_out: Clips, known: Known):
    for answer in memorisation(describe(held_out[12:]), known[0], describe(held_out[:12])):
        assert 0.75 < answer.rho.value < 1.33 and answer.flagged.value <= 0.25, answer.space
        assert answer.training_reached.value == pytest.approx(answer.training_expected, abs=0.15)


def test_a_copied_motion_as_a_negative_is_found_in_motion_alone(training: Clips, held_out: Clips, known: Known):
    negatives = [(f"again {name}", -video, fps) for name, video, fps in training[:8]]
    answers = by_space(memorisation(describe(negatives), *known))
    assert answers["motion"].flagged.value >= 0.85
    assert answers["content"].flagged.value == 0


def test_one_clip_again_and_again_reaches_one_clip_only(training: Clips, held_out: Clips, known: Known):
    one = held_out[0][1]
    same = [(f"copy {index}", one, 6.0) for index in range(12)]
    for answer in memorisation(describe(same), *known):
        assert answer.training_reached.value * answer.training_reached.n <= 1.01
        assert answer.training_reached.value < answer.training_expected / 2


def _pixels(video: Tensor, fps: float) -> np.ndarray:
    return video.flatten().double().numpy()


def seen(clips: Clips) -> dict[str, Described]:
    return describe(clips, {"points": Space(_pixels, lambda vector: vector)})


def points(name: str, count: int, seed: int, width: float = 1.0) -> Clips:
    values = width * torch.randn(count, 1, 1, 1, 1, 4, generator=torch.Generator().manual_seed(seed))
    return [(f"{name} {index}", value, 1.0) for index, value in enumerate(values)]


def test_one_held_out_clip_in_twenty_is_flagged_and_every_replay():
    training, held_out = points("train", 400, 0), points("held", 400, 1)
    (fresh,) = memorisation(seen(points("new", 600, 2)), seen(training), seen(held_out))
    # 600 draws of a share of 0.05, which is itself of 400: a standard deviation of 0.014
    assert fresh.flagged.value == pytest.approx(0.05, abs=0.045) and fresh.rho.low < 1.05 and fresh.rho.high > 0.95
    leaky = [(f"leak {name}", value + 1e-3, fps) for name, value, fps in training[:30]]
    (mixed,) = memorisation(seen([*leaky, *points("new", 270, 2)]), seen(training), seen(held_out))
    assert mixed.flagged.value == pytest.approx(0.1 + 0.9 * 0.05, abs=0.05)
    assert all(one.flagged == one.clip.startswith("leak") for one in mixed.clips[:30])


def test_coverage_falls_when_half_of_the_world_is_missing_but_not_for_a_fair_sample():
    training, held_out = points("train", 300, 0), points("held", 300, 1)
    (fair,) = memorisation(seen(points("new", 300, 2)), seen(training), seen(held_out))
    one_sided = [(name, value.abs(), fps) for name, value, fps in points("new", 300, 2)]
    (half,) = memorisation(seen(one_sided), seen(training), seen(held_out))
    assert fair.training_reached.value == pytest.approx(fair.training_expected, abs=0.08)
    assert half.training_reached.high < half.training_expected * 0.7
    assert half.held_out_reached.high < half.held_out_expected * 0.7


def test_clips_without_motion_are_not_called_copies_of_each_other(training: Clips, held_out: Clips, known: Known):
    still = [(name, video[:, :, :1].expand(-1, -1, 12, -1, -1), fps) for name, video, fps in held_out[:4]]
    answers = by_space(memorisation(describe(still), *known))
    assert answers["motion"].flagged.n == 0 and all(math.isnan(one.rho) for one in answers["motion"].clips)
    assert "4 clips have nothing to compare" in answers["motion"].note
    assert answers["content"].rho.n == 4


@pytest.mark.parametrize("shape", [(1, 3, 1, 24, 24), (1, 1, 12, 3, 5), (1, 4, 2, 64, 1)])
def test_odd_clips_get_a_number_or_a_reason(shape: tuple[int, ...]):
    video = torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for features in (space.features for space in SPACES.values()):
        vector = features(video, 6.0)
        assert vector is None or np.isfinite(vector).all()
    assert content(video.fill_(math.nan), 6.0) is None


def test_held_out_clips_that_are_training_clips_are_refused_as_a_measure(training: Clips, known: Known):
    answers = memorisation(
        describe(training[:3]), known[0], describe([(f"same {n}", v, f) for n, v, f in training[3:9]])
    )
    assert all("held-out clip is a training clip" in answer.note and answer.rho.n == 0 for answer in answers)
