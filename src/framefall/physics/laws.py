"""The laws: each a number of one clip, with what a reader must know to judge it.

A law that does not apply is NaN, with the reason. A law that applies, and whose objects are missing or do nothing of
what they should, fails with its worst value: absence is failure. Without a scene a law is not measurable where less
than `COVERAGE` of the due object-frames was seen.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from framefall.metric import Better
from framefall.physics import (
    adherence,
    appearance,
    collisions,
    flight,
    occlusion,
    outcome,
    permanence,
    reference,
    unitfree,
)
from framefall.physics.evidence import Evidence, Finding, gather
from framefall.physics.truth import Truth
from framefall.tracking.trajectory import COVERAGE, Tracks
from framefall.worlds.scene import Attributes

Needs = Literal["video", "state", "text"]

MISSING = 0.5  # of its due frames: a body that is seen in fewer is missing
_FLIGHTS = ("fall", "projectile", "double_drop")
_FREE = (*_FLIGHTS, "uniform", "occluder")
_MEET = ("collision", "billiards")
_MOVE = (*_FREE, *_MEET, "pendulum", "ramp", "occluder_bounce")
_ALL = (*_MOVE, "stack", "pour", "light")


@dataclass(frozen=True)
class LawScore:
    """One law's number for one clip."""

    value: float  # NaN if it does not apply or cannot be measured
    coverage: float  # share of the due object-frames that were seen, 0..1; of the worst object if the scene is known
    reason: str = ""  # why it is NaN, or what there is to say of the value


@dataclass(frozen=True)
class Law:
    """A pure function of a clip's tracks, and of its scene where that is known."""

    name: str
    function: Callable[[Evidence], Finding]
    unit: str
    better: Better
    range: tuple[float, float]
    needs: Needs  # at least
    scenarios: tuple[str, ...]  # in which it counts for the physics score
    applies: tuple[str, ...]  # in which it is a law at all
    strict: float | None  # the worst value that passes
    description: str  # one line

    @property
    def worst(self) -> float:
        """The value of a clip that fails it altogether."""
        return self.range[0] if self.better == "higher" else self.range[1]

    def error(self, value: float) -> float:
        """How far a value is from perfect, at least 0."""
        return self.range[1] - value if self.better == "higher" else value

    def passes(self, value: float) -> bool:
        """Whether a value is within the strict threshold; NaN, which is not due, is."""
        if self.strict is None or math.isnan(value):
            return True
        return value >= self.strict if self.better == "higher" else value <= self.strict


def _law(
    name: str,
    function: Callable[[Evidence], Finding],
    unit: str,
    most: float,
    needs: Needs,
    scenarios: tuple[str, ...],
    strict: float | None,
    description: str,
    better: Better = "lower",
    applies: tuple[str, ...] = (),
) -> Law:
    return Law(
        name, function, unit, better, (0.0, most), needs, scenarios, applies or scenarios or _ALL, strict, description
    )


