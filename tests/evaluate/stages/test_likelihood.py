import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from framefall.cascade.conditioning import frame_seconds
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.diffusion.loss import denoising_loss
from framefall.diffusion.process import PROCESSES
from framefall.diffusion.samplers import Denoise
from framefall.evaluate.certify.twins import Trial, world_trials
from framefall.evaluate.stages.likelihood import (
    TIMES,
    balanced,
    denoiser_judge,
    denoising_error,
    expectation_error,
    null_judge,
    overall,
    preference,
    stage_judge,
)
from framefall.models.backbone import Condition
from framefall.models.text import encode
from framefall.noise import Key, normal
from framefall.worlds.render.renderer import View
from framefall.worlds.world import World

FLOW = PROCESSES["rectified_flow"]
WORLD = World(("uniform", "occluder"), "id", 200)


def trials(violation: str, count: int = 8) -> list[Trial]:
    return list(world_trials(WORLD, violation, count, View(16, 16), 6.0, 12))


@pytest.fixture(scope="module")
def vanishing() -> list[Trial]:
    return trials("vanish")


@pytest.fixture(scope="module")
def jumping() -> list[Trial]:
    return [trial for trial in trials("teleport", 12) if len(trial.valid) == 2]


def unmatched(trial: Trial) -> Trial:
    """The pair that one would take without thinking: the valid clip and the broken one that begins like it."""
    return Trial(trial.name, trial.violation, trial.valid[:1], trial.broken[:1], trial.fps, (None,))


def knowing(clips: Tensor) -> Denoise:
    """The best denoiser there is for a world of these clips: the mean of them, by how well each explains x_t."""

    known = clips.flatten(1).double()

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = (scale[:, None].double() for scale in FLOW.scales(t))
        # |x_t - alpha * clip|^2 without |x_t|^2, which all clips share
        gaps = alpha**2 * known.square().sum(1) - 2 * alpha * x_t.flatten(1).double() @ known.T
        shares = torch.softmax(-gaps / (2 * sigma**2), dim=1)
        return (shares @ known).float().reshape(x_t.shape)

    return denoise


def frame_by_frame(x_t: Tensor, t: Tensor) -> Tensor:
    """A denoiser that never looks at two frames at once: each is drawn to its own mean."""
    return 0.6 * x_t + 0.4 * x_t.mean(dim=(3, 4), keepdim=True)


def test_a_denoiser_that_knows_the_world_prefers_what_is_valid_and_one_of_a_broken_world_what_is_broken(
    vanishing, jumping
):
    for kind in (vanishing, jumping):
        right = denoiser_judge(knowing(torch.cat([trial.valid for trial in kind])), FLOW)
        wrong = denoiser_judge(knowing(torch.cat([trial.broken for trial in kind])), FLOW)
        (good,), (bad,) = expectation_error(kind, right), expectation_error(kind, wrong)
        assert good.error.value == 0 and bad.error.value == 1
        assert good.error.n == len(kind) and not good.rejected


def test_swapped_trials_tell_nothing_to_whoever_looks_at_single_frames(vanishing, jumping):
    for kind in (vanishing, jumping):
        (answer,) = expectation_error(kind, denoiser_judge(frame_by_frame, FLOW))
        assert answer.error.value == 0.5 and answer.null == 0.5
        assert all(trial.unlikeness < 1e-6 for trial in kind)


def test_pairs_that_were_not_matched_fool_the_background_and_are_rejected(vanishing):
    """The control: without the swap, knowing the background alone looks like preferring what vanishes."""
    naive = [unmatched(trial) for trial in vanishing]
    (answer,) = expectation_error(naive, denoiser_judge(knowing(torch.cat([t.valid for t in vanishing])), FLOW))
    assert answer.null == 1 and "null model scores 1.00" in answer.rejected
    assert math.isnan(answer.error.value) and overall([answer]).n == 0


def coins(values: list[float], name: str = "coin") -> list[Trial]:
    """Pairs whose broken clip has that much less foreground."""
    made = []
    for index, value in enumerate(values):
        clip = torch.zeros(1, 1, 5, 2, 2)
        clip[:, :, 1, 0, 0], other = 0.5, clip.clone()
        other[:, :, 1, 0, 0] = 0.5 - value
        made.append(Trial(f"{name} {index}", name, clip, other, 6.0, (None,)))
    return made


