"""The pendulum on a stiff rod without mass, exact at any amplitude: Jacobi's elliptic functions.

With the angle q from straight down and w^2 = g / length, energy gives k^2 = sin(q0 / 2)^2 + (q0' / 2w)^2. Below 1
the bob swings, sin(q / 2) = k sn(w t + u0 | k^2); above 1 it goes round, q = 2 am(k w t + u0 | 1 / k^2).
The bob's own moment of inertia is left out, as in every textbook: its weight acts at its centre.
"""

import math

import numpy as np
from jaxtyping import Float
from scipy.special import ellipj, ellipkinc

from framefall.worlds.scene import Body
from framefall.worlds.state import Track

_ERROR = 7e-7  # heights, of the curve between knots (rounding adds less than 1e-7)


def swing(body: Body, gravity: float, seconds: float) -> Track:
    """The track of a body that hangs from its pivot; held until its release, and it turns with the rod."""
    assert body.pivot is not None
    right, down = body.position[0] - body.pivot[0], body.pivot[1] - body.position[1]
    length, angle = math.hypot(right, down), math.atan2(right, down)
    if length == 0:
        raise ValueError(f"a pendulum must hang away from its pivot, got {body.name} right at it; move one of them")
    # the part of the velocity along the rod is taken up by the rod
    rate = (body.velocity[0] * math.cos(angle) + body.velocity[1] * math.sin(angle)) / length
    moving = max(0.0, seconds - body.release)
    held = [(time, *body.position, 0.0, 0.0, body.angle, 0.0) for time in (0.0, min(body.release, seconds))]
    count = 6
    while True:
        times = np.linspace(0.0, moving, count * 8 + 1)
        exact = _knots(body, length, *angles(angle, rate, gravity / length, times), times)
        track = Track(tuple(map(tuple, exact[::8].tolist())))
        states = track.at(times)
        place = np.abs(states.position - exact[:, 1:3]).max()
        turn = np.abs(states.rotation - exact[:, 5:6]).max() * body.radius
        if max(place, turn) < _ERROR:
            break
        # the curve's error falls with the fourth power of the knots' distance
        count = math.ceil(count * min(4.0, 1.02 * float(max(place, turn) / _ERROR) ** 0.25))
    later = [(knot[0] + body.release, *knot[1:]) for knot in track.knots[:-1]]
    later.append((seconds, *track.knots[-1][1:]))
    return Track(tuple((held if body.release else []) + (later if moving else [])))


def angles(
    angle: float, rate: float, stiffness: float, times: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """The angle from straight down and its rate at `times`; `stiffness` is g / length."""
    if stiffness == 0:
        return angle + rate * times, np.full_like(times, rate)
    w = math.sqrt(stiffness)
    m = math.sin(angle / 2) ** 2 + (rate / (2 * w)) ** 2
    k = math.sqrt(m)
    if m < 1:
        start = math.asin(min(1.0, max(-1.0, math.sin(angle / 2) / max(k, 1e-300))))
        # on the way back the amplitude's angle is past a quarter turn
        start = math.pi - start if rate < 0 else start
        sn, cn, dn, _ = ellipj(w * times + ellipkinc(start, m), m)
        return 2 * np.arctan2(k * sn, dn), 2 * w * k * cn
    # it goes round; the mirrored motion for a negative rate
    sign = math.copysign(1.0, rate)
    sn, cn, dn, _ = ellipj(k * w * times + ellipkinc(sign * angle / 2, 1 / m), 1 / m)
    return sign * 2 * np.unwrap(np.arctan2(sn, cn)), sign * 2 * k * w * dn


def _knots(
    body: Body, length: float, angle: np.ndarray, rate: np.ndarray, times: np.ndarray
) -> Float[np.ndarray, "n 7"]:
    assert body.pivot is not None
    sine, cosine = np.sin(angle), np.cos(angle)
    x, y = body.pivot[0] + length * sine, body.pivot[1] - length * cosine
    turned = body.angle + angle - angle[0]
    return np.stack((times, x, y, length * rate * cosine, length * rate * sine, turned, rate), axis=1)
