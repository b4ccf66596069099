"""How an autoencoder learns to compress the clips that its stage is trained on."""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor

from framefall.cascade.stage import Stage
from framefall.cascade.tasks import Base
from framefall.data import loader
from framefall.data.clip import Clip
from framefall.data.folder import Folder
from framefall.data.window import Window
from framefall.models.autoencoder import AutoencoderConfig
from framefall.train import objective
from framefall.train.loop import Budget, initial
from framefall.train.objective import stack, window
from framefall.train.recipe import Optim, Recipe, StageRecipe
from framefall.train.reconstruction import Compressor, distance, loss, train_autoencoder

CPU = torch.device("cpu")


@dataclass(frozen=True)
class OneClip:
    """A source of nothing but one clip."""

    only: Clip
    fingerprint: str = "one clip"
    names: tuple[str, ...] = ("one clip",)
    store: None = None

    def clip(self, position: int) -> Clip:
        return self.only

    def split(self, name: Literal["train", "validation", "all"]) -> "OneClip":
        return self

    def streams(self, window: Window, seed: int) -> tuple["OneClip", None]:
        return self, None

    def validation(self, window: Window, count: int, seed: int) -> list[Clip]:
        return [self.only] * count


@pytest.fixture(scope="module")
def latent(recipe: Recipe) -> Recipe:
    """The toy base stage on latents of a fourth of the pixels along each side, and of half the frames."""
    part = recipe.stages["base"]
    small = AutoencoderConfig(latent_channels=8, dim=16, depth=1, space=4, time=2)
    backbone = replace(part.stage.backbone, channels=8, patch=(1, 2, 2))
    part = replace(
        part, batch=2, optim=Optim(warmup_steps=10), stage=replace(part.stage, latent=small, backbone=backbone)
    )
    return replace(recipe, stages={"base": part})


def fresh(latent: Recipe) -> tuple[Stage, StageRecipe]:
    return initial("base", latent.stages["base"], latent.seed, CPU), latent.stages["base"]


def psnr(stage: Stage, video: Tensor) -> float:
    with torch.no_grad():
        made = stage.codec.autoencoder.decode(stage.codec.encode(video), *video.shape[2:])
    return -10 * math.log10(float((made - video).square().mean()) / 4)


@pytest.mark.slow
def test_a_miniature_learns_one_clip_by_heart(latent: Recipe, folder: Folder, tmp_path: Path) -> None:
    stage, part = fresh(replace(latent, stages={"base": replace(latent.stages["base"], batch=1)}))
    clip = loader.validation(folder, window(part), 1, 0)[0]
    video = stack([clip], CPU)
    before = psnr(stage, video)
    recipe = replace(latent, stages={"base": replace(part, batch=1)}, save_every=1000)
    for step in train_autoencoder(stage, recipe, OneClip(clip), Budget(steps=100), tmp_path):
        assert step.stage == "base.autoencoder"
    assert before < 27  # a plain codec: 22.5 on this clip
    assert psnr(stage, video) > max(32, before + 7)  # 36 where this was written


@pytest.mark.slow  # `test_resume.py` interrupts a stage, `whole/test_latent.py` a run within its autoencoder
def test_an_interrupted_run_ends_with_the_same_bits(latent: Recipe, folder: Folder, tmp_path: Path) -> None:
    def run(where: Path, stop: int | None) -> dict[str, Tensor]:
        for until in (stop, None) if stop else (None,):
            stage, _ = fresh(latent)
            events = train_autoencoder(stage, latent, folder, Budget(steps=4), where)
            for step in events:
                if step.step == until:
                    events.close()
        return stage.codec.autoencoder.state_dict()

    whole, broken = run(tmp_path / "whole", None), run(tmp_path / "broken", 2)
    assert all(torch.equal(broken[name], tensor) for name, tensor in whole.items())
    untrained = fresh(latent)[0].codec.autoencoder.state_dict()
    assert not any(
        torch.equal(untrained[name], whole[name]) for name in ("latents_mean", "latents_std", "decoder.shortcut.weight")
    )
    assert len((tmp_path / "whole" / "log.jsonl").read_text().splitlines()) == 4
    assert all(json.loads(line)["loss"] > 0 for line in (tmp_path / "broken" / "log.jsonl").read_text().splitlines())


