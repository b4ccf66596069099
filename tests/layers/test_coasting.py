"""What moves, drawn where it would be later."""

import pytest
import torch
from torch import Tensor

from framefall.layers.coasting import coasted

ORANGE = (0.9, 0.1, -0.9)


def scene(*tracks: list[tuple[float, float]], side: int = 32) -> Tensor:
    """Orange discs of 7 pixels on a grey wall with a slow shade, their middles (right, down) on a track each."""
    rows, columns = torch.arange(side)[:, None] + 0.5, torch.arange(side) + 0.5
    frames = []
    for places in zip(*tracks, strict=True):
        image = (0.1 + 0.1 * rows / side + 0.05 * columns / side).expand(3, side, side)
        for across, down in places:
            inside = (3.9 - ((columns - across).square() + (rows - down).square()).sqrt()).clamp(0, 1)
            image = image + inside * (torch.tensor(ORANGE)[:, None, None] - image)
        frames.append(image)
    return torch.stack(frames, dim=1)[None]


def line(
    count: int, start: tuple[float, float], step: tuple[float, float], change: float = 0.0
) -> list[tuple[float, float]]:
    return [(start[0] + step[0] * i, start[1] + step[1] * i + change * i * i / 2) for i in range(count)]


def middle(layer: Tensor) -> Tensor:
    """(right, down) of a layer's share, for each step."""
    share = layer[0, -1]
    right, down = (torch.arange(side) + 0.5 for side in (share.shape[2], share.shape[1]))
    total = share.sum((1, 2))
    return torch.stack(((share.sum(1) * right).sum(1) / total, (share.sum(2) * down).sum(1) / total), dim=1)


@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_a_thing_in_flight_is_where_it_flies_to(count):
    path = line(count + 6, (6.0, 8.0), (1.5, 1.0))
    layer = coasted(scene(path[:count]), range(1, 7))
    truth = torch.tensor(path[count:])
    assert float((middle(layer) - truth).norm(dim=1).max()) < 1.5
    assert float((truth - torch.tensor(path[count - 1])).norm(dim=1).max()) > 9  # the control: it stands still


def test_its_speed_changes_as_it_did():
    path = line(8, (5.0, 22.0), (2.0, -3.0), 0.8)
    fourth = middle(coasted(scene(path[:4]), [3.0]))[0]
    straight = middle(coasted(scene(path[2:4]), [3.0]))[0]  # of two frames it has none
    truth = torch.tensor(path[6])
    assert float((fourth - truth).norm()) < 1.5 < 3.0 < float((straight - truth).norm())


def test_it_keeps_its_colour_and_size():
    path = line(4, (8.0, 16.0), (2.0, 0.0))
    layer = coasted(scene(path), [4.0])
    right, down = (int(one) for one in middle(layer)[0])
    assert torch.allclose(layer[0, :3, 0, down, right], torch.tensor(ORANGE), atol=0.1)
    assert 0.8 < float(layer[0, 3].sum()) / (3.14159 * 3.5**2) < 1.5
    assert float(layer[:, -1].min()) >= 0 and float(layer[:, -1].max()) <= 1


def test_two_things_go_their_own_ways():
    left, right = line(6, (22.0, 8.0), (-1.5, 0.0)), line(6, (8.0, 24.0), (1.5, 0.0))
    layer = coasted(scene(left[:3], right[:3]), [3.0])
    upper, lower = layer[..., :16, :], layer[..., 16:, :]
    assert abs(float(middle(upper)[0, 0]) - left[5][0]) < 1.5
    assert abs(float(middle(lower)[0, 0]) - right[5][0]) < 1.5


def test_where_nothing_moves_or_all_has_left_there_is_nothing():
    assert not coasted(scene(line(4, (16.0, 16.0), (0.0, 0.0))), [1.0, 9.0]).any()
    assert float(coasted(scene(line(4, (14.0, 16.0), (3.0, 0.0))), [20.0]).abs().sum()) < 3.0  # a few grey pixels


def test_clips_do_not_see_one_another():
    clips = [scene(line(4, (6.0, 8.0), (1.5, 1.0))), scene(line(4, (20.0, 20.0), (-1.0, 0.5)))]
    both = coasted(torch.cat(clips), [2.0, 5.0])
    assert torch.equal(both, torch.cat([coasted(clip, [2.0, 5.0]) for clip in clips]))
