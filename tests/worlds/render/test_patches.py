"""Patches hold what they are asked for, and are cut out and put back alike on every device."""

import numpy as np
import torch

from framefall.worlds.render.patches import Patches, _windows, put, take

CPU = torch.device("cpu")


def patches():
    frame = np.array([0, 1, 3])
    box = np.array([[3.2, 5.0, 9.9, 8.0], [20.0, 1.0, 40.0, 7.0], [-5.0, 12.0, 2.0, 30.0]])
    return Patches(frame, box, 16, 24, 4, CPU)


def test_patches_hold_their_boxes_and_lie_on_the_grid():
    found = patches()
    assert (found.corner % 4 == 0).all() and found.width % 4 == found.height % 4 == 0
    assert (
        (found.corner[:, 0] + found.width <= 24).all()
        and (found.corner[:, 1] + found.height <= 16).all()
        and (found.corner >= 0).all()
    )
    first = found.corner[0]
    assert (first <= (3.2, 5.0)).all() and (first + np.array([found.width, found.height]) >= (9.9, 8)).all()
    shrunk = found.shrunk(4)
    assert (shrunk.width * 4, shrunk.height * 4) == (found.width, found.height)


def test_the_gpus_way_to_patches_is_the_cpus():
    canvas = torch.arange(4 * 3 * 16 * 24.0).reshape(4, 3, 16, 24)
    found = patches()
    taken = take(canvas, found)
    assert torch.equal(taken, _windows(canvas, found)[found.frame, :, found.top, found.left])
    one, other = canvas.clone(), canvas.clone()
    put(one, found, -taken)
    _windows(other, found)[found.frame, :, found.top, found.left] = -taken
    assert torch.equal(one, other) and not torch.equal(one, canvas)
