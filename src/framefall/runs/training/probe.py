"""Throw-away steps of a stage on this machine: by what they take and hold a whole training is planned."""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from framefall import memory
from framefall.data.clip import Clip
from framefall.diffusion.times import LogitNormal
from framefall.models.experts import ExpertsConfig
from framefall.models.precision import autocast
from framefall.models.registry import build
from framefall.train import objective, optim
from framefall.train.loop import initial
from framefall.train.recipe import StageRecipe

_MOST, _QUICK = 4, 0.1  # clips of a throw-away step; four times as many where one takes less than so many seconds


@dataclass(frozen=True)
class Probe:
    """What a step costs on this machine, by two of them."""

    fixed: float  # seconds of a step whatever the batch
    a_clip: float  # seconds
    kept: float  # bytes that a clip keeps for the backward pass
    state: float  # bytes whatever the batch: weights, gradients, moments, averages and what libraries take
    growing: float  # bytes of a clip, with what comes and goes

    def seconds(self, batch: int) -> float:
        """Of a step of so many clips."""
        return self.fixed + self.a_clip * batch

    def nbytes(self, clips: int) -> float:
        """The most that such a step takes, with so many clips at a time."""
        return self.state + self.growing * clips


def together(parts: Sequence[tuple[Probe, float]], batch: int, shared: float) -> Probe:
    """Of experts in one network, each with its share of a batch's clips.

    `shared` are bytes that each has counted. A step without any clip of one does not update it. Of memory it is the
    most that a step can take, which is where all clips are of the one that keeps most.
    """
    probes = [one for one, _ in parts]
    states = [one.state for one in probes]
    return Probe(
        fixed=sum((1 - (1 - share) ** batch) * one.fixed for one, share in parts),
        a_clip=sum(share * one.a_clip for one, share in parts),
        kept=max(one.kept for one in probes),
        state=max(*states, sum(states) - (len(states) - 1) * shared),
        growing=max(one.growing for one in probes),
    )


def state_bytes(network: nn.Module, part: StageRecipe) -> tuple[float, float]:
    """Bytes of the weights, and of the optimisers' moments: two of AdamW, one of Muon, all in float32."""
    chosen = optim.optimizers(network, part.optim)
    moments = sum(
        (1 if isinstance(one, torch.optim.Muon) else 2) * 4 * weight.numel()
        for one in chosen
        for group in one.param_groups
        for weight in group["params"]
    )
    return 4 * sum(one.numel() for one in network.parameters()), moments


def product_rate(size: int = 1024) -> float:
    """Operations a second of a large product on this machine, in the number format that training uses."""
    with torch.no_grad(), autocast(torch.device("cpu")):
        one, other = torch.randn(size, size), torch.randn(size, size)
        one @ other
        began = time.process_time()
        one @ other
        return 2 * size**3 * torch.get_num_threads() / max(1e-6, time.process_time() - began)


def probe(name: str, part: StageRecipe, seed: int, clock: Callable[[], float] = time.perf_counter) -> Probe:
    """Throw-away steps of one clip and of a few, of random pixels: the faster and the larger of each counts.

    Of experts each is tried on clips of its own noise, and counts for its share of what training draws.
    """
    network = part.stage.backbone
    if not isinstance(network, ExpertsConfig):
        return _probe(name, part, seed, clock)
    with torch.device("meta"):
        weights, _ = state_bytes(build(network), part)
    times = objective.noisiest(part)
    asked = [(statistics.median(own), len(own) / len(times)) for _, own in network.asked(times) if own]
    parts = [(_probe(name, _always(part, time_), seed, clock), share) for time_, share in asked]
    return together(parts, part.batch, shared=2 * weights)


def _always(part: StageRecipe, time_: float) -> StageRecipe:
    """The stage as it learns at one time alone."""
    times = LogitNormal(pure_share=1.0, uniform_share=0.0)
    if time_ < 1:
        times = LogitNormal(mean=math.log(time_ / (1 - time_)), std=1e-6, uniform_share=0.0)
    return replace(part, stage=replace(part.stage, times=times), known=replace(part.known, shift=1.0))


def _probe(name: str, part: StageRecipe, seed: int, clock: Callable[[], float]) -> Probe:
    frames = part.stage.task.example_frames(part.stage.shape.frames)
    shape = (part.stage.shape.channels, frames, part.stage.shape.height, part.stage.shape.width)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    first = _Steps(name, part, seed, pixels, clock)  # loads what the others use
    first.take(1)
    seconds_of_one = first.take(1)
    del first
    before = memory.resident()
    steps = _Steps(name, part, seed, pixels, clock)
    many = max(1, min(part.batch, _MOST if seconds_of_one > _QUICK else 4 * _MOST))
    seconds, held = {}, {}
    for count in dict.fromkeys((1, many)):
        memory.forget_peak()
        steps.take(count)
        seconds[count] = min(steps.take(count), steps.take(count))
        highest = memory.peak()
        held[count] = None if before is None or highest is None else highest - before
    kept = steps.kept / many
    weights, moments = state_bytes(steps.network, part)
    a_clip = (seconds[many] - seconds[1]) / (many - 1) if many > 1 else seconds[1]
    a_clip = a_clip if a_clip > 0 else seconds[many] / many
    low, high = held[1], held[many]
    if low is None or high is None:  # the system does not say
        return Probe(max(0.0, seconds[many] - many * a_clip), a_clip, kept, 3 * weights + moments, kept)
    growing = max(0.0, high - low) / (many - 1) if many > 1 else kept
    return Probe(max(0.0, seconds[many] - many * a_clip), a_clip, kept, max(0.0, high - many * growing), growing)


class _Steps:
    """Training steps of a network that is thrown away, on the same random clip as often as it is asked."""

    def __init__(self, name: str, part: StageRecipe, seed: int, pixels: np.ndarray, clock: Callable[[], float]) -> None:
        self.stage, self.part, self.seed = initial(name, part, seed, torch.device("cpu")), part, seed
        self.network = self.stage.backbone.train()
        self.average = optim.AveragedWeights(self.network, part.optim.ema_width)
        self.optimizers = optim.optimizers(self.network, part.optim)
        self.pixels, self.clock, self.done, self.kept = pixels, clock, 0, 0

    def take(self, count: int) -> float:
        """Seconds of a step of so many clips; `kept` then has the bytes that it kept for its backward pass."""
        rate = self.part.stage.shape.fps
        clips = [Clip(self.pixels, "a ball falls", None, rate, str(at)) for at in range(count)]
        began = self.clock()
        with _keeping(self.network) as found, autocast(self.stage.device):
            loss = objective.loss(self.stage, self.part, clips, self.seed, self.done).mean()
        self.kept = sum(found.values())
        found.clear()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.part.optim.clip_norm)
        for one in self.optimizers:
            one.step()
            one.zero_grad(set_to_none=True)
        self.average.update(self.network)
        self.done += 1
        return self.clock() - began


@contextmanager
def _keeping(network: nn.Module) -> Iterator[dict[int, int]]:
    """Bytes that are kept for the backward pass, by where they lie, but for weights."""
    own = {one.untyped_storage().data_ptr() for one in network.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield kept
