"""What a student learns of its teacher."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from examples import examples
from framefall.cascade.conditioning import Conditioning
from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import Sampling, StageConfig
from framefall.cascade.tasks import Base
from framefall.data import loader
from framefall.data.clip import Clip
from framefall.data.folder import Folder
from framefall.diffusion.guidance_config import Guidance
from framefall.diffusion.times import grid
from framefall.models.backbone import Backbone, Condition
from framefall.models.experts import ExpertsConfig
from framefall.models.transformer import TransformerConfig
from framefall.models.unet import UNetConfig
from framefall.noise import Key
from framefall.train.distillation import LOSSES, converted, flow_map_loss, span, student, taught
from framefall.train.known import KnownShares
from framefall.train.loop import Budget, TrainingStep, initial, train_stage
from framefall.train.objective import example, window
from framefall.train.recipe import Distillation, Optim, Recipe, StageRecipe
from framefall.video import VideoShape

CPU = torch.device("cpu")
GUIDED = Sampling(steps=16, sampler="euler", guidance=Guidance(scale=2.5), shift=3.0)


def shaken(part: StageRecipe, name: str = "base") -> Stage:
    """A stage no weight of which is zero, as after training."""
    stage, generator = initial(name, part, 0, CPU), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in stage.backbone.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return stage


def any_frames(recipe: Recipe) -> StageRecipe:
    """The toy base that can be told any frames."""
    part = recipe.stages["base"]
    backbone = replace(part.stage.backbone, low_res_channels=4, patch=(1, 4, 4))
    return replace(part, stage=replace(part.stage, task=Base(known="any"), backbone=backbone))


def distilling(part: StageRecipe, method: str = "flow_map", **changes: object) -> StageRecipe:
    """How its student is trained."""
    steps = 8 if method == "flow_map" else 2
    settings = Distillation(**{"method": method, "sampling": GUIDED, "steps": steps, "ramp_steps": 4, **changes})
    return replace(part, stage=student(part.stage, settings), distillation=settings)


def batch(part: StageRecipe, folder: Folder) -> list[Clip]:
    return next(loader.batches(folder, window(part), batch=4, seed=0))


# the student before its first step


def experts(recipe: Recipe) -> StageRecipe:
    """The base with a U-Net at little noise."""
    base = recipe.stages["base"]
    noisy = base.stage.backbone
    clean = UNetConfig(dim=32, multipliers=(1,), blocks=(1,), unshuffle=2, text_dim=noisy.text_dim, words=noisy.words)
    return replace(base, stage=replace(base.stage, backbone=ExpertsConfig(noisy=noisy, clean=clean)))


@pytest.mark.parametrize("kind", [lambda recipe: recipe.stages["base"], any_frames, experts])
def test_a_converted_network_is_its_teacher_to_the_bit_wherever_a_step_goes(
    kind: Callable[[Recipe], StageRecipe], recipe: Recipe, folder: Folder
) -> None:
    part = kind(recipe)
    teacher, made = shaken(part), converted(shaken(part), distilling(part), 0)
    drawn = example(teacher, replace(part, known=KnownShares(frames=1, region=0, levels=0)), batch(part, folder), 0, 0)
    x_t = teacher.process.add_noise(drawn.x0, drawn.endpoint, drawn.t)
    with torch.no_grad():
        expected = teacher.x0(x_t, drawn.t, drawn.condition)
        for until in (drawn.t, 0.3 * drawn.t, torch.zeros(4)):
            told = replace(drawn.condition, until=until, guidance_scale=torch.tensor([1.0, 2.0, 3.0, 4.0]))
            assert torch.equal(made.x0(x_t, drawn.t, told), expected)
        shaken_on = shaken(distilling(part))  # the control: embeddings that do not begin at zero
        shaken_on.backbone.load_state_dict(teacher.backbone.state_dict(), strict=False)
        assert not torch.equal(shaken_on.x0(x_t, drawn.t, replace(drawn.condition, until=drawn.t * 0)), expected)


def test_a_student_takes_what_its_method_tells_and_samples_in_few_steps(recipe: Recipe) -> None:
    config = recipe.stages["base"].stage
    made = distilling(recipe.stages["base"]).stage
    assert made.backbone.flow_map and made.backbone.baked_guidance == (1.0, 4.0)
    assert (made.fast.steps, made.fast.sampler, made.fast.guidance.scale, made.fast.shift) == (4, "euler", 2.5, 3.0)
    assert made.best == replace(made.fast, steps=16)
    classic = distilling(recipe.stages["base"], "progressive").stage
    assert not classic.backbone.flow_map and classic.fast == classic.best and classic.fast.steps == 2
    strong = Distillation(sampling=replace(GUIDED, guidance=Guidance(scale=7.0)))
    assert student(config, strong).backbone.baked_guidance == (1.0, 7.0)
    with pytest.raises(ValueError, match=r"transformer or a U-Net, .* kind='convnet'; take --method progressive"):
        student(recipe.stages["spatial_sr"].stage, Distillation())
    by_itself = student(recipe.stages["spatial_sr"].stage, Distillation(method="progressive", sampling=GUIDED))
    assert by_itself.fast.guidance.scale == 1.0 and by_itself.backbone == recipe.stages["spatial_sr"].stage.backbone


# what is learnt

COUNT = examples(2000, 4000)


def test_steps_to_be_learnt_are_those_of_the_grids_and_grow() -> None:
    settings = Distillation(sampling=GUIDED, steps=32, ramp_steps=100)
    late = [span(Key(0, "clip", str(index)), settings, 100) for index in range(COUNT)]
    assert [span(Key(0, "clip", str(index)), settings, 100) for index in range(50)] == late[:50]
    assert all(0 <= one.until <= one.middle <= one.t <= 1 for one in late)
    shares = [sum(one.short for one in late) / COUNT, sum(one.until == 0 and not one.short for one in late) / COUNT]
    assert abs(shares[0] - 0.36) < 0.03 and shares[1] > 0.1
    found = {(round(one.t, 6), round(one.until, 6)) for one in late}
    for steps in (1, 2, 4, 8, 16):  # every step that the sampler takes is among them, and so are its halves
        times, halves = grid(steps, 3.0).tolist(), grid(2 * steps, 3.0).tolist()
        for index in range(steps):
            assert (round(times[index], 6), round(times[index + 1], 6)) in found
        whole = [one for one in late if (one.t, one.until) == pytest.approx((times[0], times[1]), abs=1e-9)]
        assert whole and all(one.middle == pytest.approx(halves[1], abs=1e-9) for one in whole)
    assert any(one.t == 1.0 and one.short for one in late)  # pure noise is asked of the teacher too

    def even(t: float) -> float:  # undoes the bend
        return t / (3.0 - 2.0 * t)

    lengths = [
        max(
            even(one.t) - even(one.until)
            for one in (span(Key(0, "clip", str(index)), settings, at) for index in range(500))
        )
        for at in (0, 50, 100)
    ]
    assert lengths[0] <= 2 / 32 + 1e-9 < lengths[1] < 0.3 and lengths[2] == pytest.approx(1.0)


@pytest.mark.parametrize("method", LOSSES)
def test_a_loss_is_a_pure_function_and_its_gradient_reaches_every_weight(
    method: str, recipe: Recipe, folder: Folder
) -> None:
    part = any_frames(recipe)
    own = distilling(part, method)
    loss, made, every = LOSSES[method](shaken(part)), shaken(own), batch(part, folder)
    clips = every[:2]
    torch.manual_seed(1)
    first = loss(made, own, clips, 0, 7)
    torch.manual_seed(2)
    assert torch.equal(loss(made, own, clips, 0, 7), first) and first.isfinite().all()
    assert not torch.equal(loss(made, own, clips, 0, 8), first)
    alone = torch.cat([loss(made, own, [clip], 0, 7) for clip in clips])
    torch.testing.assert_close(alone, first, rtol=1e-4, atol=1e-6)  # kernels sum in another order
    with torch.autocast("cpu", torch.bfloat16):  # which remembers weights that were cast without a gradient
        sum(loss(made, own, every, 0, step).sum() for step in range(2)).backward()
    silent = {name for name, one in made.backbone.named_parameters() if one.grad is None or not one.grad.any()}
    doubt = {name for name, _ in made.backbone.named_parameters() if name.startswith("low_res_noise")}
    assert silent == doubt  # which a base is never told


def test_what_is_given_is_not_learnt_and_its_time_is_0(recipe: Recipe, folder: Folder, monkeypatch) -> None:
    part = replace(any_frames(recipe), known=KnownShares(frames=1.0, region=0.0, levels=0.0))
    own = distilling(part, instants=0.0, free=0.0)
    made, clips, seen = shaken(own), batch(part, folder), []
    real = Stage.x0

    def spy(self: Stage, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        seen.append((x_t, t, condition.until, condition.low_res[:, 3:]))
        return real(self, x_t, t, condition) + 100.0 * condition.low_res[:, 3:]  # nonsense in what was given

    monkeypatch.setattr(Stage, "x0", spy)
    assert (flow_map_loss(shaken(part))(made, own, clips, 0, 99) < 10).all()
    assert len(seen) == 3  # the student's, and its two halves
    for x_t, t, until, mask in seen:
        assert torch.equal(t == 0, mask[:, 0, :, 0, 0] == 1) and (until <= t).all()
        torch.testing.assert_close(x_t * mask, example(made, own, clips, 0, 99).x0 * mask)


def test_the_teacher_is_guided_as_it_is_sampled(recipe: Recipe, folder: Folder) -> None:
    part = recipe.stages["base"]
    teacher, clips = shaken(part), [replace(clip, caption="a ball") for clip in batch(part, folder)]
    drawn = example(teacher, replace(part, text_dropout=0.0), clips, 0, 0)
    t = torch.tensor([0.5, 0.95, 0.5, 0.5])  # the second is outside of the interval
    scale = torch.tensor([2.5, 2.5, 1.0, 4.0])
    with torch.no_grad():
        found = taught(teacher, drawn.x0, t, drawn.condition, scale, GUIDED)
        for index in range(4):
            at = slice(index, index + 1)
            told = teacher.condition(
                ["a ball"], frames=8, fps=torch.tensor([clips[index].fps]), text_dtype=torch.bfloat16
            )
            ways = replace(GUIDED, guidance=Guidance(scale=float(scale[index])))
            denoise = teacher.denoiser(told, Conditioning(), ways)
            torch.testing.assert_close(found[at], denoise(drawn.x0[at], t[at]), rtol=0.02, atol=0.02)  # bfloat16
        plain = teacher.x0(drawn.x0, t, drawn.condition)
    torch.testing.assert_close(found[1:3], plain[1:3])
    assert not torch.allclose(found[0], plain[0], atol=1e-3)  # the control: guidance does something here


# data of two pictures: the best denoiser is known, and a single step of it is their mean

PICTURE = np.where(np.indices((8, 8)).sum(0) % 2, 200, 55).astype(np.uint8)
TWO = [
    Clip(np.broadcast_to(one, (3, 2, 8, 8)).copy(), None, None, 6.0, f"{number}-{copy}")
    for copy in range(4)
    for number, one in enumerate((PICTURE, 255 - PICTURE))
]


class Best(Backbone):
    """The denoiser of least error of the two pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.picture = torch.from_numpy(PICTURE).float() / 127.5 - 1

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        t = t.clamp_min(1e-3)[:, None, None, None, None]
        likely = ((1 - t) * x_t * self.picture).sum((1, 2, 3, 4), keepdim=True) / t.square()
        return torch.tanh(likely) * self.picture.expand_as(x_t)


