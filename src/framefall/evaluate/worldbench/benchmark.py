"""The world benchmark: does a model obey physics where every answer is known?

Cases are examples of simulated worlds. A predictor makes a clip for each; the clip goes through the tracker, the laws
are read off the tracks, and the score says where between a trivial predictor (0) and the renderer (100) it stands. All
references go through the same pixels, the same tracker and the same laws.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float

from framefall.evaluate.metrics import coherence, motion
from framefall.evaluate.metrics.cadence import cadence
from framefall.evaluate.worldbench.references import TRIVIAL, Memory
from framefall.flow import Motion, look
from framefall.metric import Interval, interval
from framefall.noise import Key
from framefall.physics.laws import LAWS, LawScore, laws
from framefall.physics.score import Anchor, LawRow, PhysicsScore, floor_of, physics_score, strict_pass
from framefall.physics.static_shapes import StaticShape
from framefall.physics.truth import Truth, project
from framefall.tracking.known_scene import KnownScene
from framefall.tracking.tracker import track
from framefall.tracking.trajectory import Tracks
from framefall.video import Video, from_pixels
from framefall.worlds.render.renderer import View, render
from framefall.worlds.scene import Scene
from framefall.worlds.state import Appearance, StateLog, frame_times
from framefall.worlds.world import World

MINI = ("projectile", "collision", "pendulum", "occluder", "double_drop")
SPLITS = ("id", "ood-near", "ood-far", "comb", "horizon")
FLOORS = ("copy_last", "random_training")  # the best of them is 0


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a benchmark is run: two runs of one protocol can be compared."""

    scenarios: tuple[str, ...] = MINI
    clips: int = 12  # a scenario in the id split; half as many in the others
    frames: int = 16  # of a clip; twice as many in the horizon split
    fps: float = 6.0
    size: int = 32  # pixels a picture height
    given: int = 3  # first frames that a predictor is shown
    training: int = 2000  # training examples that retrieval may know
    seed: int = 0
    version: int = 1  # of the worlds: what sizes their words stand for

    def count(self, split: str) -> int:
        """Clips a scenario."""
        return self.clips if split == "id" else max(1, self.clips // 2)


@dataclass(frozen=True, eq=False)
class Case:
    """One clip to make."""

    name: str
    split: str
    log: StateLog
    protocol: Protocol

    @property
    def scenario(self) -> str:
        """Its scenario."""
        return self.log.scene.attributes.scenario

    @property
    def frames(self) -> int:
        """How many frames it has: as many as the scene lasts, at most."""
        most = round(self.log.scene.seconds * self.protocol.fps) + 1
        return min(most, self.protocol.frames * (2 if self.split == "horizon" else 1) - (self.split == "horizon"))

    @property
    def times(self) -> Float[np.ndarray, " frames"]:
        """Its frames' moments."""
        return frame_times(self.frames, self.protocol.fps)

    @property
    def view(self) -> View:
        """Its picture."""
        size = self.protocol.size
        return View(size, round(size * self.log.scene.width))

    @cached_property
    def video(self) -> Video:
        """The right answer, as the renderer shows it."""
        return self.drawn(self.log)

    @cached_property
    def truth(self) -> Truth:
        """What the laws know of it."""
        return project(
            self.log, self.frames, self.protocol.fps, self.view.height, self.view.width, given=self.protocol.given
        )

    @cached_property
    def known(self) -> KnownScene:
        """What the tracker is told: the scene without its bodies."""
        scene = self.log.scene
        still = replace(scene, fixtures=tuple(one for one in scene.fixtures if one.follows is None))
        gone: dict[str, tuple[Appearance, ...]] = {
            body.name: (Appearance(0.0, body.colour, body.shape, body.radius, shown=False),) for body in scene.bodies
        }
        moving = any(scene.camera.velocity)
        empty = replace(self.log, scene=still, looks=gone)
        times = self.times if moving else self.times[:1]
        return KnownScene(
            background=from_pixels(render([empty], [times], self.view)),
            occluders=tuple(_box(one) for one in self.truth.screens),
            objects=len(scene.bodies),
            camera=self.truth.camera,
        )

    @property
    def shown(self) -> Float[np.ndarray, " given"]:
        """The moments of the given frames."""
        return self.times[: self.protocol.given]

    def drawn(self, log: StateLog) -> Video:
        """Another log through the same renderer at the same moments."""
        return from_pixels(render([log], [self.times], self.view))


@dataclass(frozen=True, eq=False)
class Verdict:
    """What one clip is worth."""

    case: Case
    laws: dict[str, LawScore]
    rows: list[LawRow]
    tracks: Tracks
    flicker: float
    stutter: float


Predictor = Callable[[Case], Video]


def cases(protocol: Protocol, split: str) -> Iterator[Case]:
    """The clips of a split, the same on every machine."""
    for scenario in protocol.scenarios:
        world = World((scenario,), split, seed=protocol.seed, version=protocol.version)
        for index in range(protocol.count(split)):
            yield Case(f"{scenario}/{split}/{index}", split, world.log(index), protocol)


def judge(case: Case, video: Video) -> Verdict:
    """Tracks, laws and gates of one clip."""
    if video.shape[2:] != case.video.shape[2:]:
        raise ValueError(
            f"the clip of {case.name} must have frames, height and width {list(case.video.shape[2:])},"
            f" got {list(video.shape[2:])}"
        )
    found = track(video, case.protocol.fps, scene=case.known)
    scores = laws(found, case.truth)
    seen, real = look(video, case.protocol.fps), look(case.video, case.protocol.fps)
    ratio, right = _ratio(seen, real), _count_right(found, case.truth)
    rows = [
        LawRow(case.name, case.scenario, name, score.value, score.coverage, right, ratio)
        for name, score in scores.items()
    ]
    return Verdict(case, scores, rows, found, float(coherence.flicker(seen)), cadence(seen.frames).stutter)


def references(protocol: Protocol) -> dict[str, Predictor]:
    """What every score stands beside. `random_training` is any training clip of the scenario: it knows only that."""
    memories: dict[str, Memory] = {}

    def memory(case: Case) -> Memory:
        if case.scenario not in memories:
            world = World((case.scenario,), "train", seed=protocol.seed, version=protocol.version)
            count = max(1, protocol.training // len(protocol.scenarios))
            memories[case.scenario] = Memory(tuple(world.log(index) for index in range(count)))
        return memories[case.scenario]

    def any_one(case: Case) -> Video:
        logs = memory(case).logs
        return case.drawn(_lasting(logs[Key(protocol.seed, "random training", case.name).integer(len(logs))], case))

    trivial: dict[str, Predictor] = {
        name: lambda case, predict=predict: case.drawn(predict(case.log, case.shown))  # type: ignore[misc]
        for name, predict in TRIVIAL.items()
    }
    return {
        "renderer": lambda case: case.video,
        "nearest_training": lambda case: case.drawn(_lasting(memory(case).nearest(case.log, case.shown), case)),
        **trivial,
        "random_training": any_one,
    }


def anchors(verdicts: Mapping[str, Sequence[Verdict]]) -> dict[tuple[str, str], Anchor]:
    """0 and 1 of every law in every scenario of one split, from the references' verdicts."""
    table = {name: _errors(verdicts[name]) for name in ("renderer", *FLOORS)}
    found = {}
    for place, ceiling in table["renderer"].items():
        floor = floor_of({name: table[name].get(place, []) for name in FLOORS})
        known = [error for error in ceiling if not math.isnan(error)]
        if known and not math.isnan(floor):
            found[place] = Anchor(floor, float(np.median(known)))
    return found


@dataclass(frozen=True)
class Summary:
    """One predictor on one split, in the benchmark's own words."""

    physics: PhysicsScore
    values: dict[str, Interval]


def summary(
    verdicts: Sequence[Verdict],
    real: Sequence[Verdict],
    levels: Mapping[tuple[str, str], Anchor],
    seed: int = 0,
) -> Summary:
    """The scores of one predictor; `real` are the renderer's verdicts on the same cases, in the same order."""
    rows = [row for verdict in verdicts for row in verdict.rows]
    physics = physics_score(rows, levels, seed)
    gravity = LAWS["gravity"]
    pairs = list(zip(verdicts, real, strict=True))
    flickers = [one.flicker / other.flicker if other.flicker > 0 else math.nan for one, other in pairs]
    columns = {
        "permanence": _values(verdicts, "permanence"),
        "relative_velocity_error": _values(verdicts, "velocity_error"),
        "gravity_within_10_percent": [
            math.nan if math.isnan(value) else float(gravity.passes(value)) for value in _values(verdicts, "gravity")
        ],
        "reappearance": [_comes_back(verdict) for verdict in verdicts],
        "flicker_over_real": flickers,
        "stutter": [verdict.stutter for verdict in verdicts],
        "stutter_over_real": [one.stutter / other.stutter for one, other in pairs],
    }
    values = {name: interval(column, seed) for name, column in columns.items()}
    return Summary(physics, {"physics_score": physics.score, "strict_pass": strict_pass(rows, seed), **values})


def _comes_back(verdict: Verdict) -> float:
    """Whether what was hidden comes back where it should and as it was; NaN where nothing is due."""
    place = verdict.laws["reappearance"].value
    passed = (LAWS[law].passes(verdict.laws[law].value) for law in ("reappearance", "reappearance_identity"))
    return math.nan if math.isnan(place) else float(all(passed))


def _values(verdicts: Sequence[Verdict], law: str) -> list[float]:
    return [verdict.laws[law].value for verdict in verdicts]


def _errors(verdicts: Sequence[Verdict]) -> dict[tuple[str, str], list[float]]:
    table: dict[tuple[str, str], list[float]] = {}
    for verdict in verdicts:
        for name, score in verdict.laws.items():
            table.setdefault((verdict.case.scenario, name), []).append(LAWS[name].error(score.value))
    return table


def _lasting(log: StateLog, case: Case) -> StateLog:
    """A training clip in the case's own surroundings, so that only what moves is judged."""
    scene: Scene = replace(log.scene, backdrop=case.log.scene.backdrop)
    return replace(log, scene=scene)


def _ratio(seen: Motion, real: Motion) -> float:
    """Motion over the right answer's; 1 where neither moves."""
    degrees = motion.dynamic_degree(seen), motion.dynamic_degree(real)
    if max(degrees) < STILL:
        return 1.0
    return degrees[0] / degrees[1] if degrees[1] > 0 else math.inf


STILL = 0.01  # heights a second: slower is standing still


def _count_right(found: Tracks, truth: Truth) -> bool:
    """Whether half of the judged frames or more show as many objects as they should."""
    due = sum((body.visible > 0.5).astype(int) for body in truth.bodies)
    counts = np.zeros(truth.frames, dtype=int)
    for one in found.objects:
        counts[one.frames] += 1
    shown = slice(truth.given, None)
    return bool(np.mean(np.abs(counts - due)[shown] <= _UNSURE * np.asarray(due)[shown]) >= 0.5)


_UNSURE = 0.25  # of many touching bodies so many may be told apart wrongly


def _box(screen: StaticShape) -> tuple[float, float, float, float]:
    corners = screen.corners
    thick = screen.thickness
    low, high = corners.min(axis=0) - thick, corners.max(axis=0) + thick
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
