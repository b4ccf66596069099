"""Which stage of a cascade is to blame for which fault?

Each stage is fed real video and then what the stage below made. What it adds to its input is compared with what a
perfect stage adds to the same real input: the truth itself, and truths with harmless changes (placebos). A stage is
blamed where it adds more, on average and surely, than 98 % of those. On real input the fault is its own; on
generated input alone, it is that it does not cope with what comes from below. A base stage has no input, so its clips
are compared with real ones of its size.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from framefall.cascade.cascade import Cascade, finished
from framefall.cascade.request import Quality, Request
from framefall.evaluate.certify.validity import threshold
from framefall.evaluate.metrics.suite import NamedVideo
from framefall.evaluate.stages.faults import QUANTITIES, SHIFTS, Quantity, Yardstick, measure_quantities
from framefall.flow import SingleVideo
from framefall.metric import interval
from framefall.noise import Key, normal
from framefall.video import Video, from_pixels, resize, to_pixels

Input = Literal["real", "generated", "none"]
AnyClip = Float[Tensor, "1 channels _ _ _"]
Trace = Sequence[AnyClip]  # one generated clip, as the base and then each stage made it

BASE = "base"
GRAIN, CONTRAST = 0.02, 0.97  # of the placebos
# below this nobody sees a difference: of the 0..1 range, heights, pixels, or as each quantity says
LEAST = {
    "stutter": 0.1,
    "cadence": 0.1,
    "jitter": 0.002,
    "blur": 0.05,
    "grain": 0.05,
    "leap": 0.01,
    "displacement": 0.1,
}
LEAST_OTHER = 1 / 255


@dataclass(frozen=True)
class Link:
    """A super-resolution stage: a callable, and by how much it multiplies frames and sides.

    It is given frames and their rate; of n frames it makes (n - 1) * `time` + 1 or more.
    """

    name: str
    run: Callable[[AnyClip, float], AnyClip]
    time: int = 1
    space: int = 1


@dataclass(frozen=True)
class Added:
    """How much of a fault one stage adds on one kind of input, over all clips."""

    stage: str
    input: Input
    quantity: str
    value: float  # mean; NaN where no clip could be measured
    low: float  # of the 95 % interval
    high: float
    n: int
    limit: float  # what 98 % of perfect stages and placebos stay below, and what nobody sees
    excess: float  # (value - limit) / (limit - what a perfect stage adds): above 0 it is a fault

    @property
    def guilty(self) -> bool:
        """More than can be excused, surely."""
        return self.n > 0 and self.low > self.limit


@dataclass(frozen=True)
class Blamed:
    """A fault and who brings it in."""

    fault: str
    stage: str
    own: bool  # it does so on real input, or has no input; otherwise only on what comes from below
    excess: float

    def __str__(self) -> str:
        how = "by itself" if self.own else "on generated input only"
        return f"{self.stage} adds {self.fault} {how} ({self.excess:.1f} times the excusable spread beyond the limit)"


@dataclass(frozen=True)
class Blame:
    """All rows, and the verdicts: a fault's own makers first, the worst first."""

    rows: tuple[Added, ...]
    verdicts: tuple[Blamed, ...]

    def guilty(self, fault: str) -> str:
        """The stage that is most to blame for a fault by itself; empty if none is."""
        return next((one.stage for one in self.verdicts if one.fault == fault and one.own), "")


