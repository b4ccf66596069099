import json
import math
from dataclasses import replace

import pytest

from framefall.evaluate.metrics.suite import METRICS, ClipScores, ScoreRow, protocol, score_row
from framefall.evaluate.report.real_video import real_video
from framefall.evaluate.report.table import (
    LINES,
    brief_table,
    distance_lines,
    period_lines,
    rank,
    ranked,
    table,
    to_json,
)
from framefall.evaluate.sets.distribution import Distance
from framefall.physics.laws import LAWS

ROWS = [
    score_row("flicker", {"a": 0.25, "b": 0.75, "c": math.nan}, "lower", "of the 0..1 range", floor=0.0625),
    score_row("luminance_flicker", {"a": math.nan, "b": math.nan, "c": math.nan}, "lower", "of the 0..1 range"),
    score_row("psnr", {"a": 31.0, "b": 31.0, "c": 31.0}, "higher", "dB"),
]


def one_clip(**values: float) -> list[ScoreRow]:
    return [score_row(name, {"a": value}, METRICS[name].better, METRICS[name].unit) for name, value in values.items()]


def test_the_table_is_aligned_and_complete() -> None:
    header, *lines, _ = table(ROWS).splitlines()
    assert [name.strip() for name in header.split("  ") if name] == [
        "metric", "value", "95% interval", "n", "better", "unit", "real video",
    ]  # fmt: skip
    for line in lines:
        for column in ("value", "better", "unit"):
            start = header.index(column)
            assert line[start - 1] == " " and line[start] != " "
    assert lines[0].split()[:2] == ["flicker", "0.5"] and "0.25 .. 0.75" in lines[0] and lines[0].endswith("0.0625")
    assert "31.00 .. 31.00" in lines[1] and "↑ higher" in lines[1]


def test_what_is_not_measurable_stands_in_the_table() -> None:
    lines = table(ROWS).splitlines()
    assert "2, not measurable (1 of 3)" in lines[1]
    assert lines[-1].startswith("not measurable in any clip: ") and " nan" not in table(ROWS)
    assert "not measurable in any clip" not in table([row for row in ROWS if row.n])


def test_the_period_in_which_frames_come_is_named_with_how_many_clips_have_it() -> None:
    clips = [ClipScores(str(place), 8.0, {}, period=period) for place, period in enumerate((2, 0, 8, 2))]
    assert list(period_lines(clips)) == [
        "cadence: how much frames change repeats every 2 frames in 2 of 4 clips",
        "cadence: how much frames change repeats every 8 frames in 1 of 4 clips",
    ]
    assert list(period_lines(clips[:1])) == ["cadence: how much frames change repeats every 2 frames"]
    assert list(period_lines(clips[1:2])) == []


def test_one_clip_has_no_interval_and_columns_that_say_nothing_are_left_out() -> None:
    header, line = table(one_clip(psnr=31.0)).splitlines()
    assert header.split() == ["metric", "value", "better", "unit"] and ".." not in line
    # of several clips of which one could be measured there is no interval either
    assert "95% interval" not in table([score_row("psnr", {"a": 31.0, "b": math.nan}, "higher", "dB")])


def test_without_a_reference_real_video_is_what_was_measured_once() -> None:
    typical = real_video().metrics["flicker"]
    assert table(one_clip(flicker=0.01)).splitlines()[1].endswith(f"{typical.low:.4g} .. {typical.high:.4g})")
    assert table([replace(one_clip(flicker=0.01)[0], floor=0.5)]).splitlines()[1].endswith("  0.5")


def test_the_brief_table_has_what_fits_the_clip_the_worst_first() -> None:
    real = real_video().metrics
    usual = {name: one.value for name, one in real.items()}
    worse = real["flicker"].value + 5 * real["flicker"].spread
    rows = one_clip(**usual | {"flicker": worse}, continuity=9.0, gravity=math.nan)
    text = brief_table(rows, separate=False, rest="walk.json")
    names = [line.split()[0] for line in text.splitlines()[1:-1]]
    assert names[0] == "flicker" and not {"warp_error", "continuity", "gravity"} & set(names)
    assert set(names) == set(usual) - {"warp_error"}
    assert text.splitlines()[-1].startswith(f"{len(rows) - len(names)} more in walk.json; real video: ")
    # where things are apart, laws are scores like the others; what breaks one stands above
    noted = brief_table(rows, separate=False, rest="walk.json", notes=["cadence: 2"]).splitlines()
    assert noted[-2:] == ["cadence: 2", noted[-1]] and "walk.json" in noted[-1] and len(noted) <= LINES
    apart = brief_table(rows, separate=True, rest="walk.json").splitlines()
    assert apart[1].startswith("continuity ") and "gravity" not in "".join(apart)


def test_the_brief_table_is_never_longer_than_twelve_lines() -> None:
    rows = one_clip(**{name: 0.5 for name in METRICS})
    text = brief_table(rows, separate=True, rest="walk.json")
    assert len(text.splitlines()) == LINES == 12
    assert len(LAWS) > LINES < len(table(rows).splitlines())  # the control: the whole table is longer


def test_the_json_is_strict_and_says_null_for_nan() -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    report = json.loads(to_json(ROWS, {"model": "tiny"}), parse_constant=refuse)
    assert report["model"] == "tiny" and report["protocol"] == protocol() and report["n"] == 3
    flicker = report["metrics"]["flicker"]
    assert flicker.pop("real_video")["n"] == real_video().metrics["flicker"].n
    assert flicker == {
        "value": 0.5, "low": 0.25, "high": 0.75, "n": 2, "not_measurable": 1, "better": "lower",
        "unit": "of the 0..1 range", "floor": 0.0625, "per_clip": {"a": 0.25, "b": 0.75, "c": None},
    }  # fmt: skip
    assert report["metrics"]["luminance_flicker"]["value"] is None
    # the broken control: plain json.dumps writes NaN, which is no JSON
    with pytest.raises(AssertionError, match="NaN"):
        json.loads(json.dumps(math.nan), parse_constant=refuse)


def test_distances_that_one_reason_stops_share_a_line() -> None:
    nan = math.nan
    few = [Distance(name, nan, nan, nan, nan, 2, 2, "x", "16 clips are needed") for name in ("a", "b")]
    found = Distance("c", 1.0, 0.5, 1.5, 0.25, 20, 20, "x")
    assert list(distance_lines([few[0], found, few[1]])) == [
        "c: 1 (0.5 .. 1.5), real against real 0.25",
        "not measurable: a, b: 16 clips are needed",
    ]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ([0.1, 0.11, 0.12], [0.5, 0.51, 0.52], "ours is better than theirs"),
        ([0.5, 0.51, 0.52], [0.1, 0.11, 0.12], "theirs is better than ours"),
        ([0.1, 0.2, 0.3], [0.15, 0.25, 0.35], "not ranked"),
        ([], [0.1], "not measurable"),
    ],
)
def test_two_sets_are_ranked_only_where_their_intervals_part(
    first: list[float], second: list[float], said: str
) -> None:
    rows = [
        score_row("flicker", {str(i): v for i, v in enumerate(values)}, "lower", "of 1") for values in (first, second)
    ]
    assert said in rank(rows[0], rows[1], ("ours", "theirs"))
    assert list(ranked(rows[:1], rows[1:], ("ours", "theirs"))) == [rank(rows[0], rows[1], ("ours", "theirs"))]
