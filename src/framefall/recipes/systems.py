"""The field's classic systems as recipes, at their published sizes where these are known.

They are too large to train here: build them on the meta device (`framefall bench presets`), train them on real
machines, or train their `miniature` to see every part work. What a paper does not say is a guess, and is marked so.
"""

from collections.abc import Sequence
from dataclasses import replace

from framefall.cascade.stage_config import Sampling, StageConfig
from framefall.cascade.tasks import Base, SpatialSR, Task, TemporalSR
from framefall.data.folder import FolderConfig
from framefall.diffusion.guidance_config import Guidance
from framefall.models.autoencoder import AutoencoderConfig
from framefall.models.content import CONTENT_DIM
from framefall.models.registry import BackboneConfig
from framefall.models.text import TEXT_DIM
from framefall.models.transformer import TransformerConfig
from framefall.models.unet import UNetConfig
from framefall.train.recipe import FEW, Recipe, StageRecipe
from framefall.video import VideoShape

_ANCESTRAL = Sampling(steps=256, sampler="ancestral", guidance=Guidance(scale=2.0))
_OSCILLATING = Guidance(scale=15.0, oscillate=(1.0, 8), threshold=99.5, interval=(0.0, 1.0), rescale=0.0)
# what Imagen Video's stages take after `framefall distill --method progressive`, once for each stage
_DISTILLED = Sampling(steps=FEW, sampler="euler")


def vdm() -> Recipe:
    """Video Diffusion Models (Ho et al. 2022, arXiv:2204.03458): 16 frames at 64 x 64 in one factorised 3-D U-Net,
    and super-resolution of space and time; the loss of noise on a cosine schedule, ancestral sampling.

    Our cosine ends in pure noise, where noise determines nothing, so that networks say velocity. Widths are a guess:
    base 128, multipliers 1, 2, 4, 8.
    """
    network = UNetConfig(
        dim=128,
        multipliers=(1, 2, 4, 8),
        blocks=(2, 2, 2, 2),
        head_dim=64,
        spatial_from=1,
        temporal_from=0,
        text_dim=TEXT_DIM,
    )
    base = _stage(Base(), (16, 64, 64, 6.0), network)
    temporal = _stage(TemporalSR(factor=4, intervals=4), (64, 64, 64, 24.0), _between(network))
    spatial = _stage(SpatialSR(factor=2), (9, 128, 128, 24.0), replace(network, low_res_channels=3))
    return Recipe(
        name="vdm",
        data=FolderConfig(size=128, fps=24.0),
        stages={
            name: StageRecipe(
                stage=replace(stage, process="cosine", prediction="velocity", loss="noise", best=_ANCESTRAL)
            )
            for name, stage in (("base", base), ("temporal_sr", temporal), ("spatial_sr", spatial))
        },
    )


def imagen_video() -> Recipe:
    """Imagen Video (Ho et al. 2022, arXiv:2210.02303): seven models from 16 frames of 40 x 24 to 128 of 1280 x 768.

    Temporal attention in the base, temporal convolution in super-resolution; velocity prediction, noise-conditioning
    augmentation, text in every stage; up to 80 x 48 guidance oscillates between 15 and 1 with dynamic thresholding (for
    how many steps it stays at 15 first is a guess). Published are frames, sizes and parameters (5.6, 1.7, 1.4, 1.2,
    0.78, 0.63 and 0.34 billion); widths are chosen to meet these, with MiniLM's words in the place of T5-XXL's.
    """
    base = UNetConfig(
        dim=1088, multipliers=(1, 2, 3, 4), blocks=(3, 3, 4, 6), head_dim=32, spatial_from=1, text_dim=TEXT_DIM
    )
    large = replace(base, fusion="conv3d", low_res_channels=3)
    temporal, double, quadruple = (
        TemporalSR(factor=2, intervals=8, low_res_noise=0.3),
        SpatialSR(factor=2, low_res_noise=0.3),
        SpatialSR(factor=4, low_res_noise=0.3),
    )
    between = _between(large)
    plan: Sequence[tuple[str, Task, tuple[int, int, int, float], UNetConfig]] = (
        ("base", Base(), (16, 24, 40, 3.0), base),
        ("temporal_sr_1", temporal, (32, 24, 40, 6.0), replace(between, dim=672, blocks=(2, 2, 3, 4))),
        ("spatial_sr_1", double, (32, 48, 80, 6.0), replace(large, dim=608, blocks=(2, 2, 3, 4))),
        ("spatial_sr_2", quadruple, (32, 192, 320, 6.0), replace(large, dim=576, blocks=(2, 2, 3, 4))),
        ("temporal_sr_2", temporal, (64, 192, 320, 12.0), replace(between, dim=480, blocks=(2, 2, 3, 4))),
        ("temporal_sr_3", temporal, (128, 192, 320, 24.0), replace(between, dim=416, blocks=(2, 2, 3, 4))),
        ("spatial_sr_3", quadruple, (128, 768, 1280, 24.0), replace(large, dim=320, blocks=(2, 2, 3, 4))),
    )
    stages = {}
    for name, task, shape, network in plan:
        # from 192 rows on there is no attention within frames: these stages are convolutional, and train on crops
        network = network if shape[1] < 192 else replace(network, spatial_from=9)
        stage = _stage(task, shape, network)
        drawn = replace(_ANCESTRAL, steps=128, guidance=_OSCILLATING if shape[1] <= 48 else _ANCESTRAL.guidance)
        stage = replace(stage, process="cosine", prediction="velocity", best=drawn)
        stages[name] = StageRecipe(stage=replace(stage, fast=_DISTILLED))
    return Recipe(name="imagen_video", data=FolderConfig(size=768, fps=24.0), stages=stages)


