import numpy as np
import pytest

from framefall.data.media.frame import Frame
from framefall.data.media.timeline import at_rate, divisor, pace, rate_for


def frames(starts, last=0.1):
    ends = [*starts[1:], starts[-1] + last]
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        yield Frame(start, np.zeros((1, 1, 1), np.uint8), end - start, index)


def shown(starts, fps, last=0.1):
    return [frame.source for frame in at_rate(frames(starts, last), fps)]


def test_a_short_last_frame_does_not_lengthen_the_video():
    assert shown([0.0, 1.2], 1.0) == [0]  # 1.3 s at 1 frame a second is one frame
    assert shown([0.0, 1.2], 1.0, last=0.4) == [0, 1 - 1]  # 1.6 s: two, and at 1.0 s the first is still shown


def test_one_frame_gives_at_least_one():
    assert shown([0.0], 24.0, last=0.001) == [0]
    assert shown([0.0], 10.0, last=0.3) == [0, 0, 0]


@pytest.mark.parametrize("seed", range(20))
def test_any_time_stamps_give_what_an_observer_would_see(seed):
    rng = np.random.default_rng(seed)
    starts = [0.0, *np.cumsum(rng.uniform(0.001, 0.2, 40)).tolist()]
    fps = float(rng.uniform(1, 60))
    seen = shown(starts, fps)
    assert len(seen) == max(1, int((starts[-1] + 0.1) * fps + 0.5))
    assert seen == [max(i for i, start in enumerate(starts) if start <= n / fps + 1e-6) for n in range(len(seen))]


def test_it_holds_only_the_frames_whose_turn_is_unsure():
    reader, taken = at_rate(frames([i / 100 for i in range(1000)]), 50.0), []

    def counted():
        for frame in frames([i / 100 for i in range(1000)]):
            taken.append(frame.source)
            yield frame

    reader = at_rate(counted(), 50.0)
    for given in range(100):
        next(reader)
        assert len(taken) <= 2 * given + 5


@pytest.mark.parametrize(
    ("source", "wanted", "kept", "one_to_one"),
    [(24, 24, 24, True), (30, 24, 24, False), (25, 24, 24, False), (24000 / 1001, 24, 24, True), (23, 24, 24, True),
     (22, 24, 12, False), (12, 24, 12, True), (10, 24, 8, False), (60, 24, 24, False), (1, 24, 1, True),
     (5, 6, 3, False)],
)  # fmt: skip
def test_the_rate_that_is_kept_never_shows_a_frame_twice(source, wanted, kept, one_to_one):
    rate, every = rate_for(float(source), float(wanted))
    assert (rate, every) == (pytest.approx(kept), one_to_one)
    if not every:
        shown = [int(n / rate * source + 1e-9) for n in range(200)]
        assert len(set(shown)) == 200


def test_a_last_frame_is_shown_no_longer_than_the_limit():
    slow = list(at_rate(frames([0.0, 0.1], last=1e7), 10.0, seconds=3.0))
    assert [frame.source for frame in slow] == [0] + 29 * [1]


def test_frames_come_evenly_if_counting_them_tells_the_time():
    steady = [n / 30 for n in range(300)]
    rounded = [round(1000 * start) / 1000 for start in steady]  # Matroska counts milliseconds
    one_lost = [start + (start > 5) / 30 for start in steady]
    assert all(
        pace(starts, 30.0, 0.001) == (True, 30.0) for starts in (steady, rounded, one_lost, [0.0], [0.0, 9.0], [])
    )
    three_lost = [start + (start > 5) / 10 for start in steady]
    assert pace(three_lost, 30.0) == (False, pytest.approx(30.0))
    phone = [*(n / 60 for n in range(60)), *(1 + n / 20 for n in range(40))]
    assert pace(phone, 58.8) == (False, pytest.approx(20.0))
    assert pace([0.0, 0.0, 0.0], 24.0) == (True, 24.0)


@pytest.mark.parametrize(
    ("source", "wanted", "every"),
    [(24, 24, 1), (25, 24, 1), (30, 24, 1), (60, 24, 3), (50, 24, 2), (48, 24, 2), (120, 24, 5), (10, 24, 1),
     (45, 24, 2), (30, 6, 5), (30, 12, 3), (24000 / 1001, 24, 1)],
)  # fmt: skip
def test_every_which_frame_is_taken_to_come_near_to_a_rate(source, wanted, every):
    assert divisor(float(source), float(wanted)) == every


def test_blending_moves_evenly_and_leaves_ghosts():
    places = np.arange(30)
    pictures = [np.where(np.arange(64) // 2 == place, 255, 0).astype(np.uint8).reshape(1, 64, 1) for place in places]
    film = [Frame(n / 30, picture, 1 / 30, n) for n, picture in enumerate(pictures)]

    def steps(blend):
        shown = [frame.pixels[0, :, 0].astype(float) for frame in at_rate(iter(film), 24.0, blend=blend)]
        return np.diff([(row * np.arange(64)).sum() / row.sum() for row in shown[:-1]]), shown

    (even, ghosts), (uneven, sharp) = steps(True), steps(False)
    assert even.std() / even.mean() < 0.05 < 0.3 < uneven.std() / uneven.mean()
    assert max((row > 0).sum() for row in sharp) == 2 and max((row > 0).sum() for row in ghosts) == 4
    far_apart = [Frame(0.0, pictures[0], 5.0, 0), Frame(5.0, pictures[9], 0.1, 1)]  # nobody knows what was between
    assert all((frame.pixels > 0).sum() == 2 for frame in at_rate(iter(far_apart), 24.0, blend=True))
