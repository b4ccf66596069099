"""The loss of a stage on a batch of clips. All randomness is keyed by clip and step."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from framefall.cascade.conditioning import Conditioning, coasting, corrupt, first_frames, shown
from framefall.cascade.stage import Stage
from framefall.data.clip import Clip
from framefall.data.window import Window
from framefall.diffusion.loss import Counts, Norm, change_loss, denoising_loss
from framefall.diffusion.prediction import Prediction
from framefall.models.backbone import Condition
from framefall.models.text import CaptionEncoder
from framefall.models.tower import Tower
from framefall.noise import Key, normal
from framefall.train.conditions import contents, structures
from framefall.train.errors import mistaken
from framefall.train.known import DOUBTED, KnownMask, told
from framefall.train.recipe import StageRecipe
from framefall.video import Scores, Time, Video, from_pixels

# a prior better than that (46 dB) is good enough; of absolute errors the mean is small where most of a picture is flat
QUIET: dict[Norm, float] = {"l2": 1e-4, "l1": 1e-3}


def window(recipe: StageRecipe) -> Window:
    """What a training example of the stage is cut out as."""
    config, shape = recipe.stage, recipe.stage.shape
    return Window(
        frames=config.task.example_frames(shape.frames),
        fps=shape.fps,
        height=shape.height,
        width=shape.width,
        view="crop" if config.task.crops else "whole",
        flip=recipe.flip,
        image_share=0.0 if config.task.time_factor > 1 else recipe.image_share,
        buckets=config.shapes,
    )


def encoder(recipe: StageRecipe, tower: Tower | None = None) -> CaptionEncoder | None:
    """What encodes the stage's captions beforehand; None for a network that reads none, or whose tower is not here."""
    backbone = recipe.stage.backbone
    here = recipe.stage.text is None or tower is not None
    return CaptionEncoder(backbone.words, tower) if backbone.text_dim and here else None


def stack(clips: Sequence[Clip], device: torch.device) -> Video:
    """Clips of one size as a batch."""
    pixels = torch.from_numpy(np.stack([clip.pixels for clip in clips])).to(device)
    return pixels if pixels.dtype == torch.float32 else from_pixels(pixels)


def present(clips: Sequence[Clip], stage: Stage) -> Counts | None:
    """1 where a clip's target has a value, 0 where it is missing; None: nothing is."""
    if all(clip.valid is None for clip in clips):
        return None
    if stage.config.latent is not None:
        raise ValueError(
            f"missing values cannot be left out of latents, and {clips[0].key} or others beside it have some;"
            " train a stage on pixels"
        )
    there = [np.ones(clip.pixels.shape, bool) if clip.valid is None else clip.valid for clip in clips]
    target, _ = stage.task.example(torch.from_numpy(np.stack(there)).float().to(stage.device))
    return target


def mean_error(error: Video, there: Counts | None) -> Scores:
    """Each clip's mean of an error, of the values that are there."""
    if there is None:
        return error.mean(dim=(1, 2, 3, 4))
    return (error * there).sum(dim=(1, 2, 3, 4)) / there.sum(dim=(1, 2, 3, 4)).clamp_min(1e-6)


@dataclass(frozen=True, kw_only=True)
class Example:
    """A batch as a stage learns on it: both ends of the path, where on it, what is known, and what is to be learnt."""

    keys: list[Key]  # one a clip: of whatever else is drawn
    x0: Video  # as the network sees videos: pixels or latents
    endpoint: Video  # where the path ends at t = 1
    t: Time
    condition: Condition
    counts: Counts | None = None  # 1 where it is to be learnt, 0 where it is given or missing; None: everywhere
    there: Counts | None = None  # 1 where there is a value; None: everywhere


def loss(stage: Stage, recipe: StageRecipe, clips: Sequence[Clip], seed: int, step: int) -> Scores:
    """Each clip's loss at this step, as a pure function of the weights, the clip, the seed and the step."""
    config, drawn = stage.config, example(stage, recipe, clips, seed, step)
    x_t = stage.process.add_noise(drawn.x0, drawn.endpoint, drawn.t)
    x0_hat = stage.x0(x_t, drawn.t, drawn.condition)

    def error(x0_hat: Video, space: Prediction, counts: Counts | None) -> Scores:
        found = denoising_loss(x0_hat, drawn.x0, drawn.t, stage.process, space, counts=counts, norm=config.norm)
        if not config.change:
            return found
        return found + config.change * change_loss(x0_hat, drawn.x0, counts, config.norm)

    losses = error(x0_hat, config.loss, drawn.counts)
    if not stage.task.relative_loss or drawn.condition.prior is None:
        return losses
    quiet = QUIET[config.norm]
    return torch.log((losses + quiet) / (error(drawn.condition.prior, "x0", drawn.there) + quiet))


