"""Every use on a toy of three stages: what is given is kept at each size, and what was not told shows its joins."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from examples import examples
from framefall.bench.uses.cases import (
    USES,
    Made,
    make,
    measured,
    window_edges,
)
from framefall.bench.uses.continuity import kept_share
from framefall.bench.uses.sources import Source, world_sources
from framefall.cascade.cascade import Cascade
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.cascade.uses import Canvas
from framefall.video import Video, from_pixels, resize
from framefall.worlds.captions.sentences import describe


@pytest.fixture(scope="module")
def cascade(lively: Path) -> Cascade:
    return load_cascade(lively)


@pytest.fixture(scope="module")
def source(cascade: Cascade) -> Source:
    return world_sources(Canvas.of(cascade), 1, 0, 1)[0]


@pytest.fixture(scope="module")
def request_of(source: Source) -> Request:
    return Request(source.prompt, frames=len(source.frames), names=(source.name,))


@pytest.fixture(scope="module")
def untold(cascade: Cascade, request_of: Request) -> Made:
    return make(cascade, request_of)


# given as another use is, at another place or strength
ALIKE = {"images", "before", "both", "redraw_60", "outpaint", "join"}


@pytest.mark.parametrize("name", [name for name in USES if examples(0, 1) or name not in ALIKE])
def test_a_use_keeps_what_is_given_and_its_control_does_not(
    name: str, cascade: Cascade, source: Source, request_of: Request, untold: Made
) -> None:
    asked = USES[name](source, Canvas.of(cascade))
    told = make(cascade, replace(request_of, **asked.changes), asked.given)
    later = make(cascade, replace(request_of, prompt=describe(source.later))) if name == "prompt_at" else None
    found = measured(cascade, source, asked, told, untold, later)
    assert told.frames.shape == source.frames.shape
    kept = name not in ("redraw_30", "redraw_60", "prompt_at")
    for place in ("kept_base", "kept_output"):
        assert found[place]["value"] == 1 if kept else math.isnan(found[place]["value"])
        assert found[place]["control"] < 0.5 or not kept
    moves = name in ("image", "images", "after", "before", "both", "join", "loop")
    assert math.isnan(found["given_join"]["value"]) == (not moves)
    assert math.isnan(found["loop_join"]["value"]) == (name != "loop")
    assert ("seam" in found) == (name in ("inpaint", "outpaint"))
    assert ("distance" in found) == name.startswith("redraw") and ("obeys" in found) == (name == "prompt_at")
    if "seam" in found:
        assert found["seam"]["source"] < found["seam"]["control"]
    if "distance" in found:
        assert found["distance"]["value"] < found["distance"]["control"]


def test_what_is_pasted_jumps_where_the_true_clip_does_not(cascade: Cascade, source: Source) -> None:
    asked = USES["after"](source, Canvas.of(cascade))
    right = Made(frames=source.frames, base=_base(cascade, source), starts=(8, 16))
    wrong = Made(frames=255 - source.frames, base=-_base(cascade, source), starts=())
    found = measured(cascade, source, asked, right, wrong)
    assert found["kept_base"] == {"value": 1.0, "control": 0.0} and found["kept_output"]["control"] < 0.1
    for name in ("given_join", "window_join"):
        assert found[name]["value"] == found[name]["source"] < found[name]["control"] / 5


def _base(cascade: Cascade, source: Source) -> Video:
    """What a base makes that is right."""
    return resize(from_pixels(source.frames[:: Canvas.of(cascade).step]).permute(3, 0, 1, 2)[None], 16, 16, "area")


def test_windows_meet_where_the_base_begins_anew(cascade: Cascade) -> None:
    base = cascade.stages[0]
    assert window_edges(cascade, Request("a", frames=8)) == ()
    edges = window_edges(cascade, Request("a", frames=60))
    assert edges[0] == 2 * base.config.shape.frames and all(edge % 2 == 0 and edge < 60 for edge in edges)


def test_a_clip_that_is_made_again_is_equal(cascade: Cascade, request_of: Request, untold: Made) -> None:
    again = make(cascade, request_of)
    assert kept_share(again.frames, untold.frames, np.ones(untold.frames.shape[:3], bool)) == 1
    other = make(cascade, replace(request_of, seed=1))
    assert kept_share(other.frames, untold.frames, np.ones(untold.frames.shape[:3], bool)) < 0.5
