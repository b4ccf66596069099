"""Cascades that train and run on two CPU cores: 60 frames of 256 x 256 in three stages."""

from dataclasses import replace

from framefall.cascade.stage_config import Sampling, StageConfig
from framefall.cascade.tasks import Base, SpatialSR, TemporalSR
from framefall.data.folder import FolderConfig
from framefall.diffusion.guidance_config import Guidance
from framefall.diffusion.times import LogitNormal
from framefall.models.content import CONTENT_DIM
from framefall.models.convnet import ConvNetConfig
from framefall.models.experts import ExpertsConfig
from framefall.models.interpolator import InterpolatorConfig
from framefall.models.text import TEXT_DIM
from framefall.models.transformer import TransformerConfig
from framefall.models.unet import UNetConfig
from framefall.train.known import KnownShares
from framefall.train.recipe import Optim, Recipe, StageRecipe
from framefall.video import VideoShape

# patches of two frames would draw frames in pairs (docs/log.md)
_TRUNK = TransformerConfig(
    dim=256,
    depth=8,
    heads=4,
    patch=(1, 16, 16),
    detail=32,
    text_dim=TEXT_DIM,
    low_res_channels=4,  # what is known, and where
    hide_padding=True,
)
_NARROW = replace(_TRUNK, dim=192, depth=6, heads=3)


def nano() -> Recipe:
    """Base 16 frames at 64 x 64 -> 60 frames -> 256 x 256, on 24 frames a second.

    framefall train CLIPS -o MODEL --recipe nano
    """
    base = StageConfig(
        task=Base(known="any"),
        shape=VideoShape(frames=16, height=64, width=64, fps=6.0),
        backbone=_TRUNK,
        # near t = 0 a loss on velocity weighs what no patch can hold, and drowns the rest (docs/log.md)
        times=LogitNormal(mean=0.8, std=0.9, uniform_share=0.0),
        fast=Sampling(steps=4, sampler="euler"),
        best=Sampling(steps=16, sampler="dpm++2m", guidance=Guidance(scale=2.5)),
    )
    temporal = StageConfig(
        task=TemporalSR(factor=4, intervals=5, bridge=0.5, low_res_noise=0.3, relative_loss=True),
        shape=VideoShape(frames=60, height=64, width=64, fps=24.0),
        backbone=InterpolatorConfig(trunk=TransformerConfig(dim=192, depth=6, heads=3, patch=(4, 8, 8))),
        loss="x0",
        times=LogitNormal(uniform_share=0.0, pure_share=1.0),
        # one call, from the prior alone: the noise that a second one leaves is another in each frame (docs/log.md)
        fast=Sampling(steps=1, low_res_noise=0.0),
        best=Sampling(steps=1, low_res_noise=0.0),
    )
    spatial = StageConfig(
        task=SpatialSR(factor=4, bridge=0.35, low_res_noise=0.1, relative_loss=True),
        shape=VideoShape(frames=4, height=96, width=96, fps=24.0),
        loss="x0",
        backbone=ConvNetConfig(dim=64, depth=8),
        times=LogitNormal(mean=0.0, std=1.0, pure_share=0.6),
        fast=Sampling(steps=1, low_res_noise=0.0),
        best=Sampling(steps=1, low_res_noise=0.0),
    )
    return Recipe(
        name="nano",
        data=FolderConfig(size=256, fps=24.0),
        stages={
            "base": StageRecipe(stage=base, batch=16, share=0.4),
            "temporal_sr": StageRecipe(stage=temporal, batch=8, share=0.25, optim=Optim(adam_lr=3e-4, muon_lr=0.01)),
            "spatial_sr": StageRecipe(stage=spatial, batch=8, share=0.35, optim=Optim(kernels=True, cooldown=0.3)),
        },
    )


def pico() -> Recipe:
    """`nano` with a narrower base and temporal stage: what half an hour on two cores can fill.

    framefall train CLIPS -o MODEL --recipe pico --minutes 30
    """
    recipe = nano()
    base, temporal = recipe.stages["base"], recipe.stages["temporal_sr"]
    shallow = InterpolatorConfig(trunk=TransformerConfig(dim=192, depth=4, heads=3, patch=(4, 8, 8)))
    stages = {
        **recipe.stages,
        "base": replace(base, batch=8, flip=False, stage=replace(base.stage, backbone=_NARROW)),
        "temporal_sr": replace(temporal, stage=replace(temporal.stage, backbone=shallow)),
    }
    return replace(recipe, name="pico", stages=stages)


def gen1_pico() -> Recipe:
    """`pico` whose base is told edges and content, as Gen-1's is (Esser et al. 2023): video to video on real clips.

    framefall train CLIPS -o MODEL --recipe gen1_pico --stage base --steps 850

    A U-Net, which passes on each pixel of a structure where it lies; patches would have to describe it.
    """
    recipe = pico()
    base = recipe.stages["base"]
    network = UNetConfig(
        dim=32,
        multipliers=(1, 2, 4, 6),
        blocks=(1, 1, 1, 1),
        unshuffle=2,
        text_dim=TEXT_DIM,
        low_res_channels=4,
        structure_channels=2,
        content_dim=CONTENT_DIM,
    )
    stage = replace(base.stage, task=Base(known="any", structure="edges"), backbone=network)
    told = replace(
        base,
        batch=4,
        flip=True,
        stage=stage,
        known=KnownShares(frames=0.15, region=0.05, levels=0.05),
        optim=Optim(kernels=True),
    )
    return replace(recipe, name="gen1_pico", stages={**recipe.stages, "base": told})


