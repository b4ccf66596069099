"""A stage that learns from clips of its own, by what they are worth: rounds of drafts, judgement and learning.

In a round the averaged weights make several drafts of each of some prompts, somebody says what each is worth, and the
stage learns towards what is better than the other drafts of its prompt and away from what is worse
(`diffusion/negative_aware.py`). Clips of data are learnt among them as what is worth all: without them a stage soon
leaves out what the judge is misled by (docs/log.md). No guidance is needed: what it buys is learnt.

Some of the drafts go on from the first frames of a clip, which says how it went on.
"""

import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from framefall.cascade.conditioning import first_frames
from framefall.cascade.known import Known, Mask
from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import Sampling
from framefall.data.clip import Clip
from framefall.diffusion.negative_aware import negative_aware_loss, worth
from framefall.diffusion.times import LogitNormal
from framefall.models.backbone import Condition
from framefall.models.precision import autocast
from framefall.noise import Key, normal
from framefall.progress import Note, Stepped
from framefall.ranges import Often, Share, Size, within
from framefall.train import objective, optim, resume
from framefall.train.journal import Journal
from framefall.train.loop import Budget, Diverged
from framefall.train.recipe import Optim
from framefall.video import Scores, Video

Batches = Callable[[int], Generator[list[Clip], None, None]]  # clips of data, from a step on
Reward = Callable[[Video, str], float]  # what a clip `[1, channels, frames, height, width]` of a prompt is worth
# what clips that go on are worth besides, `[drafts, ...]`, beside the one that they were given frames of, `[1, ...]`
Likeness = Callable[[Video, Video], Sequence[float]]
TOGETHER = 8  # clips that are drawn at once
_TELLING = 0.01  # of worth from that of a clip like the others


@dataclass(frozen=True, kw_only=True)
class Reinforcement:
    """How a stage learns of what its own clips are worth."""

    sampling: Sampling = field(default_factory=Sampling)  # how drafts are made
    prompts: Annotated[int, within(1, 4096)] = 8  # of a round
    going_on: Share = 0.0  # of the prompts, and of the clips of data: the first frames of the clip are given besides
    given: Annotated[int, within(1, 4096)] = 3  # first frames
    drafts: Annotated[int, within(2, 1024)] = 8  # of a prompt, which are held against one another
    passes: Annotated[int, within(1, 64)] = 2  # each draft is learnt from so often, at other times and noise
    batch: Annotated[int, within(1, 65_536)] = 32  # drafts a step
    truths: Annotated[int, within(0, 65_536)] = 16  # clips of data beside them
    # what a clip shows is decided at much noise: drafts are learnt from at times from `least` on, of which t - least is
    # a share of what is left that is drawn as `times`
    least: Share = 0.5
    times: LogitNormal = field(default_factory=lambda: LogitNormal(mean=1.6, std=1.0, uniform_share=0.0))
    spread: Size = 1.5  # standard deviations of reward that are worth all (`negative_aware.worth`)
    beta: Size = 1.0
    optim: Optim = field(
        default_factory=lambda: Optim(kernels=True, muon_lr=0.002, adam_lr=1e-4, warmup_steps=20, cooldown=0.0)
    )
    save_every: Often = 5  # rounds between two checkpoints


@dataclass(frozen=True)
class Round(Stepped):
    """One round: `done` of 1 is how much of the budget is spent, `reward` the mean of its drafts' rewards."""

    stage: str
    step: int
    reward: float


