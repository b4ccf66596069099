import math

import pytest

from framefall.train.held_out import HeldOutLoss
from framefall.train.outlook import (
    BY_HEART,
    LEVELS,
    PICTURE,
    SHARPER,
    Outlook,
    after_a_tenth,
    decibels,
    forecast,
    needed,
    reached,
    span,
)
from framefall.train.trend import Trend


def outlook(kind: str = "base", *, steps: int = 15, **changes: object) -> Outlook:
    return Outlook(**{"stage": kind, "kind": kind, "batch": 16, "steps": steps, "seconds": 8.0} | changes)  # type: ignore[arg-type]


def measured(error: float, *, kind: str = "base", spread: float = 0.0, trend: Trend | None = None) -> HeldOutLoss:
    errors = tuple(math.log(error) + spread * (index - 3.5) for index in range(8))
    return HeldOutLoss("", kind, 10, errors, errors, True, trend)


def test_the_levels_rise_and_the_first_needs_nothing() -> None:
    assert LEVELS[0].clips == 0 and LEVELS[0].error == math.inf and PICTURE in LEVELS
    assert sorted(LEVELS, key=lambda one: one.clips) == list(LEVELS)
    assert sorted(LEVELS, key=lambda one: -one.error) == list(LEVELS)


def test_what_a_budget_buys_is_said_with_steps_clips_time_and_visits() -> None:
    text = outlook(pieces=38).said()
    assert outlook(pieces=1).said().endswith("its only piece 240 times")
    assert text == "base 15 steps of 16 clips in 2.0 minutes, each of 38 pieces 6 times"
    assert (
        outlook(steps=6, pieces=300_000, seconds=None).said()
        == "base 6 steps of 16 clips, each of 300,000 pieces at most once"
    )
    assert outlook(done=100, steps=30, seconds=1.0).said().endswith("in 30 s, 2,100 clips with those of before")


@pytest.mark.parametrize(
    ("clips", "enough", "shows"),
    [
        (240, False, "colours and no scene"),
        (5_600, False, "blocks of colour"),
        (26_400, True, "scenes that can be recognised"),
        (96_000, True, "scenes that can be recognised"),
        (120_000, True, "things that move as they should"),
    ],
)
def test_the_runs_of_the_log_are_foretold_as_they_came(clips: int, enough: bool, shows: str) -> None:
    found = forecast(outlook(steps=clips // 16))
    assert found.enough == enough and shows in found.because
    assert ("25,000 on" in found.because) != enough


def test_few_pieces_are_known_by_heart_before() -> None:
    assert not forecast(outlook(steps=500, pieces=25)).enough  # 320 visits: pico had blocks of colour then
    found = forecast(outlook(steps=500, pieces=8))
    assert found.enough and "scenes that it knows by heart" in found.because
    assert needed("base", 8) == 8 * BY_HEART and needed("base", 300_000) == needed("base") == PICTURE.clips


def test_super_resolution_is_foretold_by_what_it_adds() -> None:
    assert not forecast(outlook("spatial_sr", steps=30)).enough
    found = forecast(outlook("spatial_sr", steps=SHARPER // 16 + 1))
    assert found.enough and "beats bicubic" in found.because
    found = forecast(outlook("temporal_sr", steps=30))  # it begins with a motion prior that is better than a blend
    assert found.enough and "too few to learn more than its motion prior" in found.because
    assert needed("temporal_sr") == 0 and BY_HEART > 1


def test_a_start_from_trained_weights_needs_no_clips() -> None:
    assert forecast(outlook(started=True)).enough


@pytest.mark.parametrize(
    ("error", "enough", "shows"),
    [(1.3, False, "colours and no scene"), (0.62, False, "colours and no scene"), (0.37, False, "blocks of colour"),
     (0.16, True, "scenes that can be recognised"), (0.01, True, "scenes that can be recognised")],
)  # fmt: skip
def test_a_base_is_judged_by_what_it_sees_through_noise(error: float, enough: bool, shows: str) -> None:
    found = reached(measured(error), "base", 240)
    assert found.enough == enough and shows in found.because and "base has seen 240 clips" in found.because
    assert (
        f"{min(100, round(100 * error))}% of it wrong" in found.because and ("20% would do" in found.because) != enough
    )


def test_super_resolution_is_judged_by_decibels_over_its_prior_and_by_how_sure_they_are() -> None:
    better = reached(measured(0.9, kind="spatial_sr", spread=0.01), "spatial_sr", 5_000)
    assert better.enough and "gains 0.46 dB (0.3" in better.because and "on bicubic" in better.because
    unsure = reached(measured(0.9, kind="spatial_sr", spread=0.2), "spatial_sr", 5_000)
    assert not unsure.enough and "adds nothing yet to bicubic" in unsure.because
    assert reached(measured(0.9, kind="temporal_sr", spread=0.2), "temporal_sr", 5_000).enough  # its prior is no loss
    trifle = measured(0.993, kind="spatial_sr", spread=0.0001)
    found = reached(trifle, "spatial_sr", 100)  # surely better, and nobody will see it
    assert not found.enough and "gains no more than 0.03 dB (0.03 to 0.03) on bicubic" in found.because
    worse = reached(measured(1.2, kind="temporal_sr", spread=0.01), "temporal_sr", 5_000)
    assert not worse.enough and "0.79 dB worse than its motion prior" in worse.because


def test_decibels_are_those_of_the_mean_and_two_standard_errors() -> None:
    gain, sure = decibels(tuple(math.log(one) for one in (0.1, 1.0)))
    assert gain == pytest.approx(5.0) and sure == pytest.approx(2 * 10 / 2**0.5 / 2**0.5)
    assert decibels((0.0,))[1] == math.inf  # one clip says nothing of others


def test_what_is_not_finite_is_no_picture() -> None:
    found = reached(HeldOutLoss("", "base", 10, (math.nan,), (math.nan,)), "base", 10)
    assert not found.enough and "nothing that is finite" in found.because


def test_after_a_tenth_it_says_why_and_what_to_change_or_that_all_is_well() -> None:
    remedy = "take --minutes 520"
    bad = after_a_tenth(outlook(), None, remedy)
    assert not bad.enough and bad.because.endswith("; take --minutes 520")
    assert "base, after a tenth of its budget: this will not do: base will see about 240 clips" in bad.because
    good = after_a_tenth(outlook(steps=2_000), None, remedy)
    assert good.enough and "on the way" in good.because and remedy not in good.because
    known = after_a_tenth(
        outlook(), measured(0.16), remedy
    )  # few clips, and it draws already: it was started from a model
    assert known.enough and "scenes that can be recognised" in known.because
    sinking = after_a_tenth(outlook(steps=2_000), measured(0.5, trend=Trend("sinking", 1, 0.12, 0.09, 0.15)), remedy)
    assert sinking.enough and sinking.because.endswith("twice the time would buy about 12% (9 to 15%)")
    rising = after_a_tenth(outlook(steps=2_000), measured(0.5, trend=Trend("rising", 7)), remedy)
    assert not rising.enough and "rising since step 7: it learns its clips by heart" in rising.because


def test_times_are_said_no_more_exactly_than_they_are_known() -> None:
    assert [span(minutes) for minutes in (0.001, 0.5, 2.04, 52.3, 600, 60_000)] == [
        "1 s", "30 s", "2.0 minutes", "52 minutes", "10 hours", "1,000 hours",
    ]  # fmt: skip
