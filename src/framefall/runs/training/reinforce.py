"""A trained model's base made better at what is asked for, by what its own clips are worth to a judge."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from framefall import publish
from framefall.cascade.alone import alone
from framefall.cascade.cascade import Cascade
from framefall.cascade.saved import checkpoint
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.cascade.stage import Stage
from framefall.config import override, to_dict, to_json
from framefall.data import loader
from framefall.data.folder import Folder
from framefall.data.loader import Source
from framefall.data.media.sheet import clip_row, strips
from framefall.evaluate.metrics.coherence import flicker
from framefall.flow import look
from framefall.noise import Key
from framefall.physics.obedience import obedience
from framefall.progress import Events, operation
from framefall.ranges import Scale, Share, within
from framefall.runs.sources import open_source
from framefall.runs.training import preflight
from framefall.runs.training.distill import digest, examples_of, source_of
from framefall.runs.training.strips import FRAMES
from framefall.tracking.ospa import ospa
from framefall.tracking.tracker import track
from framefall.train import objective
from framefall.train.loop import Budget
from framefall.train.recipe import Recipe, StageRecipe
from framefall.train.reinforcement import Batches, Reinforcement, Reward, drafts, reinforce_stage
from framefall.video import Video, to_frames
from framefall.worlds.captions.phrases import said
from framefall.worlds.world import version_trained_on

_CONTRAST = 0.01  # a clip of one colour has none
REACH = 0.25  # of the picture's height: a thing that is farther off could as well not be there
ROUNDS = 100  # when neither rounds nor minutes are given
SHOWN = 6  # prompts of a strip of samples


@dataclass(frozen=True, kw_only=True)
class Reinforced:
    """What reinforcing has made, and the mean reward of the drafts of its first and its last rounds."""

    model: str  # the folder of the cascade; log, checkpoints and strips of samples lie in MODEL.training
    stage: str
    rounds: int  # over all sessions
    rewards: list[float]  # of the rounds of this session

    def said(self) -> str:
        """The whole in a sentence."""
        if not self.rewards:
            return f"{self.model} is as it was after {self.rounds} rounds"
        tenth = max(1, len(self.rewards) // 10)
        first, last = (sum(part) / len(part) for part in (self.rewards[:tenth], self.rewards[-tenth:]))
        return (
            f"{self.model}: reward {first:.3f} in the first tenth of {len(self.rewards)} rounds, {last:.3f} in the last"
        )


@dataclass(frozen=True, kw_only=True)
class Run:
    """All settings of a run, as `--set` changes them."""

    reinforcement: Reinforcement
    seed: Annotated[int, within(-(2**63), 2**64)] = 0
    # what a judge of obedience gives: the share of the attributes shown, and this much for laws and for all attributes
    laws: Share = 0.4
    exact: Share = 0.3
    likeness: Scale = 2.0  # and of a clip that goes on, for things that are where they are in the true one
    flicker: Scale = 15.0  # taken off for each part of a clip's contrast that flickers; half as much is worth .15


@operation
def reinforce(
    model: str | Path,
    output: str | Path,
    source: str | Path | Folder | Source | None = None,
    *,
    reward: Reward | None = None,
    rounds: int | None = None,
    minutes: float | None = None,
    resume: bool = False,
    settings: Sequence[str] = (),
    device: str | torch.device = "cpu",
) -> Events[Reinforced]:
    """Improves the base of a trained model by judging its own clips, and publishes the whole model at `output`.

    In each round it makes several drafts of each of some prompts and learns towards those that are worth more than the
    others of their prompt, and from clips of data (`train/reinforcement.py`). `source` is a world or a folder, whose
    captions are asked for and whose clips are the data, by default the world that the model was trained on.
    `reward(video, prompt)` says what a clip `[1, channels, frames, height, width]` in -1..1 is worth; by default it is
    how much of its prompt it shows and how many laws of motion it keeps (`physics/obedience.py`); and half of the
    prompts come with the first frames of their clip, where the base takes such, and things are to be where they are in
    that clip. `settings` are as of `--set`: `reinforcement.drafts=16`.
    """
    output, cascade = Path(output), alone(load_cascade(model, device))
    if output.exists() and output.resolve() == checkpoint.find(model).resolve():
        raise ValueError(f"{output} is the model that is to be improved; choose another name for what becomes of it")
    stage, runs = cascade.stages[0], output.with_name(output.name + ".training")
    run, recipe = run_for(cascade, settings, judged=reward is None), recipe_for(cascade, stage.name)
    part, every = recipe.stages[stage.name], run.reinforcement
    source = source_of(cascade, stage.name) if source is None else source
    preflight.check_places(output, runs, source)
    budget = Budget(steps=ROUNDS if rounds is None and minutes is None else rounds, minutes=minutes)
    with preflight.one_writer(output, runs, [stage.name]):
        preflight.check_free(output, runs, [stage.name], resume)
        opened = (yield from open_source.inside(source, recipe.data)) if isinstance(source, str | Path) else source
        training, folder = opened.split("train"), runs / stage.name
        folder.mkdir(parents=True, exist_ok=True)
        publish.sweep(folder)
        with publish.file(folder / "settings.json") as partial_file:
            partial_file.write_text(to_json(run))

        def clips(count: int, seed: int) -> Batches:
            return lambda start: loader.batches(
                training, objective.window(part), batch=count, seed=seed, start=start, workers=recipe.workers
            )

        version = version_trained_on(cascade.config.trained_on)
        reached, found = yield from reinforce_stage(
            stage,
            every,
            clips(every.prompts, Key(run.seed, "asked").word()),
            partial(shown, fps=stage.config.shape.fps, version=version, run=run) if reward is None else reward,
            budget,
            folder,
            run.seed,
            identity={
                "stage": stage.name,
                "weights": digest(stage),
                "settings": to_dict(run),
                "data": training.fingerprint,
                "torch": torch.__version__,
            },
            truths=clips(every.truths, run.seed) if every.truths else None,
            strip=_strip(opened, part, run, folder),
            likeness=partial(like, fps=stage.config.shape.fps, given=every.given, worth=run.likeness),
        )
        _publish(cascade, model, stage, output, found, reached)
        return Reinforced(model=str(output), stage=stage.name, rounds=reached, rewards=found)


def run_for(cascade: Cascade, settings: Sequence[str] = (), judged: bool = True) -> Run:
    """How the base of a model is reinforced: drafts are made as `fast` ones are, without guidance but a baked one.

    `judged` by what the clip itself says, and not by a reward of somebody's own, half of them go on from given frames.
    Raises `ValueError` for a model whose first stage takes no captions.
    """
    stage = cascade.stages[0].config
    if stage.task.super_resolution or not stage.backbone.text_dim:
        raise ValueError(f"{cascade.config.name} must have a base that reads captions; take another model")
    baked = stage.backbone.baked_guidance is not None
    plain = stage.fast if baked else replace(stage.fast, guidance=replace(stage.fast.guidance, scale=1.0))
    going_on = 0.5 if judged and stage.task.known == "any" else 0.0
    run: Run = override(Run(reinforcement=Reinforcement(sampling=plain, going_on=going_on)), list(settings))
    return run


def recipe_for(cascade: Cascade, stage: str) -> Recipe:
    """How clips of data are read; never mirrored, for captions say left and right."""
    own, data = examples_of(cascade, stage)
    part = replace(own, flip=False, image_share=0.0)
    return Recipe(name=f"reinforce-{cascade.config.name}", stages={stage: part}, data=data)


def shown(video: Video, prompt: str, *, fps: float, version: int, run: Run) -> float:
    """How much of its prompt a clip shows, how many laws it keeps and how little it flickers.

    0, and what flicker takes off, of a clip whose things cannot be followed. Flicker is held against the deviation of
    all pixels, for what fades flickers less.
    """
    found = obedience(track(video.cpu(), fps), said(prompt), version)
    worth = 0.0
    if found.measurable:
        share, kept = found.rank[0], found.laws
        worth = share + run.laws * (sum(kept.values()) / len(kept) if kept else 0.5) + run.exact * (share >= 1)
    flickers = flicker(look(video.cpu(), fps)) / max(float(video.std()) / 2.0, _CONTRAST)  # both of 0..1
    return worth - run.flicker * (flickers if math.isfinite(flickers) else 0.0)


def like(
    made: Video, truth: Float[Tensor, "1 channels frames height width"], *, fps: float, given: int, worth: float
) -> list[float]:
    """How like the true clip each clip is after the given frames: things where they are, and pixels.

    Half of `worth` for things that are all in their places, and the other half for every 10 dB of PSNR. By places alone
    a thing may look like anything, and by pixels alone a faint thing is better than one that is off.
    """
    true, cutoff = track(truth.cpu(), fps), REACH * truth.shape[-2]
    found = []
    for one in made.split(1):
        placed = 1.0 - ospa(track(one.cpu(), fps), true, cutoff, start=given)
        error = ((one - truth)[:, :, given:] / 2.0).square().mean()  # of 0..1
        found.append(worth / 2.0 * (placed - float(error.clamp_min(1e-5).log10())))
    return found


def _strip(source: Folder | Source, part: StageRecipe, run: Run, folder: Path) -> Callable[[Stage, int], None]:
    """What a few held-out captions look like now: always the same ones, of the same noise."""
    asked = [clip.caption or "" for clip in loader.validation(source, objective.window(part), SHOWN, run.seed)]

    def strip(stage: Stage, step: int) -> None:
        made = drafts(stage, asked, run.reinforcement.sampling, Key(run.seed, "strip"))
        fps = stage.config.shape.fps
        rows = [
            clip_row("", to_frames(video), fps, FRAMES, prompt)
            for prompt, video in zip(asked, made.split(1), strict=True)
        ]
        strips(rows, folder / "samples" / f"{step:08d}.png")

    return strip


def _publish(
    cascade: Cascade, model: str | Path, stage: Stage, output: Path, rewards: Sequence[float], rounds: int
) -> None:
    """The model with the better base in place of its own; the others keep their files to the byte."""
    part = cascade.card.stages.get(stage.name) if cascade.card is not None else None
    scores = {"rounds": float(rounds)} | ({"reward": round(rewards[-1], 4)} if rewards else {})
    part = None if part is None else replace(part, scores=scores)
    config = replace(cascade.config, name=output.name)
    checkpoint.with_stage(output, stage.name, stage, config, torch.bfloat16, part, start=model)
