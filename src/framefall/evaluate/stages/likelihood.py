"""Violation of expectation: does a denoiser find a valid clip likelier than its twin that breaks physics?

The error of denoising stands for likelihood, as in LikePhys (Yuan et al. 2025, arXiv 2510.11512): both clips get the
same noise at the same diffusion times. 0 is a denoiser that always prefers what is physical, 0.5 one that does not
know. A denoiser that knows the background alone must not know either, or the kind of pair is rejected: such pairs
can be told apart by how much foreground they have.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from framefall.cascade.known import Known
from framefall.cascade.stage import Stage
from framefall.diffusion.loss import denoising_loss
from framefall.diffusion.prediction import Prediction
from framefall.diffusion.process import Process
from framefall.diffusion.samplers import Denoise
from framefall.evaluate.certify.twins import Trial, background
from framefall.metric import Interval, interval
from framefall.noise import Key, normal
from framefall.video import Scores, Video

DiffusionTimes = Float[Tensor, " times"]
# (clips, a caption each, frames a second, a key each) -> the error of each clip
Judge = Callable[[Video, Sequence[str | None], float, Sequence[Key]], Scores]

AT_ONCE = 8  # clips that go through the network together: at as many diffusion times as that leaves room for
TIMES: DiffusionTimes = (torch.arange(10) + 0.5) / 10  # the middles of ten equal parts of 0..1
FEWEST_TIMES = 8
TIE = 1e-6  # of the error: below it two sums of float32 numbers are the same
NULL_BAND = (0.45, 0.55)
FEWEST = 8  # trials, or a kind of pair says nothing


@dataclass(frozen=True)
class Expectation:
    """How often one violation is preferred to the truth."""

    violation: str
    error: Interval  # share of trials with error(valid) > error(broken), ties half; NaN where it is rejected
    null: float  # the same share for a denoiser that knows the background alone, on all trials given
    trials: int  # given; `error.n` of them count
    note: str = ""  # what was left out
    rejected: str = ""  # why nothing can be said; empty otherwise
    per_trial: dict[str, float] | None = None  # 1, 0 or 0.5


def denoising_error(
    stage: Stage,
    videos: Video,
    captions: Sequence[str | None],
    fps: float,
    times: DiffusionTimes,
    keys: Sequence[Key],
    *,
    given: int = 0,
    space: Prediction | None = None,
) -> Scores:
    """Each clip's error of denoising in `space` (by default the stage's own loss), a mean over `times`.

    `keys` name each clip's noise: clips of one key get the same. A super-resolution stage is shown the clip made
    small, uncorrupted, and a base stage that can go on from known frames the first `given`. Calculated in float32.
    """
    _check_times(times)
    device, clips = stage.device, len(videos)
    # the same clips again for each of the times that are taken together
    turns = max(
        turn for turn in range(1, len(times) + 1) if len(times) % turn == 0 and turn * clips <= max(AT_ONCE, clips)
    )
    videos, captions = videos.repeat(turns, 1, 1, 1, 1), [*captions] * turns
    answer, low = stage.task.example(videos.to(device))
    shown = None
    if given:
        mask = (torch.arange(answer.shape[2], device=device) < given).float()[None, None, :, None, None]
        shown = Known(video=answer, mask=mask)
    x0 = stage.codec.encode(answer)
    known = stage.codec.conditioning(stage.task.conditioning(low, answer.shape[2], known=shown))
    condition = stage.condition(captions, frames=answer.shape[2], fps=fps)
    condition = stage.conditioned(condition, known, torch.zeros(len(x0), device=device))

    def endpoint(index: int) -> Tensor:
        places = range(turns * index, turns * (index + 1))
        return stage.endpoint(torch.cat([_noise(keys, place, x0[:clips]) for place in places]), known)

    def denoise(x_t: Video, t: Scores) -> Video:
        return stage.x0(*known.applied(x_t, t, stage.process), condition)

    grid = times.to(device).repeat_interleave(clips).view(-1, turns * clips)
    errors = _errors(denoise, stage.process, x0, endpoint, grid, space or stage.config.loss)
    return errors.view(turns, clips).mean(dim=0)


def stage_judge(stage: Stage, times: DiffusionTimes = TIMES, given: int = 0, space: Prediction | None = None) -> Judge:
    """A stage as a judge of clips."""
    return lambda videos, captions, fps, keys: denoising_error(
        stage, videos, captions, fps, times, keys, given=given, space=space
    )


def denoiser_judge(
    denoise: Denoise, process: Process, times: DiffusionTimes = TIMES, space: Prediction = "velocity"
) -> Judge:
    """Any denoiser `(x_t, t) -> x0` of Gaussian noise as a judge of clips."""
    _check_times(times)

    def judge(videos: Video, captions: Sequence[str | None], fps: float, keys: Sequence[Key]) -> Scores:
        grid = times[:, None].expand(-1, len(videos)).to(videos.device)
        return _errors(denoise, process, videos, lambda index: _noise(keys, index, videos), grid, space)

    return judge


def null_judge(videos: Video, captions: Sequence[str | None], fps: float, keys: Sequence[Key]) -> Scores:
    """The denoiser that knows no physics: whatever the noise, it sees the background of all clips of the trial."""
    return (videos - background(videos)).square().mean(dim=(1, 2, 3, 4))


def expectation_error(trials: Iterable[Trial], judge: Judge, seed: int = 0) -> list[Expectation]:
    """One answer a violation, in the order in which they come.

    Where the null model leaves 0.45..0.55, as many trials as it gets right are kept as it gets wrong, matched by how
    strongly it prefers one side; it then scores 0.5 exactly. With fewer than 8 left, the violation is rejected.
    """
    preferences: dict[str, dict[str, float]] = {}
    nulls: dict[str, dict[str, float]] = {}
    for trial in trials:
        judged = preferences.setdefault(trial.violation, {})
        if trial.name in judged:
            raise ValueError(f"each trial must have a name of its own, got {trial.name!r} twice; rename one of them")
        judged[trial.name] = preference(trial, judge, seed)
        nulls.setdefault(trial.violation, {})[trial.name] = preference(trial, null_judge, seed)
    return [_answer(name, judged, nulls[name], seed) for name, judged in preferences.items()]


def overall(expectations: Sequence[Expectation], seed: int = 0) -> Interval:
    """The mean over the violations that were not rejected, each counting as one."""
    return interval([one.error.value for one in expectations if not one.rejected], seed)


def preference(trial: Trial, judge: Judge, seed: int = 0) -> float:
    """How much larger the valid side's error is than the broken one's, relative to their mean; 0 within rounding."""
    clips = torch.cat((trial.valid, trial.broken))
    # one key for all: the noise must be the same on both sides
    keys = [Key(seed, "expectation", trial.name)] * len(clips)
    with torch.no_grad():
        errors = judge(clips, (*trial.captions, *trial.captions), trial.fps, keys).double().cpu()
    valid, broken = (float(side.mean()) for side in errors.chunk(2))
    if not math.isfinite(valid + broken):
        return math.nan
    scale = (abs(valid) + abs(broken)) / 2
    return 0.0 if abs(valid - broken) <= TIE * scale else (valid - broken) / scale


def balanced(preferences: Sequence[float]) -> list[int]:
    """Places of as many positive as negative values, matched by size, and of all zeros; ascending."""
    values = np.asarray(preferences)
    over, under = np.flatnonzero(values > 0), np.flatnonzero(values < 0)
    cost = np.abs(values[over][:, None] + values[under][None, :])
    rows, columns = linear_sum_assignment(cost)
    return sorted([*np.flatnonzero(values == 0).tolist(), *over[rows].tolist(), *under[columns].tolist()])


def _answer(violation: str, judged: dict[str, float], nulls: dict[str, float], seed: int) -> Expectation:
    null = float(np.mean([_share(value) for value in nulls.values()]))
    names, note = list(judged), ""
    if not NULL_BAND[0] <= null <= NULL_BAND[1]:
        places = balanced(list(nulls.values()))
        names = [names[place] for place in places]
        note = f"{len(names)} of {len(judged)} trials kept, which balance the null model's {null:.2f}"
    shares = {name: _share(judged[name]) for name in names}
    answer = Expectation(violation, interval(list(shares.values()), seed), null, len(judged), note, "", shares)
    if len(names) < FEWEST:
        none = Interval(math.nan, math.nan, math.nan, 0)
        why = f"the null model scores {null:.2f} and no {FEWEST} trials balance it" if note else ""
        return replace(answer, error=none, rejected=why or f"{len(names)} trials, and {FEWEST} are needed")
    return answer


def _share(preference: float) -> float:
    """1 where the broken side is preferred, a half for a tie."""
    return math.nan if math.isnan(preference) else (0.5 if preference == 0 else float(preference > 0))


def _errors(
    denoise: Denoise,
    process: Process,
    x0: Video,
    endpoint: Callable[[int], Tensor],
    times: Float[Tensor, "steps batch"],
    space: Prediction,
) -> Scores:
    """Each clip's mean error over the steps, of which each has a time for each clip."""
    total = torch.zeros(len(x0), dtype=torch.float64, device=x0.device)
    with torch.no_grad():
        for index, t in enumerate(times):
            x0_hat = denoise(process.add_noise(x0, endpoint(index), t), t)
            total += denoising_loss(x0_hat.float(), x0, t, process, space).double()
    return (total / len(times)).float()


def _noise(keys: Sequence[Key], index: int, like: Tensor) -> Tensor:
    """Noise of its own at each time; a key that comes again has its noise again."""
    fields = {key: normal([key.named(str(index))], like.shape[1:])[0] for key in dict.fromkeys(keys)}
    return torch.stack([fields[key] for key in keys]).to(like)


def _check_times(times: DiffusionTimes) -> None:
    if len(times) < FEWEST_TIMES or not ((times > 0) & (times < 1)).all():
        raise ValueError(
            f"there must be at least {FEWEST_TIMES} diffusion times between 0 and 1, got {times.tolist()}; try 10"
        )
