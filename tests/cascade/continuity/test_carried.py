"""Frames beside what is known that carry its motion on."""

import pytest
import torch
from torch import Tensor

from framefall.cascade.continuity.carried import carried
from framefall.cascade.known import Known
from framefall.video import resize

SIZE, CPU = (32, 32), torch.device("cpu")


def ball(*places: tuple[float, float], side: int = 64) -> Tensor:
    """A white disc on a dark floor with a bright wall, its middle at a place of the picture's 0..1 in each frame."""
    rows, columns = torch.arange(side)[:, None] / side, torch.arange(side) / side
    frames = []
    for across, down in places:
        inside = ((columns - across).square() + (rows - down).square()).sqrt() < 0.12
        plain = torch.where(columns > 0.9, 0.3, -0.7).expand(side, side)
        frames.append(torch.where(inside, torch.tensor(0.9), plain).expand(3, -1, -1))
    return torch.stack(frames, dim=1)[None]


def flight(count: int, rate: float, first: float = 0.0) -> list[tuple[float, float]]:
    """A throw, `rate` frames a second."""
    times = [(first + frame) / rate for frame in range(count)]
    return [(0.25 + 0.4 * t, 0.7 - 0.6 * t + 0.5 * t * t) for t in times]


def error(image: Tensor, moment: float) -> float:
    """From the truth, over that of a picture that stands still for a base's step of 1/6 s."""
    truth, before = (resize(ball(*flight(1, 1.0, at)), *SIZE, "area") for at in (moment, moment - 1 / 6))
    return float((image - truth).abs().mean() / (before - truth).abs().mean())


@pytest.mark.parametrize("rate", [6.0, 24.0])
@pytest.mark.parametrize("behind", [1, 2, 3, 4])
def test_a_thrown_ball_is_where_it_flies_to(rate, behind):
    count = 8 if rate == 6 else 13  # the last frame is shown some twenty-fourths of a second before frame 3 of a base
    start = 0.5 - behind / 24 - (count - 1) / rate
    piece = Known(video=ball(*flight(count, rate, start * rate)), start=start, fps=rate)
    found = carried([piece], {3: 0.5}, 6.0, SIZE, CPU)
    assert list(found) == [3] and found[3].shape == (1, 3, 1, 32, 32)
    assert error(found[3], 0.5) < 0.3
    still = resize(piece.video[:, :, -1:], *SIZE, "area")
    assert error(still, 0.5) > 1.7 * error(found[3], 0.5)  # the control: the last frame as it is


def test_before_a_video_it_is_where_it_came_from():
    piece = Known(video=ball(*flight(13, 24.0, 4)), start=4 / 24, fps=24.0)
    found = carried([piece], {0: 0.0, 1: 1 / 6}, 6.0, SIZE, CPU)
    assert list(found) == [0] and error(found[0], 0.0) < 0.35


def test_of_two_videos_the_nearer_one_is_carried_on():
    near, far = ((0.3, 0.3), (0.4, 0.3)), ((0.7, 0.7), (0.7, 0.6))
    pieces = [Known(video=ball(*far), start=3 / 6, fps=6.0), Known(video=ball(*near), start=1 / 24, fps=6.0)]
    [image] = carried(pieces, {2: 2 / 6}, 6.0, SIZE, CPU).values()  # an eighth of a second after one, a sixth before
    assert float(image[0, 0, 0, 22, 22]) < 0 < float(image[0, 0, 0, 10, 14])


def test_an_image_does_not_hide_the_video_that_moves():
    image, video = Known(video=ball((0.3, 0.3)), start=2 / 6, fps=6.0), Known(video=ball(*flight(3, 6.0)), fps=6.0)
    alone = carried([video], {3: 0.5}, 6.0, SIZE, CPU)
    assert torch.equal(carried([image, video], {3: 0.5}, 6.0, SIZE, CPU)[3], alone[3])


@pytest.mark.parametrize(
    ("piece", "why"),
    [
        (Known(video=ball((0.3, 0.3)), start=2 / 6, fps=24.0), "one frame"),
        (Known(video=ball(*flight(3, 6.0)), start=-1 / 6, fps=6.0), "a step and more before"),
        (Known(video=ball(*flight(3, 6.0)), start=0.1, fps=6.0, mask=torch.full((1, 1, 3, 1, 1), 0.5)), "half known"),
        (Known(video=ball(*flight(3, 6.0), side=16), start=0.1, fps=6.0), "small"),
        (Known(video=ball(*flight(6, 6.0)), fps=6.0), "the frame itself is known"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nothing_is_carried_on_by(piece, why):
    assert not carried([piece], {3: 0.5}, 6.0, SIZE, CPU)
