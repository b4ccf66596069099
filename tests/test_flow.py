import threading

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from framefall import flow
from framefall.flow import at_full_size, brightness, dense_flow, flow_between, follow, look, one_thread, square


def texture(side: int, seed: int = 0) -> Tensor:
    """A smooth random picture, 0..1."""
    grains = torch.rand(1, 1, side // 4, side // 4, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(grains, size=(side, side), mode="bicubic", align_corners=False)[0, 0].clamp(0, 1)


def drifting(frames: int, right: int, down: int, size: int = 64) -> Tensor:
    """Of which each frame shows a part further on, so that what is seen moves left and up."""
    field = texture(size + 64)
    parts = [field[down * f : down * f + size, right * f : right * f + size] for f in range(frames)]
    return torch.stack(parts)[None, None].expand(1, 3, -1, -1, -1) * 2 - 1


def grey(video: Tensor, frame: int) -> np.ndarray:
    return ((video[0, 0, frame] + 1) * 127.5).round().byte().numpy()


@pytest.mark.parametrize("size", [(64, 64), (32, 64), (21, 64)], ids=str)
def test_the_flow_is_given_in_the_pixels_of_the_grid_that_is_asked_for(size):
    video = drifting(2, 3, 2)
    found = dense_flow(grey(video, 0), grey(video, 1), size)
    assert found.shape == (*size, 2) and found.dtype == np.float32
    rows, columns = (side // 4 for side in size)
    middle = found[rows:-rows, columns:-columns].mean((0, 1))
    assert middle == pytest.approx([-3.0 * size[1] / 64, -2.0 * size[0] / 64], abs=0.15)


@pytest.mark.parametrize("side", [9, 40, 64, 100])
def test_small_pictures_have_room_for_patches(side):
    video = drifting(2, 1, 0, side)
    found = flow_between(grey(video, 0), grey(video, 1))
    assert found.shape == (side, side, 2) and np.isfinite(found).all()
    if side > 9:
        assert np.median(found[..., 0]) == pytest.approx(-1.0, abs=0.15)


def test_every_flow_is_found_on_one_thread_and_the_setting_comes_back(monkeypatch):
    seen: list[int] = []
    create = cv2.DISOpticalFlow.create
    monkeypatch.setattr(cv2.DISOpticalFlow, "create", lambda preset: seen.append(cv2.getNumThreads()) or create(preset))
    video, before = drifting(3, 1, 1), cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        look(video)
        flow_between(grey(video, 0), grey(video, 1))
        assert seen == [1] * 5 and cv2.getNumThreads() == 2
        with pytest.raises(ZeroDivisionError), one_thread():
            raise ZeroDivisionError
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)


def test_blocks_may_lie_within_each_other_and_in_several_threads():
    before, entered, leave = cv2.getNumThreads(), threading.Event(), threading.Event()

    def other() -> None:
        with one_thread():
            entered.set()
            leave.wait(10)

    try:
        cv2.setNumThreads(2)
        worker = threading.Thread(target=other)
        with one_thread():
            worker.start()
            assert entered.wait(10)
            with one_thread():
                pass
            assert cv2.getNumThreads() == 1
        assert cv2.getNumThreads() == 1  # the other one is still at work
        leave.set()
        worker.join()
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)


def test_both_directions_of_a_clip_are_found_and_agree():
    motion = look(drifting(4, 2, 1), fps=12.0)
    assert motion.pairs == 3 and motion.forth.shape == motion.back.shape == (3, 64, 64, 2) and motion.fps == 12.0
    inner = (slice(None), slice(16, 48), slice(16, 48))
    assert motion.forth[inner].mean((0, 1, 2)) == pytest.approx([-2.0, -1.0], abs=0.1)
    assert motion.back[inner].mean((0, 1, 2)) == pytest.approx([2.0, 1.0], abs=0.1)
    assert motion.speed[inner].mean() == pytest.approx(5**0.5, abs=0.1)
    assert motion.sure_forth[inner].all() and motion.sure_back[inner].all()


def test_where_the_ways_there_and_back_disagree_a_flow_is_not_sure():
    cut = torch.stack((texture(64, 1), texture(64, 2)))[None, None] * 2 - 1  # nothing leads from one to the other
    assert look(cut).sure_forth.mean() < 0.7 < look(drifting(2, 1, 0)).sure_forth.mean()


def test_neighbours_are_fetched_onto_a_frame():
    motion = look(drifting(3, 2, 0))
    for found in (motion.next_seen_from(1), motion.last_seen_from(1)):
        sure = found.inside & found.sure
        assert sure.mean() > 0.8 and found.image.shape == motion.frames[1].shape
        assert np.abs(found.image - motion.frames[1])[sure].mean() < 0.02
    assert np.abs(motion.frames[2] - motion.frames[1]).mean() > 0.05  # they do differ
    assert not motion.next_seen_from(1).inside[:, 0].any()  # what was at the left edge has left the picture


def test_large_frames_are_averaged_down():
    motion = look(torch.zeros(1, 1, 2, 600, 1000))
    assert np.prod(motion.frames.shape[1:3]) <= 1.01 * flow.LOOK_SIDE**2
    assert np.prod(motion.luma.shape[1:]) <= 1.01 * flow.GRID_SIDE**2
    assert motion.next_seen_from(0).image.shape == motion.frames[0].shape  # the flow of the grid, enlarged


def test_a_clip_that_is_not_finite_has_no_frames():
    broken = drifting(3, 1, 1).clone()
    broken[0, 0, 1, 5, 5] = float("nan")
    assert look(broken).pairs == 0 and len(look(broken).frames) == 0


def test_a_field_is_read_where_the_flow_leads():
    field = np.arange(20, dtype=np.float32).reshape(4, 5)
    way = np.zeros((4, 5, 2), np.float32)
    assert (follow(field, way) == field).all()
    way[..., 0] = 1.0
    assert (follow(field, way)[:, :-1] == field[:, 1:]).all() and (follow(field, way)[:, -1] == field[:, -1]).all()


def test_brightness_is_luma_of_three_channels_and_else_the_mean():
    assert brightness(np.array([[0.0, 1.0, 0.0]], np.float32)) == pytest.approx([0.7152])
    assert brightness(np.array([[0.0, 1.0]], np.float32)) == pytest.approx([0.5])


def test_lengths_and_masks():
    assert square(np.array([[3.0, 4.0]])) == pytest.approx([25.0])
    mask = np.array([[True, False], [False, True]])
    large = at_full_size(mask, (4, 6))
    assert large.shape == (4, 6) and large[:2, :3].all() and not large[:2, 3:].any()
    assert at_full_size(mask, (2, 2)) is mask