def blame(
    links: Sequence[Link],
    real: Iterable[NamedVideo],
    traces: Iterable[Trace],
    fps: float,
    quantities: Mapping[str, Quantity] = QUANTITIES,
    seed: int = 0,
) -> Blame:
    """Real clips are of the size and rate that the last stage makes, and `traces` begin at `fps` frames a second.

    `quantities` may hold more, such as `faults.law("continuity")`.
    """
    table = _Table()
    true_colours, colours = [], []
    for name, video, rate in real:
        levels = shrunk(links, video, name)
        rate /= math.prod(link.time for link in links)
        true_colours.append(_colour(levels[0]))
        for kind, clip in placebos(levels[0], Key(seed, "blame", name)).items():
            table.pool(BASE, measure_quantities(clip, rate, quantities), kind)
        for link, given, truth in zip(links, levels, levels[1:], strict=False):
            yardstick = Yardstick(given, link.time, link.space, rate, quantities)
            for kind, clip in placebos(truth, Key(seed, f"blame/{link.name}", name)).items():
                table.pool(link.name, yardstick.added(clip), kind)
            table.count(link.name, "real", yardstick.added(link.run(given, rate)))
            rate *= link.time
    if not true_colours:
        raise ValueError("stages are judged by real clips, got none; give some")
    for trace in traces:
        if len(trace) != len(links) + 1:
            raise ValueError(f"a trace must hold the base's clip and one a stage, got {len(trace)} for {len(links)}")
        table.count(BASE, "none", measure_quantities(trace[0], fps, quantities))
        colours.append(_colour(trace[0]))
        rate = fps
        for link, given, made in zip(links, trace, trace[1:], strict=False):
            judged = given[:, :, : (made.shape[2] - 1) // link.time + 1]  # a clip may end before a given frame
            yardstick = Yardstick(judged, link.time, link.space, rate, quantities)
            table.count(link.name, "generated", yardstick.added(made))
            rate *= link.time
    usual = np.median(true_colours, axis=0)
    for colour in true_colours:
        table.pool(BASE, {"colour shift": float(np.abs(colour - usual).mean())}, "truth")
    for colour in colours:
        table.count(BASE, "none", {"colour shift": float(np.abs(colour - usual).mean())})
    rows = tuple(table.rows(seed))
    return Blame(rows, _verdicts(rows))


def cascade_links(cascade: Cascade, quality: Quality = "fast", seed: int = 0) -> tuple[Link, ...]:
    """The super-resolution stages of a cascade, each alone; they trust their input, as they do a real video."""

    def link(name: str, time: int, space: int) -> Link:
        def run(video: SingleVideo, fps: float) -> AnyClip:
            events = cascade.upscale(iter([video]), stages=[name], fps=fps, seed=seed, quality=quality)
            return torch.cat(list(finished(events, name)), dim=2).float().cpu()

        return Link(name, run, time, space)

    found = [(stage.name, stage.task) for stage in cascade.stages if stage.task.super_resolution]
    return tuple(link(name, task.time_factor, task.space_factor) for name, task in found)


def cascade_traces(
    cascade: Cascade, captions: Sequence[str | None], quality: Quality = "fast", seed: int = 0
) -> Iterator[Trace]:
    """What each stage of a cascade makes of each caption, as it generates: one clip at a time."""
    for index, caption in enumerate(captions):
        windows: dict[str, list[Video]] = {stage.name: [] for stage in cascade.stages}
        for event in cascade.stream(Request(caption, seed=seed, quality=quality, names=(str(index),))):
            if event.stage is not None and event.video is not None:
                windows[event.stage.name].append(event.video)
        yield [torch.cat(parts, dim=2).float().cpu() for parts in windows.values()]


def shrunk(links: Sequence[Link], video: SingleVideo, name: str = "") -> list[Tensor]:
    """A real clip as each stage's input should be, from the base's size to the last stage's."""
    time, space = math.prod(link.time for link in links), math.prod(link.space for link in links)
    frames = (video.shape[2] - 1) // time * time + 1
    height, width = (side // space * space for side in video.shape[-2:])
    if frames < 2 * time + 1 or not (height and width):
        raise ValueError(
            f"clip {name} must have at least {2 * time + 1} frames and {space} pixels a side,"
            f" got {list(video.shape[2:])}"
        )
    levels: list[Tensor] = [video[:, :, :frames, :height, :width]]
    for link in reversed(links):
        large = levels[0][:, :, :: link.time]
        levels.insert(0, resize(large, large.shape[-2] // link.space, large.shape[-1] // link.space, "area"))
    return levels


def placebos(video: SingleVideo, key: Key) -> dict[str, Tensor]:
    """A clip and what no one would call a fault: a little grain in 8 bits, a little less contrast."""
    noise = normal([key], video.shape[1:]).to(video)
    grain = from_pixels(to_pixels(video + GRAIN * noise)).to(video)
    return {"truth": video, "grain": grain, "contrast": CONTRAST * video}


class _Table:
    """Values by stage, input and quantity, and what is excusable."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, Input, str], list[float]] = {}
        self.pools: dict[tuple[str, str], dict[str, list[float]]] = {}

    def pool(self, stage: str, measured: Mapping[str, float], kind: str) -> None:
        for quantity, value in measured.items():
            self.pools.setdefault((stage, quantity), {}).setdefault(kind, []).append(value)

    def count(self, stage: str, given: Input, measured: Mapping[str, float]) -> None:
        for quantity, value in measured.items():
            self.values.setdefault((stage, given, quantity), []).append(value)

    def rows(self, seed: int) -> Iterator[Added]:
        for (stage, given, quantity), values in self.values.items():
            pool = self.pools.get((stage, quantity), {})
            true = [value for value in pool.get("truth", []) if not math.isnan(value)]
            usual = float(np.median(true)) if true else math.nan
            if stage != BASE and quantity != "blur":  # detail must be added; of all else, nothing is enough
                usual = max(usual, 0.0)
            limit = max(threshold(list(pool.values()), "lower"), usual + LEAST.get(quantity, LEAST_OTHER))
            mean = interval(values, seed)
            excess = (mean.value - limit) / (limit - usual)
            yield Added(stage, given, quantity, mean.value, mean.low, mean.high, mean.n, limit, excess)


def _colour(video: SingleVideo) -> Float[np.ndarray, " channels"]:
    """The mean colour of a clip, 0..1."""
    mean: np.ndarray = video[0].double().mean(dim=(1, 2, 3)).add(1).mul(0.5).cpu().numpy()
    return mean


def _verdicts(rows: Sequence[Added]) -> tuple[Blamed, ...]:
    guilty = [row for row in rows if row.guilty]
    own = {(row.stage, row.quantity) for row in guilty if row.input != "generated"}
    found = [
        Blamed(row.quantity, row.stage, row.input != "generated", row.excess)
        for row in guilty
        if row.input != "generated" or (row.stage, row.quantity) not in own
    ]
    order = {name: place for place, name in enumerate((*QUANTITIES, *SHIFTS))}
    return tuple(sorted(found, key=lambda one: (order.get(one.fault, len(order)), not one.own, -one.excess)))
