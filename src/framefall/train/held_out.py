"""The held-out loss: averaged weights on clips, noise and times that never change, measured while training goes on.

Because nothing but the weights differs between two measurements, small changes show that the losses of training steps
hide. Measuring draws from no generator and counts as no training: a run that is looked at has the same bits.
"""

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from framefall import ranks
from framefall.cascade.stage import Stage
from framefall.data import loader
from framefall.data.clip import Clip
from framefall.data.folder import Folder
from framefall.data.loader import Source
from framefall.diffusion.loss import Counts
from framefall.models.precision import autocast
from framefall.noise import Key, normal
from framefall.progress import Note
from framefall.train import objective
from framefall.train.conditions import EXACTLY, structures
from framefall.train.recipe import StageRecipe
from framefall.train.trend import Measurement, Trend, trend
from framefall.video import Scores, Video

CLIPS = 16
FEWEST = 4  # where a run trains on hardly any
DRAWS = 2  # of time and noise a clip
COST = 0.02  # of the training time, at most; the measurement at the end comes on top
GROWTH = 1.3  # the time between two measurements grows with the time spent ...
LONGEST = 30.0  # ... up to these minutes
LOOK_AT = 0.8  # the time at which a base is asked for a clip: what is there shows through, and nothing more


@runtime_checkable
class Trainee(Protocol):
    """What is trained: a stage, or another network in the place of the stage's."""

    @property
    def name(self) -> str:
        """The stage in whose recipe the batches and learning rates are."""
        ...

    @property
    def backbone(self) -> nn.Module:
        """The network that learns."""
        ...

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        ...


Loss = Callable[[Any, StageRecipe, Sequence[Clip], int, int], Scores]  # of a trainee on clips, by seed and step


@dataclass(frozen=True)
class HeldOut:
    """The clips that a stage is measured on."""

    clips: tuple[Clip, ...]
    kept_back: bool  # from training; or else the source keeps none, and these are trained on


@dataclass(frozen=True)
class HeldOutLoss(Note):
    """A measurement of the averaged weights, and where it is going."""

    stage: str
    step: int
    losses: tuple[float, ...]  # the training loss, one a clip
    # the logarithm of a clip's x0 error over that of a plain guess: super-resolution's prior, a base's mean colour
    errors: tuple[float, ...] = ()
    kept_back: bool = True
    trend: Trend | None = None
    relative: bool = False  # losses are logarithms of an error over the prior's

    @property
    def loss(self) -> float:
        """The mean over the clips."""
        return float(np.mean(self.losses))

    @property
    def error(self) -> float | None:
        """The error over the plain guess's, as a ratio: the geometric mean over the clips."""
        return math.exp(float(np.mean(self.errors))) if self.errors else None


def held_out(source: Folder | Source, part: StageRecipe, seed: int, count: int = CLIPS) -> HeldOut:
    """Up to `count` clips of the validation side; of training where nothing is kept back that a stage can use."""
    window = objective.window(part)
    kept = source.split("validation")
    if not isinstance(kept, Folder) or kept.shots:
        try:
            return HeldOut(tuple(loader.validation(kept, window, count, seed)), True)
        except ValueError:  # too short or too small for this stage
            pass
    return HeldOut(tuple(loader.validation(source.split("train"), window, count, seed)), False)


def losses(trainee: Trainee, part: StageRecipe, clips: Sequence[Clip], seed: int, loss: Loss) -> tuple[float, ...]:
    """The training loss of each clip with its caption, over draws that never change."""
    told, size = replace(part, text_dropout=0.0), _at_once(part)
    with torch.no_grad(), autocast(trainee.device):
        found = [
            torch.stack([loss(trainee, told, clips[first : first + size], seed, -1 - draw) for draw in range(DRAWS)])
            for first in range(0, len(clips), size)
        ]
    return tuple(torch.cat(found, dim=1).float().mean(0).tolist())


def errors(stage: Stage, part: StageRecipe, clips: Sequence[Clip], seed: int) -> tuple[float, ...]:
    """The logarithm of each clip's x0 error over that of a plain guess, after one call of the network.

    Super-resolution is asked from its start and measured against its prior. A base sees the clip through noise, at
    `LOOK_AT`, and is measured against the clip's mean colour: 0 is a network that has seen nothing in it.
    """
    found: list[Tensor] = []
    size = _at_once(part)
    for first in range(0, len(clips), size):
        some = clips[first : first + size]
        video, low = stage.task.example(objective.stack(some, stage.device))
        with torch.no_grad(), autocast(stage.device):
            x0 = stage.codec.encode(video)
            keys = [Key(seed, "held out", clip.key) for clip in some]
            known = stage.task.conditioning(low, video.shape[2])
            known = stage.codec.conditioning(replace(known, structure=structures(stage, video, keys, EXACTLY)))
            told = objective.describe(stage, replace(part, text_dropout=0.0), some, keys, video.shape[2])
            condition = stage.conditioned(told, known, torch.zeros(len(some), device=stage.device))
            noise = normal(keys, x0.shape[1:]).to(x0.device)
            there = objective.present(some, stage)
            plain = _mean_colour(x0, there) if known.prior is None else known.prior
            t = torch.full((len(some),), LOOK_AT if low is None else 1.0, device=stage.device)
            x_t = stage.process.add_noise(x0, stage.endpoint(noise, known), t)
            made = stage.x0(x_t, t, condition)
        ours, theirs = (
            objective.mean_error((one.float() - x0).square(), there) + objective.QUIET["l2"] for one in (made, plain)
        )
        found.append(torch.log(ours / theirs))
    return tuple(torch.cat(found).tolist())