def two_pictures(method: str, **changes: object) -> tuple[Stage, StageRecipe]:
    """The teacher, and how a tiny student learns of it."""
    network = TransformerConfig(dim=32, depth=2, heads=1, patch=(2, 8, 8), bottleneck=32)
    ways = Sampling(steps=16, sampler="euler")
    config = StageConfig(task=Base(), shape=VideoShape(frames=2, height=8, width=8), backbone=network, best=ways)
    settings = Distillation(**{"method": method, "sampling": ways, "steps": 16, "ramp_steps": 100, **changes})
    part = StageRecipe(stage=student(config, settings), flip=False, optim=Optim(), distillation=settings)
    return Stage(name="base", config=config, backbone=Best()), part


def misses(stage: Stage, steps: int) -> float:
    """How far samples of so many steps are from the nearer of the two pictures."""
    keys = [Key(1, "sample", str(index)) for index in range(16)]
    told = stage.condition([None] * 16, frames=2, fps=6.0)
    ways = Sampling(steps=steps, sampler="euler")
    *_, last = stage.sample(told, None, (8, 8), range(2), keys, ways)
    picture = Best().picture
    off = torch.stack([(last.x.float() - sign * picture).square().mean((1, 2, 3, 4)) for sign in (1, -1)])
    return math.sqrt(float(off.amin(0).mean()))