_10_PERCENT = math.log(1.1)
_LAWS = (
    _law("permanence", permanence.permanence, "share", 1.0, "video", _ALL, 0.999,
         "what is due is seen, and nothing comes from nowhere", "higher"),
    _law("continuity", permanence.continuity, "diameters", permanence.JUMP, "video", _MOVE, 0.5,
         "largest miss of a constant acceleration's prediction, outside contacts"),
    _law("gravity", flight.gravity, "|ln g/g_true|", flight.FLAT, "video", _FLIGHTS, _10_PERCENT,
         "downward acceleration in free flight; its spread where the true one is not known"),
    _law("ballistic", flight.ballistic, "diameters", 3.0, "video", _FREE, 0.1,
         "deviation of ways between contacts from their parabolas, root mean square"),
    _law("sideways", flight.sideways, "of the speed", 2.0, "video", _FREE, 0.1,
         "change of the horizontal velocity between contacts"),
    _law("restitution", flight.restitution, "|e - e_true|", 1.0, "video", (*_FLIGHTS, *_MEET), 0.1,
         "speed kept by a bounce; only what is above 1 where the true one is not known"),
    _law("momentum", collisions.momentum, "of the momenta", 1.0, "video", _MEET, 0.1,
         "change of two objects' momentum in a collision"),
    _law("energy", collisions.energy, "of the energy", 3.0, "video", _MEET, 0.2,
         "kinetic energy that a collision leaves against the law of restitution; only a gain without a scene"),
    _law("solidity", collisions.solidity, "radii", collisions.TWICE, "video",
         (*_FLIGHTS, *_MEET, "ramp", "stack", "pour"), 0.25, "deepest overlap of two things"),
    _law("reappearance", occlusion.reappearance, "diameters", occlusion.FAR, "video", ("occluder", "occluder_bounce"),
         0.5, "how far from where it should something comes out from behind another; 10 for never"),
    _law("reappearance_time", occlusion.reappearance_time, "frames", 60.0, "video", ("occluder", "occluder_bounce"),
         None, "how much too early or late something comes out from behind another"),
    _law("reappearance_identity", occlusion.reappearance_identity, "bands", occlusion.FAR, "video",
         ("occluder", "occluder_bounce"), 0.0, "how much something has changed behind another"),
    _law("velocity_error", reference.velocity_error, "of the speed", reference.MOST, "state", _MOVE, None,
         "sum of |v - v_true| over that of |v_true| (RVE)"),
    _law("displacement", reference.displacement, "diameters", reference.MOST, "state", (), None,
         "mean distance from the true place (ADE)"),
    _law("final_displacement", reference.final_displacement, "diameters", reference.MOST, "state", (), None,
         "distance from the true place at the end (FDE)"),
    _law("pendulum_period", outcome.pendulum_period, "|ln T/T_true|", outcome.WORST, "state", ("pendulum",), 0.05,
         "the period that fits a swing best"),
    _law("rod_length", outcome.rod_length, "|ln L/L_true|", outcome.WORST, "state", ("pendulum",), _10_PERCENT,
         "a pendulum's distance from its pivot"),
    _law("pendulum_energy", outcome.pendulum_energy, "|ln E/E_0|", outcome.WORST, "state", ("pendulum",), 0.25,
         "gain or loss of a swing's energy"),
    _law("ramp", outcome.ramp, "|ln a/a_law|", outcome.WORST, "state", ("ramp",), _10_PERCENT,
         "acceleration down a slope, of what slides or rolls"),
    _law("outcome", outcome.outcome, "wrong", 1.0, "text", ("stack",), 0.0, "a stack stands or topples as it must"),
    _law("support", outcome.support, "share", 1.0, "state", (*_FLIGHTS, "stack"), 0.0,
         "object-frames in which something hangs in the air"),
    _law("lighting", appearance.lighting, "bands", appearance.MOST, "state", ("light",), 0.0,
         "a still object keeps its colour and place while the light wanders"),
    _law("identity", appearance.identity, "bands", appearance.MOST, "video", _ALL, 0.0,
         "change of colour, area and shape since the first frames, beyond what a new render changes"),
    _law("roughness", appearance.roughness, "diameters", 3.0, "video", (), None,
         "median second difference of ways: smoothness, no physics, and a lie wins it"),
    _law("adherence", adherence.adherence, "share", 1.0, "text", (), None,
         "attributes of the caption that the clip shows", "higher"),
    _law("galileo", unitfree.galileo, "|ln ratio|", unitfree.WORST, "video", (), None,
         "t1^2/t2^2 = h1/h2 for falls from rest, whatever the scale and the clock", applies=_FLIGHTS),
    _law("bounce_ratio", unitfree.bounce_ratio, "|ln ratio|", unitfree.WORST, "video", (), None,
         "bounces in a row keep one share of the speed", applies=(*_FLIGHTS, "billiards")),
    _law("equal_gravity", unitfree.equal_gravity, "|ln ratio|", unitfree.WORST, "video", (), None,
         "everything falls alike", applies=_FLIGHTS),
    _law("time_symmetry", unitfree.time_symmetry, "share", unitfree.WORST, "video", (), None,
         "a free flight is the same forwards and backwards", applies=_FLIGHTS),
)  # fmt: skip
LAWS: dict[str, Law] = {law.name: law for law in _LAWS}
_CONTACTS = {"restitution": ("bounce", "blow"), "momentum": ("blow",), "energy": ("blow",)}
# what happens behind a screen and nobody is told of
_UNSEEN = {("occluder_bounce", name) for name in ("reappearance", "reappearance_time")}


