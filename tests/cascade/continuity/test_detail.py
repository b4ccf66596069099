"""What a stage gets wrong of a given frame, mended in those beside it."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from framefall.cascade.cascade import Cascade, CascadeConfig
from framefall.cascade.continuity.detail import CHANGED, Edge, Rendered, edges, mended
from framefall.cascade.known import Known
from framefall.cascade.request import Request


def rendered(
    frame: int, error: float, small: Tensor | None = None, before: bool = True, after: bool = True
) -> Rendered:
    return Rendered(
        edge=Edge(frame=frame, before=before, after=after),
        small=torch.zeros(1, 3, 1, 4, 4) if small is None else small,
        error=torch.full((1, 3, 1, 16, 16), error),
    )


def made(*frames: int, low: Tensor | None = None, given: list[Rendered]) -> Tensor:
    small = torch.zeros(1, 3, len(frames), 4, 4) if low is None else low
    return mended(torch.zeros(1, 3, len(frames), 16, 16), small, frames, given)


def test_where_the_small_picture_stays_all_of_the_error_is_taken_off():
    assert torch.equal(made(3, 9, given=[rendered(2, 0.25)]), torch.full((1, 3, 2, 16, 16), 0.25))


def test_where_the_small_picture_changes_nothing_is():
    low = torch.zeros(1, 3, 1, 4, 4)
    low[..., 0, 0] = CHANGED
    [image] = made(3, low=low, given=[rendered(2, 0.25)])[0, 0]
    assert not image[:4, :4].any()  # the thing, and a pixel around it, where its outline moves
    assert (image[-4:, -4:] == 0.25).all()
    part = made(3, low=torch.full_like(low, CHANGED / 4), given=[rendered(2, 0.25)])
    assert torch.allclose(part, torch.full_like(part, 0.75 * 0.25))


def test_between_two_given_frames_each_has_a_share_by_how_near_it_is():
    between = made(*range(1, 10), given=[rendered(0, 0.0), rendered(10, 0.5)])
    assert torch.allclose(between[0, 0, :, 0, 0], torch.arange(1, 10) * 0.05)
    # one that has no made frames on this side says nothing, nor one that is further off
    alone = made(4, given=[rendered(0, 0.1, before=False), rendered(1, 0.2), rendered(6, 0.3, before=False)])
    assert torch.allclose(alone, torch.full_like(alone, 0.2))


def test_what_is_mended_stays_a_picture():
    assert float(made(1, given=[rendered(0, 3.0)]).max()) == 1.0


@pytest.mark.parametrize(
    ("start", "frames", "found"),
    [
        (0.0, 3, [(2, False, True)]),
        (0.5, 3, [(3, True, False), (5, False, True)]),
        (0.5, 1, [(3, True, True)]),
        (0.0, 12, []),
    ],
)
def test_edges_are_the_given_frames_beside_those_to_be_made(start, frames, found):
    piece = Known(video=torch.zeros(1, 3, frames, 16, 16), start=start, fps=6.0)
    assert [(one.frame, one.before, one.after) for one in edges([piece], 6.0, 12)] == found
    partly = replace(piece, mask=torch.zeros(1, 1, frames, 16, 16))
    assert not edges([partly], 6.0, 12)


def test_a_loop_has_edges_where_it_begins_anew():
    first = Known(video=torch.zeros(1, 3, 1, 16, 16), fps=6.0)
    last = Known(video=torch.zeros(1, 3, 1, 16, 16), start=11 / 6, fps=6.0)
    around = [(one.frame, one.before, one.after) for one in edges([first], 6.0, 12, loop=True)]
    assert around == [(0, False, True), (12, True, False)]
    back = [(one.frame, one.before, one.after) for one in edges([last], 6.0, 12, loop=True)]
    assert back == [(-1, False, True), (11, True, False)]
    assert len(edges([first, last], 6.0, 12, loop=True)) == 2  # they meet: nothing is made between them


@pytest.mark.parametrize("loop", [False, True])
def test_the_texture_of_a_given_video_goes_on_where_nothing_moves(configs, fresh, loop):
    """A cascade that knows only grey: what is finer than its base is lost, but for what the given frames show."""
    stages = tuple(fresh(name, config) for name, config in configs.items())
    cascade = Cascade(config=CascadeConfig(name="toy", stages=configs), stages=stages)
    rows, columns = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    texture = torch.where((rows + columns) % 2 > 0, 0.25, -0.25).expand(1, 3, 3, 32, 32)  # its mean is grey
    request = Request(known=(Known(video=texture, fps=12.0),), frames=16, loop=loop)
    video = cascade.sample(request)
    assert torch.equal(video[:, :, :3], texture)
    off = (video[:, :, 3:] - texture[:, :, :1]).abs()
    plain = replace(
        stages[2], config=replace(configs["spatial_sr"], fast=replace(configs["spatial_sr"].fast, carried=False))
    )
    control = replace(cascade, stages=(*stages[:2], plain)).sample(request)
    assert float(off.mean()) < 0.2 * float((control[:, :, 3:] - texture[:, :, :1]).abs().mean())