def reinforce_stage(
    stage: Stage,
    settings: Reinforcement,
    asked: Batches,
    reward: Reward,
    budget: Budget,
    run_folder: Path,
    seed: int,
    identity: dict[str, Any],
    truths: Batches | None = None,
    strip: Callable[[Stage, int], None] | None = None,
    likeness: Likeness | None = None,
) -> Generator[Round | Note, None, tuple[int, list[float]]]:
    """Improves `stage` in place until the budget is spent; at the end its weights are the averaged ones.

    Returns how many rounds there have been over all sessions, and the mean rewards of this session's.

    `asked` are clips whose captions are the prompts of the rounds, `truths` those that are learnt beside drafts. A
    draft that goes on from frames is worth its `likeness` to their clip besides.
    Goes on from the newest whole checkpoint under `run_folder`, which is one of `identity`. Everything is drawn by the
    seed and the round, so that a run that goes on makes the bits of one that was never stopped. Raises `Diverged` where
    a loss or a gradient is no longer finite. Closed after a `Round`, it saves that round first.
    """
    if settings.going_on and (likeness is None or stage.task.known != "any"):
        raise ValueError(
            f"going_on must be 0 for a base that is not told frames, or without a likeness, got {settings.going_on}"
        )
    if settings.going_on and settings.given >= stage.config.shape.frames:
        raise ValueError(f"given must be below {stage.config.shape.frames} frames, got {settings.given}; try 3")
    network, state = stage.backbone.train(), resume.State()
    average = optim.AveragedWeights(network, settings.optim.ema_width)
    optimizers = optim.optimizers(network, settings.optim)
    run = resume.Run(network, average, optimizers, state, identity)
    damaged = resume.restore(run_folder / "checkpoints", run)
    before = replace(stage, backbone=deepcopy(network).eval())
    before.backbone.requires_grad_(False)
    began, kept, rewarded = time.monotonic(), state.step, list[float]()
    with (
        Journal(run_folder, state.step) as journal,
        closing(asked(state.step)) as questions,
        closing((truths or _none)(average.updates)) as data,
    ):
        for sentence in damaged:
            journal.write(state.step, note=sentence)
            yield Note(sentence)
        while (progress := budget.progress(state)) < 1.0:
            before.backbone.load_state_dict(average.tensors)
            key = Key(seed, f"reinforce/{stage.name}", str(state.step))
            questioned = next(questions)
            prompts = [prompt for prompt in _captions(questioned) for _ in range(settings.drafts)]
            known = _given(settings, questioned, stage, settings.drafts)
            made = drafts(before, prompts, settings.sampling, key, known)
            rewards = _rewards(reward, likeness, made, prompts, known, settings.drafts).view(-1, settings.drafts)
            optim.set_rates(optimizers, optim.rate(average.updates, progress, settings.optim))
            given = None if known is None else known.weights
            judged = _Judged(made, prompts, worth(rewards, settings.spread).view(-1), given)
            loss = _learn(run, stage, before, settings, judged, data, key)
            state.step += 1
            now = time.monotonic()
            state.minutes, began = state.minutes + (now - began) / 60, now
            mean = float(rewards.mean())
            rewarded.append(mean)
            journal.write(state.step, reward=mean, best=float(rewards.amax(1).mean()), loss=loss, drafts=len(prompts))
            if state.step % settings.save_every == 0:
                resume.save(run_folder / "checkpoints", run, 2)
                kept = state.step
                if strip:
                    before.backbone.load_state_dict(average.tensors)
                    strip(before, state.step)
            what = f"{stage.name}, round {state.step}, reward {mean:.3f}"
            try:
                yield Round(budget.progress(state), 1.0, what, stage.name, state.step, mean)
            except (GeneratorExit, KeyboardInterrupt):  # whoever stops it here loses no round
                if state.step > kept:
                    resume.save(run_folder / "checkpoints", run, 2)
                raise
        if state.step > kept:
            resume.save(run_folder / "checkpoints", run, 2)
    network.load_state_dict(average.tensors)
    network.eval()
    return state.step, rewarded


def drafts(stage: Stage, prompts: Sequence[str], sampling: Sampling, key: Key, known: Known | None = None) -> Video:
    """A clip of each prompt, each of its own noise, which is its place's among them; what is `known` is kept."""
    shape, parts = stage.config.shape, list[Tensor]()
    for first in range(0, len(prompts), TOGETHER):
        part = prompts[first : first + TOGETHER]
        condition = stage.condition(part, frames=shape.frames, fps=shape.fps)
        keys = [key.named(f"draft {first + place}") for place in range(len(part))]
        size, told = (shape.height, shape.width), known and known.of(slice(first, first + len(part)))
        *_, last = stage.sample(condition, None, size, range(shape.frames), keys, sampling, told)
        parts.append(last.x.float())
    return torch.cat(parts)