def test_where_the_null_model_leans_as_many_trials_are_kept_on_either_side():
    values = [0.1] * 12 + [-0.1] * 5
    (answer,) = expectation_error(coins(values), null_judge)
    assert answer.null == pytest.approx(12 / 17) and answer.error.n == 10 and answer.error.value == 0.5
    assert "10 of 17 trials kept" in answer.note and not answer.rejected
    (too_few,) = expectation_error(coins([0.1] * 12 + [-0.1] * 3), null_judge)
    assert too_few.rejected and too_few.error.n == 0
    assert balanced([0.3, -0.1, 0.12, 0.0]) == [1, 2, 3]


def test_few_trials_are_no_answer_and_violations_are_told_apart():
    answers = expectation_error([*coins([0.0] * 9, "a"), *coins([0.0] * 3, "b")], null_judge)
    assert [(one.violation, bool(one.rejected), one.error.value == 0.5) for one in answers] == [
        ("a", False, True),
        ("b", True, False),
    ]
    assert overall(answers).value == 0.5
    with pytest.raises(ValueError, match="name of its own"):
        expectation_error([*coins([0.0]), *coins([0.0])], null_judge)


def test_too_few_diffusion_times_are_refused():
    with pytest.raises(ValueError, match="at least 8 diffusion times"):
        denoiser_judge(frame_by_frame, FLOW, TIMES[:7])


def test_both_sides_get_the_same_noise_at_each_time_and_each_time_its_own():
    seen: list[Tensor] = []

    def spy(x_t: Tensor, t: Tensor) -> Tensor:
        seen.append(x_t.clone())
        return x_t

    clip = torch.zeros(1, 1, 5, 2, 2)
    preference(Trial("a", "none", clip, clip, 6.0, (None,)), denoiser_judge(spy, FLOW))
    assert len(seen) == len(TIMES) >= 8
    assert all(torch.equal(x_t[0], x_t[1]) for x_t in seen)
    assert not torch.allclose(seen[0][0] / TIMES[0], seen[1][0] / TIMES[1])


# -- a real stage -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def video() -> Tensor:
    return 0.5 * torch.randn(2, 3, 7, 16, 16, generator=torch.Generator().manual_seed(0)).cumsum(2).tanh()


def test_a_stages_error_is_its_loss_at_those_times(trained: Path, video: Tensor):
    base = load_cascade(trained).stage("base")
    clip, key = video[:1, :, :6], Key(0, "test", "a")
    text, mask = encode(["a ball"], base.device)
    told = Condition(seconds=frame_seconds(6, torch.tensor([6.0])), text=text, text_mask=mask)
    losses = []
    for index, moment in enumerate(TIMES.tolist()):
        noise = normal([key.named(str(index))], clip.shape[1:])
        t = torch.tensor([moment])
        with torch.no_grad():
            x0 = base.x0(base.process.add_noise(clip, noise, t), t, told)
        losses.append(denoising_loss(x0, clip, t, base.process, base.config.loss))
    error = denoising_error(base, clip, ["a ball"], 6.0, TIMES, [key])
    torch.testing.assert_close(error, torch.stack(losses).mean(0), rtol=1e-5, atol=0)
    other = denoising_error(base, clip, ["a ball"], 6.0, TIMES, [Key(0, "test", "b")])
    assert not torch.equal(error, other)


@pytest.mark.parametrize("name", ["base", "temporal_sr", "spatial_sr"])
def test_every_stage_can_be_asked_and_answers_each_clip_alone(name: str, trained: Path, video: Tensor):
    stage = load_cascade(trained).stage(name)
    clips = video[:, :, :6] if name == "base" else video
    keys = [Key(0, "test", "a"), Key(0, "test", "b")]
    both = denoising_error(stage, clips, [None, None], 6.0, TIMES, keys)
    alone = denoising_error(stage, clips[1:], [None], 6.0, TIMES, keys[1:])
    assert both.shape == (2,) and torch.isfinite(both).all() and (both > 0).all()
    torch.testing.assert_close(both[1:], alone, rtol=1e-4, atol=0)


def test_a_toy_stage_judges_trials(trained: Path, jumping):
    (answer,) = expectation_error(jumping[:8], stage_judge(load_cascade(trained).stage("base")))
    assert answer.trials == 8 and 0 <= answer.error.low <= answer.error.value <= answer.error.high <= 1