def test_afterwards_its_latents_have_unit_scale_and_it_learns_no_more(
    latent: Recipe, folder: Folder, tmp_path: Path
) -> None:
    stage, part = fresh(latent)
    for _ in train_autoencoder(stage, latent, folder, Budget(steps=2), tmp_path):
        pass
    assert not any(parameter.requires_grad for parameter in stage.codec.autoencoder.parameters())
    clips = [clip for _, clip in zip(range(16), _clips(folder, part), strict=False)]
    codes = stage.codec.encode(stack(clips, CPU)).transpose(0, 1).flatten(1)
    # other clips of the same two videos than those that were measured
    assert codes.mean(1).abs().max() < 0.75 and 0.5 < float(codes.std(1).min()) < float(codes.std(1).max()) < 2


def _clips(folder: Folder, part: StageRecipe) -> list[Clip]:
    stream = loader.batches(folder, replace(window(part), image_share=0.0), batch=16, seed=1)
    return next(stream)


def test_the_loss_is_a_pure_function_of_weights_clip_seed_and_step(latent: Recipe, folder: Folder) -> None:
    stage, part = fresh(latent)
    compressor, clips = Compressor("base", stage.codec.autoencoder), _clips(folder, part)[:3]
    torch.manual_seed(1)
    first = loss(compressor, part, clips, 0, 7)
    torch.manual_seed(2)
    assert torch.equal(loss(compressor, part, clips, 0, 7), first) and first.isfinite().all()
    alone = torch.cat([loss(compressor, part, [clip], 0, 7) for clip in clips])
    torch.testing.assert_close(alone, first, rtol=1e-5, atol=0)
    for other in (loss(compressor, part, clips, 1, 7), loss(compressor, part, clips, 0, 8)):
        assert not torch.isclose(other, first, rtol=1e-6).any()


def test_an_error_that_flickers_or_has_edges_is_worse_than_one_that_stays() -> None:
    real = torch.zeros(1, 3, 4, 8, 8)
    signs = (torch.arange(8) % 2 * 2 - 1.0).expand(1, 3, 4, 8, 8)
    flicker = (torch.arange(4) % 2 * 2 - 1.0)[:, None, None].expand(1, 3, 4, 8, 8)
    still, edged, flickering = (float(distance(0.1 * error, real)) for error in (torch.ones_like(real), signs, flicker))
    assert still == pytest.approx(0.1) and edged == pytest.approx(0.2) and flickering == pytest.approx(0.2)
    assert float(distance(real, real)) == 0.0


def test_an_image_has_no_changes_to_be_wrong() -> None:
    assert float(distance(torch.full((1, 3, 1, 8, 8), 0.1), torch.zeros(1, 3, 1, 8, 8))) == pytest.approx(0.1)


def test_a_stage_on_pixels_has_nothing_to_train(recipe: Recipe, folder: Folder, tmp_path: Path) -> None:
    stage = initial("base", recipe.stages["base"], 0, CPU)
    with pytest.raises(ValueError, match="only a latent stage has an autoencoder, base works on pixels; set its"):
        next(train_autoencoder(stage, recipe, folder, Budget(steps=1), tmp_path))


def test_the_loss_of_a_latent_stage_is_pure_and_leaves_the_autoencoder_alone(latent: Recipe, folder: Folder) -> None:
    part = latent.stages["base"]
    backbone = replace(part.stage.backbone, low_res_channels=9)
    part = replace(part, stage=replace(part.stage, task=Base(known=3), backbone=backbone))
    stage, clips = initial("base", part, 0, CPU), _clips(folder, part)[:4]
    for parameter in stage.backbone.parameters():
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))
    losses = objective.loss(stage, part, clips, 0, 7)
    alone = torch.cat([objective.loss(stage, part, [clip], 0, 7) for clip in clips])
    torch.testing.assert_close(alone, losses, rtol=1e-4, atol=0)
    losses.mean().backward()
    assert all(parameter.grad is None for parameter in stage.codec.autoencoder.parameters())
    assert all(
        parameter.grad is not None for name, parameter in stage.backbone.named_parameters() if "proj_out" in name
    )