@dataclass(frozen=True)
class _Judged:
    """The drafts of a round, their prompts, and how far each is to be learnt."""

    made: Video
    prompts: Sequence[str | None]
    worth: Scores
    given: Mask | None = None  # 1 where a frame was given; None: nothing was
    truths: int = 0  # the last so many are clips of data

    def of(self, rows: Sequence[int]) -> "_Judged":
        """Some of them."""
        given = None if self.given is None else self.given[rows]
        return _Judged(self.made[rows], [self.prompts[one] for one in rows], self.worth[rows], given)

    def beside(self, clips: Sequence[Clip], stage: Stage, settings: Reinforcement) -> "_Judged":
        """The same with clips of data."""
        if not clips:
            return self
        truth, _ = stage.task.example(objective.stack(clips, stage.device))
        prompts = [*self.prompts, *(clip.caption for clip in clips)]
        worth = torch.cat([self.worth, torch.ones(len(clips))])
        known = _given(settings, clips, stage)
        given = self.given if self.given is None or known is None else torch.cat([self.given, known.weights])
        return _Judged(torch.cat([self.made, truth]), prompts, worth, given, len(clips))


def _given(settings: Reinforcement, clips: Sequence[Clip], stage: Stage, times: int = 1) -> Known | None:
    """Clips, each so many times, of which the first frames of some are known, and nothing of the others; None: no clip
    of any round goes on.
    """
    if not settings.going_on:
        return None
    some = round(settings.going_on * len(clips))
    video, _ = stage.task.example(objective.stack(clips, stage.device))
    counts = torch.tensor([settings.given] * some + [0] * (len(clips) - some), device=stage.device)
    video, counts = video.repeat_interleave(times, dim=0), counts.repeat_interleave(times)
    mask = first_frames(video, counts)[..., :1, :1]
    return Known(video=video, mask=mask, fps=stage.config.shape.fps)


def _none(step: int) -> Generator[list[Clip], None, None]:
    """No clips of data."""
    yield from ()


def _captions(clips: Sequence[Clip]) -> list[str]:
    """What is asked for: what somebody said of clips."""
    found = [clip.caption for clip in clips if clip.caption]
    if len(found) < len(clips):
        raise ValueError(
            f"clips must have captions, which are asked for; {len(clips) - len(found)} of {len(clips)} have none"
        )
    return found


def _rewards(
    reward: Reward, likeness: Likeness | None, made: Video, prompts: Sequence[str], known: Known | None, drafts: int
) -> Tensor:
    """What each draft is worth; a `ValueError` where that is no number."""
    found = [float(reward(one, prompt)) for one, prompt in zip(made.split(1), prompts, strict=True)]
    if likeness is not None and known is not None:
        going_on = int((known.weights.amax(dim=(1, 2, 3, 4)) > 0).sum())  # which are the first ones
        for first in range(0, going_on, drafts):
            like = likeness(made[first : first + drafts], known.video[first : first + 1])
            for place, one in zip(range(first, first + drafts), like, strict=True):
                found[place] += float(one)
    for prompt, one in zip(prompts, found, strict=True):
        if not math.isfinite(one):
            raise ValueError(f"a reward must be a finite number, got {one} for a clip of {prompt!r}")
    return torch.tensor(found)