def _mean_colour(x0: Video, there: Counts | None) -> Float[Tensor, "batch channels 1 1 1"]:
    """Of each clip, one value a channel: the mean of what is there."""
    if there is None:
        return x0.mean(dim=(2, 3, 4), keepdim=True)
    return (x0 * there).sum(dim=(2, 3, 4), keepdim=True) / there.sum(dim=(2, 3, 4), keepdim=True).clamp_min(1.0)


class Watch:
    """Measures a run's averaged weights at growing intervals, and writes down and tells what it found.

    Earlier sessions' measurements are read back from the run's journal. Nothing of this is part of a checkpoint.
    """

    def __init__(self, held_out: HeldOut, part: StageRecipe, seed: int, loss: Loss, log: Path, step: int) -> None:
        self.held_out, self.part, self.seed, self.loss = held_out, part, seed, loss
        rows = [row for row in _rows(log) if row["step"] <= step and len(row["losses"]) == len(held_out.clips)]
        self.before = {row["step"]: Measurement(row["step"], tuple(row["losses"]), row["cooling"]) for row in rows}
        self.last = max((row["minutes"] for row in rows), default=0.0)  # of training, when it was measured last
        self.spent = 0.0  # seconds of measuring ...
        self.calls = 0  # ... in this session
        self.since: float | None = None  # minutes of training when the session began

    def due(self, minutes: float, step_seconds: float) -> bool:
        """Whether a measurement now is late enough after the last, and cheap enough."""
        self.since = minutes if self.since is None else self.since
        ahead = minutes - self.last
        if ahead < min((GROWTH - 1) * self.last, LONGEST):
            return False
        expected = self.spent / self.calls if self.calls else self._guess(step_seconds)
        return self.spent + expected <= COST * 60 * max(minutes - self.since, ahead)

    def measure(self, trainee: Trainee, step: int, minutes: float, cooling: bool) -> tuple[HeldOutLoss, dict[str, Any]]:
        """The measurement, and its row for the journal; the trainee carries the averaged weights."""
        began = time.monotonic()
        clips = self.held_out.clips
        found = losses(trainee, self.part, clips, self.seed, self.loss)
        against = errors(trainee, self.part, clips, self.seed) if isinstance(trainee, Stage) else ()
        self.before[step] = Measurement(step, found, cooling)
        self.last, self.spent, self.calls = minutes, self.spent + time.monotonic() - began, self.calls + 1
        relative = isinstance(trainee, Stage) and trainee.task.relative_loss
        going = trend(list(self.before.values()), relative)
        made = HeldOutLoss("", trainee.name, step, found, against, self.held_out.kept_back, going, relative)
        made = replace(made, text=said(made))
        numbers: dict[str, Any] = {"held_out_loss": made.loss}
        if made.error is not None:
            numbers["held_out_error"] = made.error
        if going is not None:
            numbers["trend"] = going.said(self.held_out.kept_back)
        numbers |= {"errors": list(against)} if against else {}
        return made, numbers | {"losses": list(found), "minutes": minutes, "cooling": cooling}

    def _guess(self, step_seconds: float) -> float:
        """What the first measurement will take: a forward pass is a third of a clip's training."""
        calls = len(self.held_out.clips) * (DRAWS + 1)
        return step_seconds * ranks.world_size() * calls / (3 * self.part.batch)


def measured(log: Path, stage: str, kept_back: bool, step: int | None = None) -> HeldOutLoss | None:
    """The newest measurement that a run's journal has, of `step` if one is given; without a trend."""
    rows = [row for row in _rows(log) if step is None or row["step"] == step]
    if not rows:
        return None
    row = rows[-1]
    error = row.get("held_out_error")
    errors = row.get("errors") or ([math.log(error)] if error else [])
    return HeldOutLoss("", stage, row["step"], tuple(row["losses"]), tuple(errors), kept_back)


def said(found: HeldOutLoss) -> str:
    """A measurement as a sentence."""
    what = f"{math.exp(found.loss):.3f} of its prior's" if found.relative else f"{found.loss:.4f}"
    where = "held-out loss" if found.kept_back else "loss on fixed clips of the training set (none is held out)"
    text = f"{found.stage}, step {found.step:,}: {where} {what}"
    return text if found.trend is None else f"{text}, {found.trend.said(found.kept_back)}"


@contextmanager
def averaged(network: nn.Module, average: dict[str, Tensor]) -> Iterator[None]:
    """The network with its averaged weights, ready to be looked at; afterwards it is as it was, to the bit."""
    current = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    training = network.training
    network.load_state_dict(average)
    network.eval()
    try:
        yield
    finally:
        network.load_state_dict(current)
        network.train(training)


def _at_once(part: StageRecipe) -> int:
    """Clips that go through the network together: as many as in training."""
    return max(1, part.batch // part.accumulate // ranks.world_size())


def _rows(log: Path) -> list[dict[str, Any]]:
    """The journal's rows of measurements."""
    if not log.exists():
        return []
    found = []
    with open(log, encoding="utf-8") as lines:
        for line in lines:
            if '"held_out_loss"' in line:
                try:
                    row = json.loads(line)
                except ValueError:  # a killed writer's last line
                    continue
                if all(name in row for name in ("step", "losses", "minutes", "cooling")) and None not in row["losses"]:
                    found.append(row)
    return found
