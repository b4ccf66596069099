"""How a log goes on otherwise from a moment: the states there, an engine that starts from them, and the seam."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from framefall.worlds.engines.registry import simulate
from framefall.worlds.scene import Body, Scene
from framefall.worlds.state import Contact, StateLog, Track
from framefall.worlds.violations.events import Moment, Span

Knot = tuple[float, ...]


def splice(
    log: StateLog, time: float, after: Mapping[str, Track], contacts: Iterable[Contact] = (), keep: bool = False
) -> StateLog:
    """The log up to `time`, and from then on other tracks for the bodies named and these contacts.

    Bodies that are not named go on as they did; `keep` keeps the contacts at that very moment, too.
    """
    old = tuple(c for c in log.contacts if c.time < time or (keep and c.time <= time))
    tracks = {name: joined(track, time, after[name]) if name in after else track for name, track in log.tracks.items()}
    return replace(log, tracks=tracks, contacts=(*old, *sorted(contacts, key=lambda contact: contact.time)))


def joined(track: Track, time: float, after: Track) -> Track:
    """A track up to `time` and another one from then on."""
    first, then = track.until(time).knots, after.knots
    return Track((*first, *then[first[-1] == then[0] :]))


def shifted(track: Track, later: float) -> Track:
    """A track that does everything `later` seconds later."""
    return Track(tuple((knot[0] + later, *knot[1:]) for knot in track.knots))


def bodies_at(log: StateLog, time: float, states: Mapping[str, Knot] | None = None) -> dict[str, Body]:
    """The bodies as they are just before `time`, or in the states given."""
    answer = {}
    for body in log.scene.bodies:
        knot = (states or {}).get(body.name) or log.tracks[body.name].before(time)
        x, y, vx, vy, angle, spin = knot[1:]
        release = max(0.0, body.release - time)
        answer[body.name] = replace(body, position=(x, y), velocity=(vx, vy), angle=angle, spin=spin, release=release)
    return answer


def resumed(
    log: StateLog, time: float, bodies: Mapping[str, Body], without: str = "", **laws: float
) -> tuple[dict[str, Track], tuple[Contact, ...]]:
    """Tracks and contacts from `time` on, of an engine that starts with these bodies, without one fixture."""
    fixtures = tuple(f for f in log.scene.fixtures if f.name != without and (f.follows is None or f.follows in bodies))
    changed: dict[str, Any] = {"bodies": tuple(bodies.values()), "fixtures": fixtures, **laws}
    scene = replace(log.scene, seconds=log.scene.seconds - time, **changed)
    rest = _simulated(scene)
    contacts = tuple(replace(contact, time=contact.time + time) for contact in rest.contacts)
    return {name: shifted(track, time) for name, track in rest.tracks.items()}, contacts


def middle(log: StateLog, runs: list[Span], name: str, first: float, last: float) -> list[Moment]:
    """The part between two shares of each run, where that is not too near the clip's beginning or end."""
    low, high = 0.1 * log.scene.seconds, 0.75 * log.scene.seconds
    parts = [(max(low, a + first * (b - a)), min(high, a + last * (b - a))) for a, b in runs]
    return [Moment(name, a, b) for a, b in parts if a <= b]


def _simulated(scene: Scene) -> StateLog:
    """Its own engine's log; what that engine cannot do is left to pymunk."""
    try:
        return simulate(scene)
    except ValueError:
        if scene.engine == "pymunk":
            raise
        return simulate(scene, "pymunk")
