"""Clips to try uses on."""

from pathlib import Path

import numpy as np
import pytest

from examples import examples
from framefall.bench.uses import sources as use_sources
from framefall.bench.uses.sources import calm, real_sources, third, world_sources
from framefall.cascade.uses import Canvas
from framefall.worlds.captions.sentences import describe

SHIPPED = [
    "carphone_pristine",
    "bikes",
    "bigbuckbunny",
]  # with a library of the tests: what is read where none is given


@pytest.fixture
def canvas() -> Canvas:
    return Canvas(fps=12.0, step=2, frames=15, window=16, sizes=((16, 16), (32, 32)))


def test_sources_last_a_window_and_a_half_and_move(
    canvas: Canvas, real: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(use_sources, "LOOKED", 3)
    worlds = world_sources(canvas, 3, 0, 1)
    films = [one for given in (clips, None)[: examples(1, 2)] for one in real_sources(canvas, given, worlds[0].later)]
    assert len({one.name.split("/")[0] for one in worlds}) == 3  # a scenario each
    assert [one.name for one in films] == ["0001", "0002", *SHIPPED[: examples(0, 3)]]
    for one in (*worlds, *films):
        assert one.frames.shape == (3 * third(canvas), 32, 32, 3) == (24, 32, 32, 3)
        assert one.frames.std(axis=0).max() > 5
    assert worlds[0].prompt != worlds[1].prompt == describe(worlds[0].later) and films[0].prompt is None


def test_a_real_source_has_no_cut_in_it() -> None:
    levels = np.r_[10:20, 120:150].astype(np.uint8)  # cut after ten frames
    film = np.broadcast_to(levels[:, None, None, None], (40, 4, 4, 3)).copy()
    assert calm(film, 24)[0, 0, 0, 0] >= 120 and calm(film, 8)[0, 0, 0, 0] == 10
    assert len(calm(film, 50)) == 50  # too short: back and forth


def test_a_real_video_that_is_smaller_than_the_finished_clip_is_enlarged_to_it() -> None:
    canvas = Canvas(fps=24.0, step=4, frames=60, window=64, sizes=((32, 32), (256, 256)))
    small = np.zeros((144, 176, 3), np.uint8)
    assert use_sources._fitted(small, canvas).shape == (1, 256, 256, 3)
    assert use_sources._fitted(np.zeros((720, 1280, 3), np.uint8), canvas).shape == (1, 256, 256, 3)