def laws(
    tracks: Tracks,
    truth: Truth | None = None,
    attributes: Attributes | None = None,
    names: tuple[str, ...] = tuple(LAWS),
    version: int = 1,
) -> dict[str, LawScore]:
    """Every law's number for one clip, of what was tracked, and of its scene and caption where they are known.

    `version` is that of the world whose words `attributes` are, where there is no scene to know it.
    """
    for name in names:
        if name not in LAWS:
            raise ValueError(f"a law must be one of {', '.join(LAWS)}; got {name!r}")
    evidence = gather(tracks, truth, attributes, version)
    if truth is None:
        return {name: _without_scene(LAWS[name], evidence) for name in names}
    shares = {
        body.name: found.share for found, (body, _) in zip(permanence.presences(evidence), evidence.bodies, strict=True)
    }
    missing = [name for name, share in shares.items() if share < MISSING]
    return {name: _with_scene(LAWS[name], evidence, min(shares.values()), missing) for name in names}


def _without_scene(law: Law, evidence: Evidence) -> LawScore:
    coverage = float(evidence.tracks.coverage)
    if law.needs == "state":
        return LawScore(math.nan, coverage, "the scene is not known")
    scenario = evidence.attributes.scenario if evidence.attributes is not None else None
    if scenario is not None and (scenario not in law.applies or (scenario, law.name) in _UNSEEN):
        return LawScore(math.nan, coverage, f"not a law of {scenario}, if nothing else is known of the scene")
    if not evidence.tracks.objects and law.name == "adherence" and evidence.attributes is not None:
        return LawScore(law.worst, coverage, "nothing of what was said is seen")
    if not evidence.tracks.measurable:
        share = f"{coverage:.0%} of the object-frames could be followed, {COVERAGE:.0%} must be"
        return LawScore(math.nan, coverage, f"not measurable: {share if evidence.tracks.objects else 'nothing moves'}")
    if not evidence.tracks.outlined and law.name != "roughness":
        return LawScore(math.nan, coverage, "not measurable: without a still background there are points, not objects")
    return _score(law, evidence, coverage)


def _with_scene(law: Law, evidence: Evidence, coverage: float, missing: list[str]) -> LawScore:
    assert evidence.truth is not None
    scenario = evidence.truth.attributes.scenario
    if scenario not in law.applies:
        return LawScore(math.nan, coverage, f"not a law of {scenario}")
    due, why = _ideal(evidence.truth, law.name)
    if math.isnan(due):
        return LawScore(math.nan, coverage, why)
    if missing and law.name != "permanence":
        return LawScore(law.worst, coverage, f"missing: {', '.join(missing)}")
    if law.name in _CONTACTS and not _happens(_ideal_evidence(evidence.truth), evidence, _CONTACTS[law.name]):
        return LawScore(law.worst, coverage, "the first contact of the scene does not happen")
    found = _score(law, evidence, coverage)
    if math.isnan(found.value):
        return LawScore(law.worst, coverage, f"it should be there to see, but {found.reason}")
    return found


def _happens(ideal: Evidence, evidence: Evidence, kinds: tuple[str, ...]) -> bool:
    """Whether the scene's first contact that can be judged is seen in the clip at all."""
    due = sorted(
        (changepoint for changepoint in ideal.changepoints(*kinds) if flight.rebound(ideal, changepoint) is not None),
        key=lambda j: j.time,
    )
    if not due:
        return True
    pair = {due[0].path, due[0].other}
    return any({changepoint.path, changepoint.other} == pair for changepoint in evidence.changepoints(*kinds))


def _score(law: Law, evidence: Evidence, coverage: float) -> LawScore:
    value, reason = law.function(evidence)
    low, high = law.range
    return LawScore(value if math.isnan(value) else min(high, max(low, float(value))), coverage, reason)


@functools.lru_cache(maxsize=4096)
def _ideal(truth: Truth, name: str) -> Finding:
    """What a law gives for the scene's own tracks: NaN where it has nothing to judge."""
    return LAWS[name].function(_ideal_evidence(truth))


@functools.lru_cache(maxsize=128)
def _ideal_evidence(truth: Truth) -> Evidence:
    return gather(truth.ideal, truth)
