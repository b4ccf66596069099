"""Ways cut into parabolas, at the moments of their blows."""

import numpy as np
import pytest

from framefall.physics.arcs import fit, noise_of, segment

FPS = 24.0
G = np.array([0.0, 100.0])


def hop(frames: int, bounce: float, g: float = 100.0, e: float = 0.7) -> np.ndarray:
    """A fall from rest that is thrown back up at the moment `bounce`, in frames."""
    times, blow = np.arange(frames) / FPS, bounce / FPS
    down = 0.5 * g * times**2
    after = times - blow
    up = 0.5 * g * blow**2 - e * g * blow * after + 0.5 * g * after**2
    return np.stack((10 + 6 * times, np.where(after < 0, down, up)), axis=1)


@pytest.mark.parametrize("bounce", [9.2, 12.0, 14.9])
def test_a_blow_between_two_frames_is_found_where_it_is(bounce: float) -> None:
    way = hop(30, bounce)
    first, second = segment(way, np.ones(30, bool), FPS, 0.05)
    assert (first.frames[-1], second.frames[0]) in {(int(bounce), int(bounce) + 1), (int(bounce) - 1, int(bounce))}
    for arc in (first, second):
        assert np.allclose(arc.acceleration, G, atol=1e-6)


def test_noise_cuts_nothing_and_a_smaller_price_would_let_it() -> None:
    generator = np.random.default_rng(0)
    way = hop(61, 100.0) + generator.normal(0, 0.1, (61, 2))
    used = np.ones(61, bool)
    assert 0.06 < noise_of(way, used, 12.0) < 0.16
    assert len(list(segment(way, used, FPS, 0.1))) == 1
    # the control: noise that is taken for ten times less than it is is followed
    assert len(list(segment(way, used, FPS, 0.01))) > 3


def test_three_frames_fit_anything_so_the_usual_acceleration_decides() -> None:
    way = hop(12, 5.9)  # six frames a second would leave as few
    used = np.ones(12, bool)
    used[[1, 2, 4]] = False
    arcs = list(segment(way, used, FPS, 0.02, G))
    assert [int(arc.frames[0]) for arc in arcs] == [0, 6]


def test_missing_frames_leave_the_parabola_as_it_is() -> None:
    way = hop(20, 100.0)
    used = np.ones(20, bool)
    used[5:11] = False
    (arc,) = segment(np.where(used[:, None], way, np.nan), used, FPS, 0.02)
    assert np.allclose(arc.acceleration, G, atol=1e-6)
    assert np.allclose(arc.at(8 / FPS), way[8], atol=1e-6)


def test_a_given_acceleration_needs_two_frames_only() -> None:
    way = hop(20, 100.0)
    arc = fit(way, np.array([4, 5]), FPS, 0.02, G)
    assert np.allclose(arc.velocity(0.0), (6.0, 0.0), atol=1e-6)
