"""A stage that learns few steps of a teacher: the losses of flow maps and of progressive distillation.

The examples are those of training (`objective.example`); what is learnt of them is what the teacher does, guidance
included, so that a step of the student is one call. Targets are the teacher's or the student's own, without gradient.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import Sampling, StageConfig
from framefall.data.clip import Clip
from framefall.diffusion.flow_map import adaptive, joined, split_target
from framefall.diffusion.flow_map import step as jump
from framefall.diffusion.guidance import guided
from framefall.diffusion.loss import denoising_loss
from framefall.diffusion.samplers import Denoise
from framefall.diffusion.times import shifted
from framefall.models.backbone import Condition
from framefall.models.experts import TELLABLE, retold
from framefall.noise import Key
from framefall.train.held_out import Loss
from framefall.train.loop import initial
from framefall.train.objective import Example, example
from framefall.train.recipe import Distillation, StageRecipe
from framefall.video import Scores, Time, Video

SCALES = (1.0, 4.0)  # of guidance, which a student takes as an input


def student(config: StageConfig, settings: Distillation) -> StageConfig:
    """The config of what a stage is distilled into: a network that takes what the method tells it; few steps.

    Raises `ValueError` for a network that cannot be told, where the method needs it.
    """
    backbone, taught = config.backbone, settings.sampling
    if settings.method == "flow_map" and not isinstance(backbone, TELLABLE):
        raise ValueError(
            "flow_map needs a transformer or a U-Net, which can be told where a step goes;"
            f" this stage has kind={backbone.kind!r}; take --method progressive"
        )
    scale = 1.0  # what is guided by a fixed scale is so by itself afterwards
    if isinstance(backbone, TELLABLE):
        scales = backbone.baked_guidance
        if backbone.text_dim or backbone.numbers:
            low, high = scales or SCALES
            scales = min(low, taught.guidance.scale), max(high, taught.guidance.scale)
            scale = taught.guidance.scale
        told = backbone.flow_map or settings.method == "flow_map"
        backbone = retold(backbone, flow_map=told, baked_guidance=scales)
    fast, best = (4, 16) if settings.method == "flow_map" else (settings.steps, settings.steps)
    few = replace(taught, sampler="euler", guidance=replace(taught.guidance, scale=scale))
    return replace(config, backbone=backbone, fast=replace(few, steps=fast), best=replace(few, steps=best))


def converted(teacher: Stage, recipe: StageRecipe, seed: int) -> Stage:
    """The student before its first step: to the bit what the teacher is, whatever else its network is told."""
    fresh = initial(teacher.name, recipe, seed, teacher.device)
    weights = fresh.backbone.state_dict() | teacher.backbone.state_dict()
    fresh.backbone.load_state_dict(weights)
    return replace(fresh, codec=teacher.codec)


@dataclass(frozen=True)
class Span:
    """A step to be learnt: from t over `middle` to `until`; of the teacher alone where `short`."""

    t: float
    middle: float
    until: float
    short: bool


def span(key: Key, settings: Distillation, step: int) -> Span:
    """The step that a clip learns, as a pure function of its key; they grow longer up to `ramp_steps`.

    Times are even before they are bent as the sampling grid is: on grids of 1, 2, 4, ... steps, between any two
    times, or not longer than a step of the teacher. A step below 0 is one of measuring, where all lengths are drawn.
    """
    kind, place, size, short = key.named("kind").uniform(), *(key.named("span").uniform(draw) for draw in range(3))
    shortest = 1.0 / settings.steps
    begun = 1.0 if step < 0 or not settings.ramp_steps else min(1.0, step / settings.ramp_steps)
    longest = max(2 * shortest, shortest ** (1.0 - begun))
    if kind < settings.instants:
        if short < 0.5:
            return _bent(place, place, settings, True)
        first = 1.0 - int(place * settings.steps) * shortest
        return _bent(first, first - shortest, settings, True)
    if kind < settings.instants + settings.free:
        until = 0.0 if short < 0.5 else place * size
        return _bent(place, max(until, place - longest), settings, place - until <= shortest)
    grids = [steps for steps in _halved(settings.steps) if steps * longest >= 1.0 - 1e-9]
    steps = grids[int(size * len(grids))]
    first = 1.0 - int(place * steps) / steps
    return _bent(first, first - 1.0 / steps, settings, False)


def flow_map_loss(teacher: Stage) -> Loss:
    """Each clip's loss as a flow map of the teacher's guided path, by halves of its own (`flow_map.split_target`)."""

    def loss(stage: Stage, recipe: StageRecipe, clips: Sequence[Clip], seed: int, step: int) -> Scores:
        settings, drawn = _settings(recipe), example(stage, recipe, clips, seed, step)
        drawn, scale = _guided(drawn, stage, settings)
        spans = [span(key.named("distil"), settings, step) for key in drawn.keys]
        t, middle, until, apart = _times(spans, drawn)
        short = apart | torch.tensor([one.short for one in spans], device=stage.device)
        x_t = stage.process.add_noise(drawn.x0, drawn.endpoint, t)
        # first what has a gradient: autocast remembers weights that were cast without one, and would use them here
        x0 = stage.x0(x_t, t, replace(drawn.condition, until=until))
        target = torch.empty_like(x0)
        with torch.no_grad():
            if short.any():
                told = _some(drawn.condition, short)
                target[short] = taught(teacher, x_t[short], t[short], told, scale[short], settings.sampling)
            if not short.all():
                rest = ~short
                told, known = _some(drawn.condition, rest), None if drawn.counts is None else drawn.counts[rest]

                def map_(x: Video, here: Time, there: Time) -> Video:
                    made = stage.x0(x, here, replace(told, until=there))
                    return made if known is None else torch.where(known > 0, made, drawn.x0[rest])

                target[rest] = split_target(map_, x_t[rest], t[rest], middle[rest], until[rest], stage.process)
        losses = denoising_loss(x0, target, t, stage.process, stage.config.loss, counts=drawn.counts)
        return adaptive(losses, settings.power)

    return loss


def progressive_loss(teacher: Stage) -> Loss:
    """Each clip's loss of one of `steps` steps against two of the teacher's (Salimans and Ho 2022)."""

    def loss(stage: Stage, recipe: StageRecipe, clips: Sequence[Clip], seed: int, step: int) -> Scores:
        settings, drawn = _settings(recipe), example(stage, recipe, clips, seed, step)
        drawn, scale = _guided(drawn, stage, settings)
        spans = []
        for key in drawn.keys:
            first = 1.0 - key.named("distil").integer(settings.steps) / settings.steps
            spans.append(_bent(first, first - 1.0 / settings.steps, settings, False))
        t, middle, until, _ = _times(spans, drawn)
        x_t = stage.process.add_noise(drawn.x0, drawn.endpoint, t)
        x0 = stage.x0(x_t, t, drawn.condition)
        with torch.no_grad():
            first_half = taught(teacher, x_t, t, drawn.condition, scale, settings.sampling)
            if drawn.counts is not None:
                first_half = torch.where(drawn.counts > 0, first_half, drawn.x0)
            x_middle = jump(x_t, first_half, t, middle, stage.process)
            second_half = taught(teacher, x_middle, middle, drawn.condition, scale, settings.sampling)
            target = joined(first_half, second_half, t, middle, until, stage.process)
        return denoising_loss(x0, target, t, stage.process, stage.config.loss, counts=drawn.counts)

    return loss


LOSSES = {"flow_map": flow_map_loss, "progressive": progressive_loss}


def taught(teacher: Stage, x_t: Video, t: Time, condition: Condition, scale: Scores, sampling: Sampling) -> Video:
    """What the teacher believes with guidance, as it is sampled; each clip with its own scale."""
    if teacher.config.backbone.baked_guidance is not None:
        return teacher.x0(x_t, t, replace(condition, guidance_scale=scale))
    strong = teacher.x0(x_t, t, condition)
    if not (teacher.config.backbone.text_dim or teacher.config.backbone.numbers):
        return strong
    level = t if t.ndim == 1 else t.amax(1)  # of frames that are to be made
    low, high = sampling.guidance.interval
    inside = (level >= low) & (level <= high) & (scale != 1.0)
    if not inside.any():
        return strong
    weak = teacher.x0(x_t[inside], t[inside], _some(condition, inside).without_text())
    strong = strong.clone()
    for index, other in zip(inside.nonzero()[:, 0].tolist(), weak, strict=True):
        one = slice(index, index + 1)
        guide = guided(
            _always(strong[one].clone()),
            _always(other[None]),
            scale=float(scale[index]),
            interval=sampling.guidance.interval,
            rescale=sampling.guidance.rescale,
        )
        strong[one] = guide(x_t[one], level[one])
    return strong


def _settings(recipe: StageRecipe) -> Distillation:
    assert recipe.distillation is not None
    return recipe.distillation


def _guided(drawn: Example, stage: Stage, settings: Distillation) -> tuple[Example, Scores]:
    """The example with a guidance scale a clip, as far as the network takes it; and the scales."""
    scales, usual = stage.config.backbone.baked_guidance, settings.sampling.guidance.scale
    if scales is None:
        return drawn, torch.full((len(drawn.keys),), usual, device=stage.device)
    values = []
    for key in drawn.keys:
        part, place = (key.named("guidance").uniform(draw) for draw in range(2))
        values.append(usual if part < settings.usual_scale else scales[0] + place * (scales[1] - scales[0]))
    scale = torch.tensor(values, device=stage.device)
    return replace(drawn, condition=replace(drawn.condition, guidance_scale=scale)), scale


def _times(spans: Sequence[Span], drawn: Example) -> tuple[Time, Time, Time, Tensor]:
    """The spans' times, one a clip; where frames have their own, 0 of those that are given.

    A clip whose frames have all their own times keeps them, and stands still: the last answer says which do.
    """
    like = drawn.t
    t, middle, until = (
        torch.tensor([getattr(one, name) for one in spans], device=like.device, dtype=torch.float32)
        for name in ("t", "middle", "until")
    )
    if like.ndim == 1:
        return t, middle, until, torch.zeros(len(spans), dtype=torch.bool, device=like.device)
    top = like.amax(1, keepdim=True)
    apart = ((like > 0) & (like < top)).any(1)
    moving = (like > 0).float()
    times = [torch.where(apart[:, None], like, one[:, None] * moving) for one in (t, middle, until)]
    return times[0], times[1], times[2], apart


def _bent(first: float, until: float, settings: Distillation, short: bool) -> Span:
    """A span of even times as one of the sampling grid's."""
    even = torch.tensor([first, (first + until) / 2, until], dtype=torch.float64).clamp(0.0, 1.0)
    t, middle, end = shifted(even, settings.sampling.shift).tolist()
    return Span(t, middle, end, short)


def _halved(steps: int) -> list[int]:
    """The grids coarser than one of `steps`: half of it, a quarter, ... 1."""
    found = []
    while steps > 1:
        steps //= 2
        found.append(steps)
    return found


def _some(condition: Condition, chosen: Tensor) -> Condition:
    """The condition of some of the clips."""
    values = {field.name: getattr(condition, field.name) for field in fields(condition)}
    return replace(condition, **{name: value[chosen] for name, value in values.items() if value is not None})


def _always(x0: Video) -> Denoise:
    return lambda x_t, t: x0