def sora_like() -> Recipe:
    """A diffusion transformer over the spacetime patches of a video compression network (Brooks et al. 2024).

    Nothing of Sora's sizes is published: depth and width are those of DiT-XL/2 (Peebles and Xie 2022), with joint
    attention over all patches; 61 frames of 480 x 256 at 24 a second in latents of 8 x 8 pixels and 4 frames.
    """
    network = TransformerConfig(
        channels=16,
        dim=1152,
        depth=28,
        heads=16,
        patch=(1, 2, 2),
        bottleneck=1152,
        text_dim=TEXT_DIM,
        checkpoint_activations=True,
    )
    latent = AutoencoderConfig(latent_channels=16, dim=128, depth=3, space=8, time=4)
    stage = _stage(Base(), (61, 256, 480, 24.0), network, latent=latent)
    return Recipe(
        name="sora_like", data=FolderConfig(size=256, fps=24.0), stages={"base": StageRecipe(stage=stage, batch=8)}
    )


def gen1_like() -> Recipe:
    """Gen-1 (Esser et al. 2023, arXiv:2302.03011): a latent image U-Net that was taught time, structure and content.

    Latents of 8 x 8 pixels with 4 channels, each frame by itself; the widths of Stable Diffusion 1 (320 x 1, 2, 4, 4),
    temporal attention beside the spatial one. Structure stands beside the noisy latents, as latents and more or less
    blurred, and content is an embedding among the words. Edges take the place of MiDaS's depth, and EfficientNet's
    features that of CLIP's: what comes inside packages.
    """
    network = UNetConfig(
        channels=4,
        dim=320,
        multipliers=(1, 2, 4, 4),
        blocks=(2, 2, 2, 2),
        head_dim=40,
        spatial_from=0,
        temporal_from=0,
        text_dim=TEXT_DIM,
        structure_channels=5,
        content_dim=CONTENT_DIM,
    )
    latent = AutoencoderConfig(latent_channels=4, dim=128, depth=3, space=8, time=1)
    stage = _stage(Base(structure="edges"), (8, 256, 448, 12.0), network, latent=latent)
    stage = replace(
        stage, process="cosine", prediction="velocity", best=replace(_ANCESTRAL, guidance=Guidance(scale=7.5))
    )
    return Recipe(
        name="gen1_like", data=FolderConfig(size=256, fps=24.0), stages={"base": StageRecipe(stage=stage, batch=8)}
    )


SYSTEMS = {recipe.__name__: recipe for recipe in (vdm, imagen_video, sora_like, gen1_like)}


def miniature(recipe: Recipe) -> Recipe:
    """The same stages in the same order, small enough to train for a few steps on one core: a check of every part.

    Networks keep their kind and their fusion; the base makes 9 frames of 8 rows, or of 32 in latents.
    """
    stages, height, frames, fps = {}, 0, 9, 4.0
    for name, part in recipe.stages.items():
        config = part.stage
        task = config.task
        if not task.super_resolution:
            height = 8 if config.latent is None else 32
        frames, fps = (frames - 1) * task.time_factor + 1, fps * task.time_factor
        height *= task.space_factor
        side = min(height, 32)  # spatial super-resolution trains on crops
        shape = VideoShape(
            channels=config.shape.channels,
            frames=2 if task.crops else frames,
            height=side if task.crops else height,
            width=side if task.crops else height,
            fps=fps,
        )
        latent = config.latent and replace(config.latent, dim=16, depth=1, space=2)
        small = replace(
            config,
            task=replace(task, intervals=2) if isinstance(task, TemporalSR) else task,
            shape=shape,
            backbone=_narrow(config.backbone),
            latent=latent,
            fast=replace(config.fast, steps=2),
            best=replace(config.best, steps=2),
        )
        stages[name] = replace(part, stage=small, batch=2)
    return replace(recipe, name=f"miniature-{recipe.name}", stages=stages, data=FolderConfig(size=64, fps=24.0))


def _stage(
    task: Task,
    shape: tuple[int, int, int, float],
    network: UNetConfig | TransformerConfig,
    latent: AutoencoderConfig | None = None,
) -> StageConfig:
    frames, height, width, fps = shape
    video = VideoShape(frames=frames, height=height, width=width, fps=fps)
    return StageConfig(task=task, shape=video, backbone=network, latent=latent)


def _between(network: UNetConfig) -> UNetConfig:
    """Of a temporal stage: it is conditioned on the given frames on both sides, and how far it is on the way."""
    return replace(network, low_res_channels=2 * network.channels + 1)


def _narrow(network: BackboneConfig) -> BackboneConfig:
    if isinstance(network, UNetConfig):
        return replace(network, dim=16, multipliers=(1, 2), blocks=(1, 1), head_dim=16, spatial_from=1, temporal_from=0)
    if isinstance(network, TransformerConfig):
        return replace(network, dim=32, depth=2, heads=1, bottleneck=16)
    return network
