"""How many frames each stage makes."""

import math
from dataclasses import replace

import pytest
import torch

from framefall.cascade.known import Known
from framefall.cascade.lengths import check_beginning, frame_counts
from framefall.cascade.request import Request
from framefall.cascade.tasks import TemporalSR


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_stages_below_make_enough_for_every_number_of_frames(configs, fresh, factor):
    """On paper, for many more numbers than could be run: the last given frame carries at most its own interval."""
    base = fresh("base", configs["base"])
    temporal = fresh("temporal_sr", replace(configs["temporal_sr"], task=TemporalSR(factor=factor)))
    spatial = fresh("spatial_sr", configs["spatial_sr"])
    for frames in range(1, 131):
        below, middle, above = frame_counts((base, temporal, spatial), Request(frames=frames))
        assert above == middle == frames
        assert below * factor >= frames
        if below != 8:  # the last frame lies between two given ones, and none is given beyond need
            assert frames - 1 <= (below - 1) * factor < frames + factor - 1


def test_a_loop_must_be_made_of_whole_intervals(cascade):
    assert frame_counts(cascade.stages, Request(frames=16, loop=True)) == [8, 16, 16]
    with pytest.raises(ValueError, match="a loop must have a multiple of 2 frames, got 15; try 14"):
        frame_counts(cascade.stages, Request(frames=15, loop=True))


def test_endless_is_no_number(cascade):
    assert frame_counts(cascade.stages, Request(seconds=math.inf)) == [None, None, None]


def test_what_is_begun_from_a_video_is_no_longer_than_it(cascade):
    piece = Known(video=torch.zeros(1, 3, 12, 32, 32), fps=12.0)
    check_beginning(cascade.stages, Request(known=(piece,), strength=0.5, frames=12))
    with pytest.raises(ValueError, match="got 13 frames of a video that has 12 at 12 a second"):
        check_beginning(cascade.stages, Request(known=(piece,), strength=0.5, frames=13))
    with pytest.raises(ValueError, match="needs a video to begin from, got none"):
        check_beginning(cascade.stages, Request(strength=0.5))
