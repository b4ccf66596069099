import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest


def test_a_plan_is_printed_with_its_assumptions_and_as_one_object(framefall: Callable) -> None:
    said = framefall("plan", "micro", "--machine", "8xH100", "--steps", 100, "--price", 2.5)
    assert said.code == 0 and "base: " in said.out and "micro on 8xH100" in said.out
    assert "it takes for granted:" in said.out and "2.5 US dollars an hour and device (as given)" in said.out
    found = json.loads(framefall("plan", "micro", "--machine", "8xH100", "--steps", 100, "--json").out)
    assert list(found["stages"]) == ["base", "temporal_sr", "spatial_sr"]
    assert found["stages"]["base"]["steps"] * found["stages"]["base"]["batch"] == 400


def test_a_short_training_is_planned_in_minutes_or_seconds_and_its_cost_in_cents(framefall: Callable) -> None:
    for steps, unit in ((10**11, "hours"), (10**8, "minutes"), (10, "seconds")):
        line = framefall("plan", "micro", "--machine", "1xH100", "--steps", steps, "--price", 2.5).out.splitlines()[0]
        words = re.fullmatch(r"base: (\S+) (\w+) \((\S+) to (\S+)\), (\S+) US dollars .*", line)
        assert words is not None and words[2] == unit
        middle, low, high, cost = (float(words[at].replace(",", "")) for at in (1, 3, 4, 5))
        assert 0 < low <= middle <= high and cost > 0


def test_a_run_and_a_source_count(trained: Path, clips: Path, framefall: Callable) -> None:
    runs = trained.with_name("toy.training")
    said = framefall("plan", "micro", "--machine", "1xA100", "--run", runs, "--data", clips)
    assert said.code == 0 and said.out.count("as its first steps say") == 3 and "different clips" in said.out


REFUSED = [
    ("plan nothing", 1, "recipe must be one of"),
    ("plan micro --machine 8xTPU", 1, "a machine must be given like 8xH100"),
    ("plan micro --machine 1xH100 --run {there}", 1, "--run must be MODEL.training of a run"),
    ("plan micro --machine 1xH100 --price -1", 1, "price must be dollars an hour"),
    ("plan micro --steps 0", 2, "--steps"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_a_refusal_is_one_sentence_and_an_exit_code(line: str, code: int, sentence: str, refused: Callable) -> None:
    refused(line, code, sentence)