def _learn(
    run: resume.Run,
    stage: Stage,
    before: Stage,
    settings: Reinforcement,
    judged: _Judged,
    data: Iterator[list[Clip]],
    key: Key,
) -> float:
    """One round's steps; gives their mean loss."""
    losses = []
    # what is as good as the others has no gradient but rounding, of which AdamW would make whole steps
    telling = ((judged.worth - 0.5).abs() > _TELLING).nonzero()[:, 0].tolist()
    for turn in range(settings.passes):
        order = sorted(telling, key=lambda one: key.named("order").uniform(turn, one))
        for first in range(0, len(order), settings.batch):
            rows = order[first : first + settings.batch]
            some = judged.of(rows).beside(next(data, ()), stage, settings)
            keys = [key.named(f"{turn}/{first}/{place}") for place in range(len(some.prompts))]
            loss = _loss(stage, before, settings, some, keys)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(stage.backbone.parameters(), settings.optim.clip_norm)
            value = float(loss.detach())
            if not (math.isfinite(value) and math.isfinite(float(norm))):
                raise Diverged(f"a step of {stage.name} was not finite; begin again at lower learning rates")
            for one in run.optimizers:
                one.step()
                one.zero_grad(set_to_none=True)
            run.average.update(stage.backbone)
            losses.append(value)
    return sum(losses) / max(1, len(losses))


def _loss(stage: Stage, before: Stage, settings: Reinforcement, judged: _Judged, keys: Sequence[Key]) -> Tensor:
    """The mean loss of some drafts, each at a time and with noise of its key."""
    shape, x0 = stage.config.shape, stage.codec.encode(judged.made)
    t, until = (times.to(x0) for times in _times(stage, settings, keys, judged.truths))
    noise = normal([key.named("noise") for key in keys], x0.shape[1:]).to(x0)
    told = None if judged.given is None else Known(video=judged.made, mask=judged.given, fps=shape.fps)
    known = stage.codec.conditioning(stage.task.conditioning(None, shape.frames, known=told))
    condition = stage.condition(judged.prompts, frames=shape.frames, fps=shape.fps)
    condition = stage.conditioned(condition, known, torch.zeros(len(keys), device=x0.device))
    x_t, t = known.applied(stage.process.add_noise(x0, stage.endpoint(noise, known), t), t, stage.process)
    if known.levels is not None:
        until = torch.where(known.levels.isfinite(), 0.0, until[:, None])  # of frames that are given
    condition = _asked(stage, settings, condition, until, judged.truths)
    with autocast(stage.device):
        now = stage.x0(x_t, t, condition)  # first: autocast remembers weights that were cast without a gradient
        with torch.no_grad():
            then = before.x0(x_t, t, condition)
    if known.known is not None:
        now, then = known.known.kept(now), known.known.kept(then)
    return negative_aware_loss(now, then, x0, judged.worth.to(x0), settings.beta).mean()


def _times(stage: Stage, settings: Reinforcement, keys: Sequence[Key], truths: int) -> tuple[Tensor, Tensor]:
    """Where each clip is learnt, and where the step from there leads.

    A flow map learns of its drafts in the steps by which they were made, since its other steps are other functions; of
    data, the last `truths`, it learns as the denoiser that it is where a step leads nowhere.
    """
    share = torch.tensor([settings.times.draw(key.named("time")) for key in keys])
    t = settings.least + (1.0 - settings.least) * share
    until = t.clone()
    if stage.config.backbone.flow_map:
        grid = settings.sampling.times().float()
        steps = int((grid[:-1] >= settings.least).sum())
        for place, key in enumerate(keys[: len(keys) - truths]):
            step = key.named("step").integer(steps)
            t[place], until[place] = grid[step], grid[step + 1]
    return t, until


def _asked(stage: Stage, settings: Reinforcement, condition: Condition, until: Tensor, truths: int) -> Condition:
    """The condition with what a distilled network is told besides; data are as they are, without guidance."""
    network = stage.config.backbone
    if network.flow_map:
        condition = replace(condition, until=until)
    if network.baked_guidance is not None:
        scale = until.new_full((len(until),), settings.sampling.guidance.scale)
        scale[len(scale) - truths :] = max(1.0, network.baked_guidance[0])
        condition = replace(condition, guidance_scale=scale)
    return condition
