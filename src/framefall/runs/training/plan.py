"""What a training will need before anybody pays for it: memory, operations, hours and cost of each stage.

For other machines it is counted: operations and kept activations on the meta device, rates and prices by the table of
machines. On this machine two throw-away steps of one and of two clips are timed, and the rest follows. The first steps
of a real run replace both.
"""

import json
import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from framefall import bounded, memory
from framefall.data.folder import Folder
from framefall.data.loader import Source
from framefall.models.counted import counted
from framefall.models.experts import ExpertsConfig
from framefall.models.registry import BackboneConfig, build
from framefall.recipes.machines import THIS, Machine, machine_of
from framefall.runs.training import estimate
from framefall.runs.training.probe import probe, product_rate, state_bytes
from framefall.runs.training.train import named
from framefall.train import objective
from framefall.train.recipe import Recipe, StageRecipe

Interval = tuple[float, float, float]  # low, expected, high

FIRST = 50  # steps of a real run that correct a plan
SPREAD = 0.25  # of a step's time that was measured by a probe: others use the machine as well
TOO_LONG = 60.0  # seconds of two steps on this machine beyond which they are counted instead
_OVERLAP = 0.5  # of a step's computing during which gradients travel


@dataclass(frozen=True, kw_only=True)
class StagePlan:
    """What a stage's training needs. Bytes are of one device."""

    parameters: int
    batch: int  # clips a step over all devices
    steps: int
    weights: float
    gradients: float
    optimiser: float
    average: float
    activations: float
    sharded: bool  # whether weights and what belongs to them are split among the devices
    memory: float
    fits: bool
    flops: float  # of a step, over all devices
    read: float  # bytes of pixels, of the whole training
    sent: float  # bytes that a device sends in a step
    step_seconds: Interval
    hours: Interval
    cost: Interval | None  # US dollars
    measured: bool = False  # by the first steps of a real run


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan of a recipe on a machine, with what it takes for granted."""

    recipe: str
    machine: str
    stages: dict[str, StagePlan]
    assumptions: list[str]

    @property
    def hours(self) -> Interval:
        """Of all stages, one after another."""
        low, middle, high = (sum(one.hours[at] for one in self.stages.values()) for at in range(3))
        return low, middle, high


def plan(
    recipe: Recipe | str,
    machine: str = THIS,
    *,
    source: Folder | Source | None = None,
    steps: int | None = None,
    price: float | None = None,
    run: str | Path | None = None,
) -> Plan:
    """Plans each stage of a recipe; `run` is MODEL.training of a run that was begun on that machine.

    Raises `ValueError` for a machine that nobody knows, or a run without steps.
    """
    recipe = named(recipe) if isinstance(recipe, str) else recipe
    target = None if machine == THIS else machine_of(machine, price)
    stages = {}
    for name, part in recipe.stages.items():
        part = part if steps is None else replace(part, steps=steps)
        stages[name] = _counted_plan(part, target) if target else _probed_plan(name, part, recipe.seed)
        if run is not None and (seconds := first_steps(Path(run) / name)):
            stages[name] = _corrected(stages[name], part, seconds, target)
    if run is not None and not any(one.measured for one in stages.values()):
        raise ValueError(f"--run must be MODEL.training of a run that has done some steps, got {run}; leave it out")
    return Plan(recipe=recipe.name, machine=machine, stages=stages, assumptions=list(_assumed(recipe, target, source)))


def _grid(part: StageRecipe) -> tuple[int, int, int]:
    config = part.stage
    frames = config.task.least_frames if config.task.time_factor > 1 else config.shape.frames
    grid = (frames, config.shape.height, config.shape.width)
    return grid if config.latent is None else config.latent.latent_shape(*grid)


def _counted(part: StageRecipe) -> tuple[int, float, int]:
    """Parameters, operations of a training step's clip there and back, and what the clip keeps for the way back."""
    bridged, times = part.stage.task.bridge is not None, objective.noisiest(part)
    parameters, forward, kept = counted(part.stage.backbone, _grid(part), bridged=bridged, times=times)
    return parameters, _passes(part.stage.backbone) * forward, kept


def _passes(network: BackboneConfig) -> int:
    parts = [one for one, _ in network.asked([])] if isinstance(network, ExpertsConfig) else [network]
    return 4 if any(getattr(one, "checkpoint_activations", False) for one in parts) else 3


def _counted_plan(part: StageRecipe, machine: Machine) -> StagePlan:
    device = machine.device
    parameters, a_clip, kept = _counted(part)
    with torch.device("meta"):
        weights, moments = state_bytes(build(part.stage.backbone), part)
    batch = max(part.batch, machine.count)  # a device has at least one clip
    steps = max(1, math.ceil(part.steps * part.batch / batch))
    own = math.ceil(batch / machine.count / part.accumulate)
    flops = a_clip * batch
    activations = kept / 2 * own  # counted in float32, kept in bfloat16
    state = 3 * weights + moments
    sharded = machine.count > 1 and (part.sharding == "full" or state + activations > 0.9 * device.memory)
    held = state / machine.count if sharded else state
    share = (machine.count - 1) / machine.count
    sent = (3 if sharded else 2) * weights * share
    seconds = []
    for used in reversed(device.used):
        computing = flops / machine.count / (device.flops * used)
        updating = 2 * held / device.bandwidth
        seconds.append(computing + updating + max(0.0, sent / machine.link - _OVERLAP * computing))
    return _plan(
        part,
        batch=batch,
        steps=steps,
        parameters=parameters,
        parts=(weights, moments, activations),
        sharded=sharded,
        memory_=held + activations,
        room=device.memory,
        flops=flops,
        sent=sent,
        seconds=(seconds[0], seconds[1], seconds[2]),
        price=None if device.price is None else device.price * machine.count,
        divisor=machine.count if sharded else 1,
    )


