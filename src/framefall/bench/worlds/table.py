"""What the shipped cascade must reach on the world benchmark, and whether it does."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from framefall.bench.worlds.continuation import Found
from framefall.metric import Interval

REFERENCES = {
    "nearest_training": "nearest training clip",
    "constant_acceleration": "constant acceleration",
    "renderer": "renderer",
}
CHANCE = 0.05  # of held-out clips are as near to a training clip as what counts as too near
NOTHING = Interval(math.nan, math.nan, math.nan, 0)
Unit = Literal["", "%", "dB", "x"]


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number of the id split, the least that the shipped model must reach, and what is aimed at.

    It lies at `path` in `place`, and where references have it, at the same path of each in the `references` there.
    """

    words: str
    place: tuple[str, ...] = ()
    path: tuple[str, ...]
    least: float
    aim: float
    lower: bool = False  # the lower the better
    unit: Unit = ""
    by_chance: bool = False  # missed only where the whole interval is beyond the bar
    fewest: int = 1  # measurements of which it says anything

    def reaches(self, value: Interval) -> str:
        """Whether the mean reaches the aim or the least: aim, yes, NO; too few; empty if it is not measured."""
        if value.n < self.fewest:
            return "too few" if value.n else ""
        reached = value.low if self.by_chance and self.lower else value.value
        good = [reached <= bar if self.lower else reached >= bar for bar in (self.aim, self.least)]
        return "aim" if good[0] else "yes" if good[1] else "NO"


def _velocity(scenario: str, words: str, least: float, aim: float) -> Quantity:
    path = ("velocity_error_of", scenario)
    return Quantity(words=f"relative velocity error, {words}", path=path, least=least, aim=aim, lower=True)


def _even(name: str, least: float, aim: float) -> tuple[Quantity, Quantity]:
    """Of clips that go on from frames, at the base's size, and of finished clips of captions."""
    path = (f"{name}_over_real",)
    bars: dict[str, Any] = {"path": path, "least": least, "aim": aim, "lower": True, "unit": "x"}
    return (
        Quantity(words=f"{name} over real, going on", **bars),
        Quantity(words=f"{name} over real, finished clips", place=("whole",), **bars),
    )


def _copies(space: str) -> Quantity:
    return Quantity(
        words=f"nearer to training clips than held-out clips, {space}", place=("copies",), path=(space, "nearer"),
        least=CHANCE, aim=CHANCE, lower=True, unit="%", by_chance=True,
    )  # fmt: skip


QUANTITIES = (
    Quantity(words="permanence", path=("permanence",), least=0.95, aim=0.99),
    _velocity("occluder", "pass-behind", 0.20, 0.08),
    _velocity("projectile", "projectile", 0.45, 0.24),
    _velocity("collision", "collision", 0.50, 0.28),
    Quantity(words="clips with g within 10%", path=("gravity_within_10_percent",), least=0.5, aim=0.8, unit="%"),
    Quantity(words="reappears as it was, within half a diameter", path=("reappearance",), least=0.7, aim=0.9, unit="%"),
    Quantity(
        words="violation of expectation, error", path=("violation_of_expectation_error",), least=0.30, aim=0.15,
        lower=True, unit="%", fewest=8,
    ),
    Quantity(words="caption obeyed exactly", place=("text",), path=("caption_exact",), least=0.8, aim=0.95, unit="%"),
    Quantity(
        words="caption obeyed exactly, the best of 4 drafts", place=("text", "best_of_4"), path=("caption_exact",),
        least=0.8, aim=0.95, unit="%",
    ),
    Quantity(
        words="caption obeyed exactly, finished clips of the best of 8 drafts", place=("whole", "best_of_8"),
        path=("caption_exact",), least=0.8, aim=0.95, unit="%",
    ),
    *_even("flicker", 2.0, 1.3),
    *_even("stutter", 1.15, 1.05),
    Quantity(words="physics score", path=("physics_score",), least=25.0, aim=40.0),
    Quantity(
        words="sharpness of edges over real, finished clips", place=("whole",), path=("sharpness_over_real",),
        least=0.7, aim=0.9, unit="x",
    ),
    Quantity(
        words="TSR over optical flow, real frames", place=("super_resolution", "temporal_sr"), path=("real", "gain"),
        least=0.5, aim=1.5, unit="dB",
    ),
    Quantity(
        words="SSR over bicubic, frames that its base drew", place=("super_resolution", "spatial_sr"),
        path=("redrawn", "gain"), least=2.0, aim=4.0, unit="dB",
    ),
    _copies("content"),
    _copies("motion"),
)  # fmt: skip
# what is printed of the other splits, without promise
BESIDE: dict[str, Unit] = {
    "physics_score": "",
    "strict_pass": "%",
    "permanence": "",
    "relative_velocity_error": "",
    "gravity_within_10_percent": "%",
    "reappearance": "%",
    "violation_of_expectation_error": "%",
    "caption_exact": "%",
    "flicker_over_real": "x",
    "stutter_over_real": "x",
}


def checks(results: Mapping[str, Found], quantities: Sequence[Quantity] = QUANTITIES) -> list[Found]:
    """Each quantity: its `value`, those of the references that have it, both bars, and which of them it `reaches`."""
    found = []
    for one in quantities:
        here = _at(results["id"], one.place) or {}
        value = _at(here, one.path) or NOTHING
        others = {name: _at(here, ("references", name, *one.path)) for name in REFERENCES}
        found.append(
            {
                "quantity": one.words,
                "unit": one.unit,
                "lower": one.lower,
                "value": value,
                "references": {name: other for name, other in others.items() if other is not None},
                "least": one.least,
                "aim": one.aim,
                "reaches": one.reaches(value),
            }
        )
    return found


def table(found: Sequence[Found]) -> list[dict[str, str]]:
    """The checks, a line each."""
    return [
        {
            "quantity": check["quantity"],
            "model (95%)": said(check["value"], check["unit"]),
            "n": str(check["value"].n),
            **{
                words: said(check["references"].get(name, NOTHING), check["unit"], spread=False)
                for name, words in REFERENCES.items()
            },
            "at least": _bar(check, "least"),
            "aim": _bar(check, "aim"),
            "reached": check["reaches"] or "not measured",
        }
        for check in found
    ]


def beside(results: Mapping[str, Found]) -> list[dict[str, str]]:
    """The words of the benchmark on every split, a line each."""
    return [
        {"split": words.replace("_", " "), **{split: said(here[words], unit) for split, here in results.items()}}
        for words, unit in BESIDE.items()
    ]


def said(value: Interval, unit: Unit, spread: bool = True) -> str:
    """A mean with its interval, in the unit; a dash where nothing is measured."""
    if not value.n:
        return "-"
    mean, low, high = (_number(part, unit) for part in (value.value, value.low, value.high))
    return f"{mean} ({low} .. {high})" if spread else mean


def _number(value: float, unit: Unit) -> str:
    if unit == "%":
        return f"{100 * value:.0f}%"
    if unit == "dB":
        return f"{value:+.2f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _bar(check: Found, which: str) -> str:
    return f"{'<=' if check['lower'] else '>='} {_number(check[which], check['unit'])}"


def _at(values: Mapping[str, Any], path: Sequence[str]) -> Any:
    """What lies at a path of names; None where it ends before."""
    here: Any = values
    for name in path:
        here = here.get(name) if isinstance(here, Mapping) else None
    return here
