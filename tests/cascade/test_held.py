"""Frames that wait for the stage above."""

import torch

from framefall.cascade.held import Held


def test_what_is_held_is_named_by_its_absolute_number(moving):
    held, video = Held(), moving(10)
    held.add(video[:, :, :6])
    held.forget(4)
    held.add(video[:, :, 6:])
    assert (held.start, held.stop, held.video.shape[2]) == (4, 10, 6)
    assert torch.equal(held.take(range(5, 9)), video[:, :, 5:9])
    assert torch.equal(held.take(range(9, 12)), video[:, :, 9:].expand(-1, -1, 3, -1, -1))  # the last one repeats
    held.forget(2)
    assert held.start == 4
    held.forget(50)
    assert held.start == 9 and torch.equal(held.take(range(60, 61)), video[:, :, 9:])