def learn(teacher: Stage, part: StageRecipe, steps: int) -> Stage:
    made = initial("base", part, 0, CPU)
    loss, network = LOSSES[part.distillation.method](teacher), made.backbone  # type: ignore[union-attr]
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for step in range(steps):
        optimizer.zero_grad()
        loss(made, part, TWO, 0, step).mean().backward()
        optimizer.step()
    network.eval()
    return made


@pytest.mark.slow  # the method that halves them is tried below
def test_one_step_of_a_tiny_student_does_what_many_of_its_teacher_do() -> None:
    teacher, part = two_pictures("flow_map")
    assert misses(teacher, 16) < 0.05 and misses(teacher, 1) > 0.4  # a step of the teacher is the mean of both pictures
    made = learn(teacher, part, 150)
    assert misses(made, 1) < 0.15 and misses(made, 2) < 0.1 and misses(made, 4) < 0.1
    _, alone = two_pictures("flow_map", instants=1.0, free=0.0)
    assert misses(learn(teacher, alone, 60), 1) > 0.3  # the control: all that the teacher says, and no long step


def test_halving_the_teachers_steps_does_it_too() -> None:
    teacher, part = two_pictures("progressive", steps=2)
    assert misses(teacher, 4) < 0.05 and misses(teacher, 2) > 0.15
    assert misses(learn(teacher, part, 100), 2) < 0.1  # as the four steps that it was taught