def _probed_plan(name: str, part: StageRecipe, seed: int) -> StagePlan:
    parameters, a_clip, kept = _counted(part)
    with torch.device("meta"):
        weights, moments = state_bytes(build(part.stage.backbone), part)
    own, rate = part.batch // part.accumulate, product_rate()
    if a_clip * 3 / rate > TOO_LONG or parameters * 24 > memory.free():
        each = a_clip * part.batch / rate
        seconds: Interval = (1.2 * each, 2 * each, 4 * each)
        activations: float = kept * own
        total = 3 * weights + moments + activations
    else:
        found = probe(name, part, seed)
        expected = found.seconds(part.batch)
        seconds = ((1 - SPREAD) * expected, expected, (1 + SPREAD) * expected)
        activations = found.kept * own
        total = found.nbytes(own)
    return _plan(
        part,
        batch=part.batch,
        steps=part.steps,
        parameters=parameters,
        parts=(weights, moments, activations),
        sharded=False,
        memory_=total,
        room=memory.free(),
        flops=a_clip * part.batch,
        sent=0.0,
        seconds=seconds,
        price=None,
        divisor=1,
    )


def _plan(
    part: StageRecipe,
    *,
    batch: int,
    steps: int,
    parameters: int,
    parts: tuple[float, float, float],
    sharded: bool,
    memory_: float,
    room: float,
    flops: float,
    sent: float,
    seconds: Interval,
    price: float | None,
    divisor: int,
) -> StagePlan:
    weights, moments, activations = parts
    shape, task = part.stage.shape, part.stage.task
    clip = shape.channels * task.example_frames(shape.frames) * shape.height * shape.width
    low, middle, high = (steps * one / 3600 for one in seconds)
    return StagePlan(
        parameters=parameters,
        batch=batch,
        steps=steps,
        weights=weights / divisor,
        gradients=weights / divisor,
        optimiser=moments / divisor,
        average=weights / divisor,
        activations=activations,
        sharded=sharded,
        memory=memory_,
        fits=memory_ <= room,
        flops=flops,
        read=float(clip) * batch * steps,
        sent=sent,
        step_seconds=seconds,
        hours=(low, middle, high),
        cost=None if price is None else (low * price, middle * price, high * price),
    )


def first_steps(folder: Path) -> list[float]:
    """Seconds of a clip in the first steps of a real run, by its log, the very first ones left out."""
    try:
        lines = bounded.read(folder / "log.jsonl", bounded.TABLE).splitlines()
    except (OSError, ValueError):
        return []
    rates = []
    for line in lines[: 4 * FIRST]:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and row.get("step", 0) <= FIRST and isinstance(row.get("clips_a_second"), int | float):
            rates.append(1 / max(1e-9, row["clips_a_second"]))
    return rates[min(3, max(0, len(rates) - 1)) :]


def _corrected(found: StagePlan, part: StageRecipe, clips: list[float], machine: Machine | None) -> StagePlan:
    """The plan with the time of the real steps, and their middle half as its interval."""
    low, middle, high = statistics.quantiles(clips, n=4) if len(clips) > 1 else clips * 3
    seconds: Interval = (low * found.batch, middle * found.batch, high * found.batch)
    hours = tuple(found.steps * one / 3600 for one in seconds)
    price = None if machine is None or machine.device.price is None else machine.device.price * machine.count
    cost = None if price is None else (hours[0] * price, hours[1] * price, hours[2] * price)
    return replace(found, step_seconds=seconds, hours=(hours[0], hours[1], hours[2]), cost=cost, measured=True)


def _assumed(recipe: Recipe, machine: Machine | None, source: Folder | Source | None) -> Iterator[str]:
    """What the plan takes for granted, in sentences."""
    yield "a backward pass costs two forward passes, and a third where activations are made again"
    for name, part in recipe.stages.items():
        if isinstance(network := part.stage.backbone, ExpertsConfig):
            times = objective.noisiest(part)
            shares = " + ".join(f"{len(own) / len(times):.0%}" for _, own in network.asked(times))
            yield (
                f"{shares} of the clips of {name} are its experts', the noisiest first, as its times are drawn; memory"
                " is of a step whose clips are all of the largest one"
            )
    yield "an autoencoder's training and encoding, checkpoints and measuring are not counted"
    if machine is None:
        yield f"a step is what two throw-away steps say on this machine, give or take {SPREAD:.0%}; clips are ready"
    else:
        device = machine.device
        low, middle, high = device.used
        yield (
            f"{machine.count} devices of {device.flops / 1e12:.0f} TFLOP/s (bfloat16, dense), of which training uses"
            f" {low:.0%} to {high:.0%}, {middle:.0%} expected; {device.memory / 1e9:.0f} GB at"
            f" {device.bandwidth / 1e12:.2f} TB/s"
        )
        yield f"a device sends {machine.link / 1e9:.0f} GB/s, and half of a step's computing hides it"
        yield "what a host needs to start a step's kernels is not counted: with small networks devices wait for that"
        yield "every device has at least one clip of a step: the batch grows to that, and steps become fewer"
        yield "what does not fit is split among the devices (sharding=full); activations are in bfloat16"
        if device.price is not None:
            yield f"{device.price:g} US dollars an hour and device ({device.priced})"
    for name, part in recipe.stages.items():
        if source is not None and (count := estimate.pieces(source, part, recipe.seed)):
            yield f"{name} has {count:,} different clips, seen {part.steps * part.batch / count:,.1f} times each"
