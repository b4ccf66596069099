"""One object while its track is being made: where it will be, how large and fast it is, and whether it is lost."""

import numpy as np
import pytest

from framefall.tracking.matte import Blob
from framefall.tracking.tracklet import Absence, Tracklet, extrapolated


def blob(x: float, y: float, area: float = 50.0, colour: tuple[float, float, float] = (50.0, 60.0, 40.0)) -> Blob:
    return Blob((x, y), area, colour, np.zeros(3), np.zeros(4), (x - 4, y - 4, x + 4, y + 4), 1, 1)


def grown(places: np.ndarray, frames: list[int] | None = None, clear: list[bool] | None = None) -> Tracklet:
    one = Tracklet(born="start")
    for index, (x, y) in enumerate(places):
        frame = index if frames is None else frames[index]
        one.add(frame, blob(float(x), float(y)), True if clear is None else clear[index])
    return one


FRAMES = np.arange(8)
LINE = np.stack((3.0 + 2 * FRAMES, 40.0 - 0.5 * FRAMES), axis=1)
FALL = np.stack((3.0 + 2 * FRAMES, 5.0 + 0.4 * FRAMES**2), axis=1)


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_a_line_and_a_parabola_are_gone_on_with(ahead: int) -> None:
    for places in (LINE, FALL):
        exact = [np.polyval(np.polyfit(FRAMES, places[:, axis], 2), 7 + ahead) for axis in (0, 1)]
        assert extrapolated(FRAMES, places, 7 + ahead) == pytest.approx(exact, abs=1e-6)
    line = FALL[-1] + ahead * (FALL[-1] - FALL[-2])  # the control: a line misses the fall
    assert np.abs(extrapolated(FRAMES, FALL, 7 + ahead) - line).max() > 0.3


def test_a_kick_in_the_past_does_not_bend_what_is_ahead() -> None:
    kicked = LINE.copy()
    kicked[5:, 0] = kicked[4, 0] - 3.0 * np.arange(1, 4)
    assert extrapolated(FRAMES, kicked, 8) == pytest.approx([kicked[-1, 0] - 3.0, kicked[-1, 1] - 0.5], abs=1e-6)


def test_two_places_are_a_line_and_one_stays() -> None:
    assert grown(LINE[:2]).predict(4) == pytest.approx(LINE[4])
    one = grown(LINE[:1])
    assert one.predict(4).tolist() == LINE[0].tolist() and one.speed(1).tolist() == [0.0, 0.0]


def test_speed_is_pixels_a_frame_and_the_fastest_is_of_late() -> None:
    one = grown(LINE)
    assert one.speed(8) == pytest.approx([2.0, -0.5], abs=1e-9)
    assert one.fastest == pytest.approx(np.hypot(2.0, 0.5))


def test_places_where_it_was_cut_off_do_not_say_where_it_goes() -> None:
    cut = LINE.copy()
    cut[6:, 0] -= 1.5  # half hidden: its middle lags
    assert grown(cut, clear=[True] * 6 + [False] * 2).predict(10) == pytest.approx(LINE[0] + 10 * np.array([2, -0.5]))
    assert np.abs(grown(cut).predict(10) - LINE[0] - 10 * np.array([2, -0.5])).max() > 0.5  # the control


def test_its_full_area_is_that_of_clear_sights() -> None:
    one = Tracklet(born="start")
    for frame, (area, clear) in enumerate(((50.0, True), (52.0, True), (20.0, False), (54.0, True))):
        one.add(frame, blob(3.0, 3.0, area), clear)
    assert one.area == 52.0 and one.radius == pytest.approx((52 / np.pi) ** 0.5)
    assert one.last.area == 54.0 and one.colour.tolist() == [50.0, 60.0, 40.0]


def test_it_is_lost_until_it_is_seen_again_and_fresh_when_it_comes_back() -> None:
    one = grown(LINE[:4])
    assert not one.lost and not one.fresh
    one.absences.append(Absence(4, "occluder", "0"))
    assert one.lost
    one.absences[-1].until = 6
    one.add(6, blob(15.0, 37.0), True)
    assert not one.lost and one.fresh