def worlds() -> Recipe:
    """A cascade for simulated worlds that goes on from given frames: 16 frames at 32 x 32 -> 60 -> 256 x 256.

    framefall train projectile,occluder -o MODEL --recipe worlds
    """
    recipe = pico()
    base, temporal, spatial = (recipe.stages[name] for name in ("base", "temporal_sr", "spatial_sr"))
    trunk = replace(_NARROW, depth=10, patch=(1, 8, 8), words=48)
    # tokens of 8 x 8 pixels decide what there is, convolutions on cells of 2 x 2 draw it
    drawing = UNetConfig(
        dim=64, multipliers=(1, 2, 4), blocks=(1, 1, 1), unshuffle=2, low_res_channels=4, text_dim=TEXT_DIM, words=48
    )
    # above 2 contrast grows, and fewer laws are kept; guidance speaks where it is decided what there is
    drawn = Sampling(
        steps=24, sampler="euler", guidance=Guidance(scale=2.0, interval=(0.6, 1.0)), shift=3.0, steady=True
    )
    small = VideoShape(frames=16, height=32, width=32, fps=6.0)
    shallow = InterpolatorConfig(trunk=TransformerConfig(dim=128, depth=4, heads=2, patch=(4, 4, 4)))
    stages = {
        "base": replace(
            base,
            batch=16,
            image_share=0.0,  # single frames of a world say nothing that its clips do not
            optim=Optim(kernels=True, adam_lr=5e-4, warmup_steps=100, cooldown=0.4),
            known=KnownShares(frames=0.45, region=0.08, levels=0.12, shift=2.2, doubt=0.25),
            # where bodies are, and how many, is decided at much noise; a third of the times are the clean expert's
            stage=replace(
                base.stage,
                task=Base(known="any", motion=True),
                shape=small,
                backbone=ExpertsConfig(split=0.5, noisy=trunk, clean=drawing),
                fast=replace(drawn, steps=8),
                best=drawn,
                times=LogitNormal(mean=0.5, std=1.2, uniform_share=0.0),
            ),
        ),
        "temporal_sr": replace(
            temporal, stage=replace(temporal.stage, shape=replace(small, frames=60, fps=24.0), backbone=shallow)
        ),
        "spatial_sr": replace(
            spatial,
            errors=1.0,  # shapes that a base draws waver
            stage=replace(
                spatial.stage,
                task=SpatialSR(factor=8, bridge=0.35, low_res_noise=0.1, relative_loss=True),
                backbone=ConvNetConfig(dim=64, depth=8, edges=True),  # flat shapes: two colours and where they meet
                shape=replace(spatial.stage.shape, height=128, width=128),
                # it is asked once; where nothing moves, nothing is to differ from frame to frame
                norm="l1",
                change=1.0,
                times=LogitNormal(uniform_share=0.0, pure_share=1.0),
            ),
        ),
    }
    return replace(recipe, name="worlds", stages=stages, data=FolderConfig(size=256, fps=24.0))


def micro() -> Recipe:
    """A cascade of toys, 8 frames at 16 x 16 -> 15 -> 32 x 32: trains in seconds, for tests and lessons."""
    recipe = nano()
    trunk = TransformerConfig(dim=64, depth=2, heads=1, patch=(2, 4, 4))
    base, temporal, spatial = (recipe.stages[name] for name in ("base", "temporal_sr", "spatial_sr"))
    stages = {
        "base": replace(
            base,
            batch=4,
            stage=replace(
                base.stage,
                task=Base(),
                shape=VideoShape(frames=8, height=16, width=16, fps=6.0),
                backbone=replace(trunk, text_dim=TEXT_DIM),
            ),
        ),
        "temporal_sr": replace(
            temporal,
            batch=4,
            stage=replace(
                temporal.stage,
                task=TemporalSR(factor=2, intervals=3, bridge=0.5, low_res_noise=0.3, relative_loss=True),
                shape=VideoShape(frames=15, height=16, width=16, fps=12.0),
                backbone=InterpolatorConfig(trunk=trunk),
                # two calls, which flicker, so that a toy has steps to look at in every stage
                times=LogitNormal(mean=0.0, std=1.0, pure_share=0.5),
                fast=Sampling(steps=2, low_res_noise=0.0),
                best=Sampling(steps=2, low_res_noise=0.0),
            ),
        ),
        "spatial_sr": replace(
            spatial,
            batch=4,
            stage=replace(
                spatial.stage,
                task=SpatialSR(factor=2, bridge=0.35, low_res_noise=0.1, relative_loss=True),
                shape=VideoShape(frames=3, height=32, width=32, fps=12.0),
                backbone=ConvNetConfig(dim=32, depth=2, unshuffle=2, mix_every=2),
            ),
        ),
    }
    return replace(recipe, name="micro", stages=stages, data=FolderConfig(size=64, fps=12.0), save_every=20)


PRESETS = {recipe.__name__: recipe for recipe in (nano, pico, gen1_pico, worlds, micro)}
