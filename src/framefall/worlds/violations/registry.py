"""Twins of a valid log that break one law of physics from a moment on, and are the same until then.

The moment lies in the middle of what happens (a flight, a blow, a passage behind something), found in the log
itself, so that any log has those violations that make sense in it. Nothing else of the scene is touched.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from framefall.noise import Key
from framefall.worlds.state import StateLog
from framefall.worlds.violations import dynamics, objects, occluded
from framefall.worlds.violations.continuation import joined
from framefall.worlds.violations.events import Moment

Edit = Callable[[StateLog, Moment, float, float, Key], StateLog]  # log, moment, time, strength, key


@dataclass(frozen=True)
class Violation:
    """One way to break physics."""

    name: str
    group: str  # object, occluder or dynamics
    law: str  # the law that it breaks
    moments: Callable[[StateLog], list[Moment]]  # when it could happen; nowhere if it does not apply
    change: Edit
    scales: bool = True  # whether `strength` means anything to it

    def applies(self, log: StateLog) -> bool:
        """Whether it makes sense in a log."""
        return _is_flat(log) and bool(self.moments(log))

    def edit(self, log: StateLog, strength: float, key: Key) -> StateLog:
        """The twin; the key chooses the body, the moment and whatever else is free."""
        moments = self.moments(log) if _is_flat(log) else []
        if not moments:
            raise ValueError(
                f"{self.name} makes no sense in this scene of {log.scene.attributes.scenario}; "
                f"it can have {', '.join(applicable(log)) or 'no violation'}"
            )
        moment = moments[key.named("moment").integer(len(moments))]
        time = moment.start + (moment.end - moment.start) * key.named("time").uniform()
        twin = self.change(log, moment, time, strength, key.named("choice"))
        # every track that changes does so at a knot at this very moment, with the log's own knots before it
        tracks = {
            body: track if log.tracks.get(body, track) == track else joined(log.tracks[body], time, track.since(time))
            for body, track in twin.tracks.items()
        }
        return replace(twin, tracks=tracks, violation=self.name, violation_time=time)


def _dynamics(change: Callable[[StateLog, Moment, float, float], StateLog]) -> Edit:
    """An edit without anything free to choose."""
    return lambda log, moment, time, strength, key: change(log, moment, time, strength)


def _gravity(factor: Callable[[float], float]) -> Edit:
    return lambda log, moment, time, strength, key: dynamics.gravity(log, moment, time, factor(strength))


def _bounce(restitution: Callable[[float, float], float], lasts: bool) -> Edit:
    def change(log: StateLog, moment: Moment, time: float, strength: float, key: Key) -> StateLog:
        true = log.scene.restitution
        wrong = restitution(true, strength)
        return dynamics.bounce(log, moment, time, wrong, wrong if lasts else true)

    return change


def _vanish(log: StateLog, moment: Moment, time: float, strength: float, key: Key) -> StateLog:
    return objects.with_appearance(log, moment.body, time, shown=False)


_ALL = (
    Violation("teleport", "object", "continuity", objects.plain, objects.teleport),
    Violation("blink", "object", "permanence", objects.plain, objects.blink),
    Violation("vanish", "object", "permanence", objects.plain, _vanish, scales=False),
    Violation("duplicate", "object", "permanence", objects.plain, objects.duplicate, scales=False),
    Violation("colour_drift", "object", "identity", objects.plain, objects.colour_drift),
    Violation("colour_switch", "object", "identity", objects.plain, objects.colour_switch),
    Violation("shape_switch", "object", "identity", objects.plain, objects.shape_switch, scales=False),
    Violation("size_drift", "object", "identity", objects.plain, objects.size_drift),
    Violation("hidden_vanish", "occluder", "permanence", occluded.behind, _vanish, scales=False),
    Violation("hidden_colour", "occluder", "identity", occluded.behind, objects.colour_switch),
    Violation("hidden_shape", "occluder", "identity", occluded.behind, objects.shape_switch, scales=False),
    Violation("other_height", "occluder", "continuity", occluded.behind, occluded.other_height),
    Violation("exit_late", "occluder", "inertia", occluded.behind, occluded.exit_late),
    Violation("reverse_behind", "occluder", "inertia", occluded.behind_unmet, occluded.reverse_behind, scales=False),
    Violation("unentered", "occluder", "permanence", occluded.before_entering, occluded.unentered, scales=False),
    Violation("gravity_flip", "dynamics", "gravity", dynamics.heavy, _gravity(lambda s: -s)),
    Violation("gravity_half", "dynamics", "gravity", dynamics.falling, _gravity(lambda s: 1 - s / 2)),
    Violation("gravity_zero", "dynamics", "gravity", dynamics.falling, _gravity(lambda s: 1 - s)),
    Violation("gravity_double", "dynamics", "gravity", dynamics.falling, _gravity(lambda s: 1 + s)),
    Violation("linear_fall", "dynamics", "gravity", dynamics.flying, _dynamics(dynamics.linear_fall)),
    Violation("superball", "dynamics", "energy", dynamics.struck, _bounce(lambda e, s: 1 + 0.35 * s, lasts=True)),
    # run backwards, a bounce that kept a share e of the speed has 1 / e of it
    Violation("reversed_bounce", "dynamics", "energy", dynamics.lossy, _bounce(lambda e, s: e ** (-s), lasts=False)),
    Violation("momentum_break", "dynamics", "momentum", dynamics.collided, _dynamics(dynamics.momentum_break)),
    Violation("pass_through", "dynamics", "solidity", dynamics.struck, _dynamics(dynamics.pass_through), scales=False),
    Violation("merge", "dynamics", "solidity", dynamics.weightless, _dynamics(dynamics.merge), scales=False),
    Violation("energy_injection", "dynamics", "energy", dynamics.swinging, _dynamics(dynamics.energy_injection)),
    Violation("wrong_slide", "dynamics", "gravity", dynamics.sliding, _dynamics(dynamics.wrong_slide)),
    Violation("float", "dynamics", "support", dynamics.floating, _dynamics(dynamics.float_in_air)),
)
VIOLATIONS: dict[str, Violation] = {violation.name: violation for violation in _ALL}


def applicable(log: StateLog) -> list[str]:
    """The violations that make sense in a log."""
    return [name for name, violation in VIOLATIONS.items() if violation.applies(log)]


def break_physics(log: StateLog, name: str, key: Key, strength: float = 1.0) -> StateLog:
    """A log's twin with one violation; `strength` scales it where that has a meaning."""
    if name not in VIOLATIONS:
        raise ValueError(f"a violation must be one of {', '.join(VIOLATIONS)}; got {name!r}")
    if not 0 < strength <= 1:
        raise ValueError(f"strength must be above 0 and at most 1, got {strength}")
    if log.violation:
        raise ValueError(f"a log can be broken once, and this one has {log.violation} already; start from a valid one")
    return VIOLATIONS[name].edit(log, strength, key)


def matched_pair(log: StateLog, name: str, key: Key, strength: float = 1.0) -> tuple[StateLog, StateLog]:
    """The valid twin and the broken one, with the very same knots before the violation, so equal to the last bit."""
    broken = break_physics(log, name, key, strength)
    time = broken.violation_time
    assert time is not None
    changed = [body for body, track in log.tracks.items() if broken.tracks[body] != track]
    # both take the log's own knots up to the moment: a seam that a twin has later on would round them otherwise
    valid, twin = (
        of.tracks | {body: joined(log.tracks[body], time, of.tracks[body].since(time)) for body in changed}
        for of in (log, broken)
    )
    return replace(log, tracks=valid), replace(broken, tracks=twin)


def _is_flat(log: StateLog) -> bool:
    return all(len(body.position) == 2 for body in log.scene.bodies)
