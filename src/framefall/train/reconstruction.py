"""How a latent stage's autoencoder is trained: on the stage's own clips, in the stage's own loop, before the stage.

No pretrained network judges the pictures: edges and changes are compared as colours are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from framefall.cascade.stage import Stage
from framefall.data import loader
from framefall.data.clip import Clip
from framefall.data.folder import Folder
from framefall.data.loader import Source
from framefall.models.autoencoder import VideoAutoencoder
from framefall.models.precision import autocast
from framefall.noise import Key, normal
from framefall.progress import Note
from framefall.train import objective
from framefall.train.loop import Budget, TrainingStep, train_stage
from framefall.train.recipe import Recipe, StageRecipe
from framefall.video import Scores, Video

EDGES = 0.5  # weight of wrong differences between neighbouring pixels, beside that of wrong pixels
CHANGES = 0.5  # weight of wrong differences between neighbouring frames
KL = 1e-3  # weight of the latents' mean square: enough to keep them from growing out of the noise
_CLIPS = 64  # whose latents are measured when training is over


@dataclass(frozen=True, eq=False)
class Compressor:
    """A latent stage's autoencoder in the place of its network: what the loop trains."""

    name: str  # the stage's: the same clips, batches and learning rates
    backbone: VideoAutoencoder

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.backbone.latents_mean.device


def train_autoencoder(
    stage: Stage, recipe: Recipe, source: Folder | Source, budget: Budget, run_folder: Path
) -> Iterator[TrainingStep | Note]:
    """Trains a latent stage's autoencoder in place and gives its latents unit scale; goes on like `train`."""
    autoencoder = stage.codec.autoencoder
    if autoencoder is None:
        raise ValueError(f"only a latent stage has an autoencoder, {stage.name} works on pixels; set its `latent`")
    compressor = Compressor(stage.name, autoencoder.requires_grad_(True))
    for event in train_stage(compressor, recipe, source, budget, run_folder, loss=loss):
        yield replace(event, stage=f"{stage.name}.autoencoder") if isinstance(event, TrainingStep) else event
    part = recipe.stages[stage.name]
    told = objective.encoder(part, stage.tower)  # so that the clips are found that training has kept
    clips = loader.batches(source, objective.window(part), batch=part.batch, seed=recipe.seed, encoder=told)
    batches = islice(clips, -(-_CLIPS // part.batch))  # each rank sees the same ones: no need to agree
    with autocast(stage.device):
        autoencoder.normalise_(objective.stack(batch, stage.device) for batch in batches)
    autoencoder.requires_grad_(False)


def loss(compressor: Compressor, recipe: StageRecipe, clips: Sequence[Clip], seed: int, step: int) -> Scores:
    """Each clip's loss at this step: L1 of pixels, edges and changes, and the KL term of a posterior of fixed width."""
    video = objective.stack(clips, compressor.device)
    config = compressor.backbone.config
    shape = (config.latent_channels, *config.latent_shape(*video.shape[2:]))
    keys = [Key(seed, f"train/{compressor.name}.autoencoder/{step}", clip.key) for clip in clips]
    made, latents = compressor.backbone(video, normal(keys, shape).to(video.device))
    return distance(made, video) + KL * latents.square().mean(dim=(1, 2, 3, 4))


def distance(made: Video, real: Video) -> Scores:
    """How far two videos are apart: in colour, along edges, and in how each frame differs from the one before."""
    wrong = made - real
    edges = _size(wrong.diff(dim=-1)) + _size(wrong.diff(dim=-2))
    return _size(wrong) + EDGES * edges + CHANGES * _size(wrong.diff(dim=2))


def _size(difference: Tensor) -> Tensor:
    """Mean absolute value of each clip; nothing where there is nothing to compare."""
    values = difference.abs().flatten(1)
    return values.mean(1) if values.shape[1] else values.sum(1)
