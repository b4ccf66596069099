import numpy as np
import pytest

from framefall.train.trend import LEAST, SAME, Measurement, Trend, doubling, trend

STEPS = [round(100 * 1.3**index) for index in range(10)]  # a factor of ten


def curve(
    law: object, *, clips: int = 16, scatter: float = 0.0, steps: list[int] = STEPS, cooling: int = 0, seed: int = 0
) -> list[Measurement]:
    """Losses of clips that are harder or easier than each other, about a law of the step, with scatter in time."""
    draw = np.random.default_rng(seed)
    hardness = np.exp(0.5 * draw.standard_normal(clips))
    hardness /= hardness.mean()
    made = []
    for index, step in enumerate(steps):
        here = law(step) * (1 + scatter * draw.standard_normal())  # type: ignore[operator]
        made.append(Measurement(step, tuple(float(one * here) for one in hardness), index >= len(steps) - cooling))
    return made


@pytest.mark.parametrize("exponent", [0.1, 0.27, 0.5, 1.0])
@pytest.mark.parametrize("floor", [0.0, 0.5])
def test_a_known_power_law_gives_its_own_gain(exponent: float, floor: float) -> None:
    def law(step: float) -> float:
        return floor * 0.02 + 0.05 * (step / 100) ** -exponent

    found = trend(curve(law))
    true = 1 - law(2 * STEPS[-1]) / law(STEPS[-1])
    assert found is not None and found.kind == "sinking"
    assert found.gain == pytest.approx(true, abs=0.01) and found.low - 0.01 <= true <= found.high + 0.01


def test_the_range_holds_the_truth_about_as_often_as_it_says_and_widens_with_the_scatter() -> None:
    def law(step: float) -> float:
        return 0.05 * (step / 100) ** -0.27

    true, held, widths = 1 - 2**-0.27, 0, []
    for seed in range(40):
        made = curve(law, scatter=0.01, seed=seed)
        _, low, high = doubling(np.array(STEPS, float), np.array([one.losses for one in made]).T)
        held, widths = held + (low <= true <= high), [*widths, high - low]
    assert held >= 32  # of 40; the exponents of the grid and ten points leave it a little short of 95 %
    wild = [one.losses for one in curve(law, scatter=0.05)]
    _, low, high = doubling(np.array(STEPS, float), np.array(wild).T)
    assert high - low > 2 * np.median(widths)


def test_the_sentence_is_the_one_of_the_law() -> None:
    found = trend(curve(lambda step: 0.05 * (step / 100) ** -0.1844))  # twice the steps: 12 % less
    assert found is not None and found.said().startswith("still sinking; twice the time would buy about 12% (")


def test_a_loss_that_has_settled_is_flat_since_it_did() -> None:
    found = trend(curve(lambda step: 0.02 + max(0.0, 0.001 * (250 - step) / 150), scatter=0.001))
    assert found is not None and found.kind == "flat"
    assert found.since == next(one for one in STEPS if one > 160) and found.said() == f"flat since step {found.since}"
    sinking = trend(curve(lambda step: 0.02 * (step / 100) ** -0.2, scatter=0.001))  # the control
    assert sinking is not None and sinking.kind == "sinking"


def test_a_loss_that_rises_on_nearly_every_clip_rises_since_its_lowest() -> None:
    found = trend(curve(lambda step: 0.02 + 0.004 * np.log(step / 300) ** 2))
    lowest = min(STEPS, key=lambda step: abs(np.log(step / 300)))
    assert found == Trend("rising", lowest)
    assert found.said() == f"rising since step {lowest}: it learns its clips by heart"
    assert "lower the learning rates" in found.said(held_out=False) and "by heart" not in found.said(held_out=False)


def test_a_last_measurement_that_is_high_by_chance_is_no_rise() -> None:
    made = curve(lambda step: 0.05 * (step / 100) ** -0.27)
    made[-1] = Measurement(made[-1].step, tuple(2 * one for one in made[-1].losses))
    found = trend(made)
    assert found is None or found.kind != "rising"
    few = [Measurement(one.step, one.losses[:1]) for one in curve(lambda step: 0.02 + 1e-5 * step)]  # of one clip
    assert (found := trend(few)) is None or found.kind != "rising"


def test_a_relative_loss_is_fitted_as_the_ratio_that_it_is_the_logarithm_of() -> None:
    def law(step: float) -> float:
        return 0.9 * (step / 100) ** -0.1

    made = [Measurement(one, tuple(float(np.log(law(one)) + shift) for shift in (-0.1, 0.0, 0.1))) for one in STEPS]
    found = trend(made, relative=True)
    assert found is not None and found.kind == "sinking" and found.gain == pytest.approx(1 - 2**-0.1, abs=0.005)


def test_what_the_cool_down_gives_is_not_promised_again() -> None:
    def law(step: float) -> float:
        steady = 0.05 * (step / 100) ** -0.27
        return steady * (0.6 if step >= STEPS[-2] else 1.0)

    honest, fooled = trend(curve(law, cooling=2)), trend(curve(law))
    assert honest is not None and honest.gain == pytest.approx(1 - 2**-0.27, abs=0.01)
    assert fooled is None or fooled.gain > honest.gain + 0.05 or fooled.high - fooled.low > 0.1  # the control


@pytest.mark.parametrize(
    "made",
    [
        curve(lambda step: 0.05 * step**-0.27)[: LEAST - 1],  # too few
        curve(lambda step: 0.05 * step**-0.27, steps=[1000 + 10 * index for index in range(10)]),  # all of one moment
        curve(lambda step: 0.05, scatter=0.3),  # all scatter
        [Measurement(step, (float("nan"), 1.0)) for step in STEPS],
        [],
    ],
)
def test_where_the_measurements_do_not_say_nothing_is_said(made: list[Measurement]) -> None:
    assert trend(made) is None


def test_the_same_measurements_give_the_same_answer() -> None:
    made = curve(lambda step: 0.05 * step**-0.27, scatter=0.02)
    assert trend(made) == trend(list(reversed(made)))
    assert SAME < 0.05