# through the loop


@pytest.mark.parametrize("method", [*LOSSES][: examples(1, len(LOSSES))])
def test_a_resumed_distillation_equals_an_unbroken_one_to_the_bit(
    method: str, recipe: Recipe, folder: Folder, tmp_path: Path
) -> None:
    part = recipe.stages["base"]
    own = distilling(part, method)
    whole = replace(recipe, stages={"base": own})

    def run(where: Path, stop: int | None = None, teacher_seed: float = 0.0) -> dict[str, Tensor]:
        teacher = shaken(part)
        made = converted(teacher, own, 0)
        events = train_stage(made, whole, folder, Budget(steps=3), where, loss=LOSSES[method](teacher))
        for event in events:
            if isinstance(event, TrainingStep) and event.step == stop:
                events.close()
        return made.backbone.state_dict()

    run(tmp_path / "broken", stop=2)
    resumed, unbroken = run(tmp_path / "broken"), run(tmp_path / "whole")
    assert all(torch.equal(resumed[name], unbroken[name]) for name in unbroken)
    start = converted(shaken(part), own, 0).backbone.state_dict()
    assert not all(torch.equal(start[name], unbroken[name]) for name in unbroken)  # the control: it has learnt
    other = replace(whole, stages={"base": replace(own, distillation=replace(own.distillation, teacher="another"))})
    with pytest.raises(ValueError, match="belongs to another run"):
        list(train_stage(converted(shaken(part), own, 0), other, folder, Budget(steps=6), tmp_path / "whole"))