def example(stage: Stage, recipe: StageRecipe, clips: Sequence[Clip], seed: int, step: int) -> Example:
    """What is drawn for clips at a step: noise, times, what is known, dropped captions."""
    device = stage.device
    keys = [Key(seed, f"train/{stage.name}/{step}", clip.key) for clip in clips]
    task = stage.task
    video, low = task.example(stack(clips, device))
    x0 = stage.codec.encode(video)
    noise = _noise("noise", keys, x0)
    if low is not None and recipe.errors:
        shares = torch.tensor([recipe.errors * key.named("share").uniform() for key in keys])
        channels, frames, height, width = low.shape[1:]
        errors = normal([key.named("errors") for key in keys], (channels + 1, frames + 1, height, width))
        low = mistaken(low, errors.to(device), shares.to(device))
    level, corrupted = torch.zeros(len(clips), device=device), None
    if low is not None and task.low_res_noise:
        levels = [task.low_res_noise * _level(key.named("level").uniform()) for key in keys]
        level = torch.tensor(levels, device=device)
        corrupted = corrupt(low, _noise("low_res", keys, low), level)
    known, counts = task.conditioning(low, video.shape[2], corrupted), None
    size = video.shape[2], video.shape[3], video.shape[4]
    times, masks = zip(*(_time(recipe, key, size) for key in keys), strict=True)
    t = torch.stack(times).to(device)
    if task.known == "any":
        mask = torch.stack(masks).to(device)
        low_res, counts = shown(video, mask), 1.0 - mask  # what is given is not to be learnt
        if task.motion:
            low_res = coasting(low_res, video, t <= DOUBTED)
        known = Conditioning(low_res=low_res)
    elif task.known:
        given = torch.tensor([_known(key, task.known, video.shape[2]) for key in keys], device=device)
        known = Conditioning(low_res=shown(video, first_frames(video, given)))
    if (there := present(clips, stage)) is not None:
        counts = there if counts is None else counts * there
    known = stage.codec.conditioning(replace(known, structure=structures(stage, video, keys, recipe.conditions)))
    condition = stage.conditioned(describe(stage, recipe, clips, keys, video.shape[2]), known, level)
    content = contents(stage, video, keys, recipe.conditions)
    condition = condition if content is None else replace(condition, content=content.to(device))
    endpoint = stage.endpoint(noise, known)
    return Example(keys=keys, x0=x0, endpoint=endpoint, t=t, condition=condition, counts=counts, there=there)


def noisiest(recipe: StageRecipe, count: int = 1000) -> list[float]:
    """The time of the noisiest frame of each of so many clips, as training draws them."""
    keys = [Key(0, "train/noisiest", str(clip)) for clip in range(count)]
    size = recipe.stage.shape.frames, 1, 1  # times do not depend on the picture
    return [float(_time(recipe, key, size)[0].max()) for key in keys]


def _time(recipe: StageRecipe, key: Key, size: tuple[int, int, int]) -> tuple[Tensor, KnownMask | None]:
    """A clip's time, or those of its frames with what is known of them, where a stage can be told any."""
    config = recipe.stage
    if config.task.known == "any":
        return told(key.named("known"), recipe.known, config.times, size)
    return torch.tensor(config.times.draw(key.named("time"))), None


def describe(stage: Stage, recipe: StageRecipe, clips: Sequence[Clip], keys: Sequence[Key], frames: int) -> Condition:
    """What the clips say of themselves: seconds, captions (some dropped) and numbers."""
    dropped = [key.named("text").uniform() < recipe.text_dropout for key in keys]
    count = stage.config.backbone.numbers
    return stage.condition(
        [None if drop else clip.caption for clip, drop in zip(clips, dropped, strict=True)],
        frames=frames,
        fps=torch.tensor([clip.fps for clip in clips]),
        numbers=torch.stack([_numbers(clip, count, frames) for clip in clips]) if count else None,
        text_dtype=torch.bfloat16,
        states=[None if drop else clip.states for clip, drop in zip(clips, dropped, strict=True)],
    )


def _numbers(clip: Clip, count: int, frames: int) -> Tensor:
    """A clip's numbers, one row a frame; a clip without any has zeros."""
    values = np.zeros(count, np.float32) if clip.numbers is None else clip.numbers
    if values.shape[-1] != count:
        raise ValueError(
            f"{clip.key} has {values.shape[-1]} numbers, the model takes {count}; set the backbone's numbers"
        )
    return torch.from_numpy(
        np.array(np.broadcast_to(values[-frames:] if values.ndim == 2 else values, (frames, count)))
    )


def _known(key: Key, most: int, frames: int) -> int:
    """How many first frames a clip is given: none for half of the clips."""
    some = 1 + key.named("known").integer(most, 1)
    return min(some, frames - 1) if key.named("known").uniform(0) < 0.5 else 0


def _level(uniform: float) -> float:
    """Half of the clips stay clean, as real video is; the others are uniform."""
    return max(0.0, 2.0 * uniform - 1.0)


def _noise(purpose: str, keys: Sequence[Key], like: Tensor) -> Tensor:
    return normal([key.named(purpose) for key in keys], like.shape[1:]).to(like.device)
