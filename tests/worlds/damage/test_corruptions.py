import numpy as np
import pytest

from framefall.noise import Key
from framefall.worlds.damage.corruptions import CORRUPTIONS, independent

FRAMES = 24


def clip(channels: int = 3, seed: int = 0) -> np.ndarray:
    """A disc of 200 that moves two pixels a frame before a background of 80, with a soft edge."""
    rows, columns = np.mgrid[:40, :64] + 0.5
    frames = []
    for index in range(FRAMES):
        distance = np.hypot(rows - 20 - seed, columns - 9 - 2 * index)
        frames.append(80 + 120 * np.clip(6.5 - distance, 0, 1))
    return np.broadcast_to(np.stack(frames), (channels, FRAMES, 40, 64)).round().astype(np.uint8)


def places(video: np.ndarray) -> np.ndarray:
    """The column of the disc's middle in every frame."""
    weight = np.clip(video[0].astype(float) - 84, 0, None)
    return (weight * (np.arange(64) + 0.5)).sum(axis=(1, 2)) / weight.sum(axis=(1, 2))


def difference(video: np.ndarray) -> float:
    """How far a clip is from the whole one, frame by frame."""
    return float(np.abs(video.astype(float) - clip()[:, : video.shape[1]]).mean())


@pytest.mark.parametrize("name", list(CORRUPTIONS))
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_corruption_changes_a_clip_of_any_channels_and_leaves_its_input_alone(name: str, channels: int) -> None:
    video = clip(channels)
    kept = video.copy()
    damaged = CORRUPTIONS[name](video, Key(0, "test"))
    assert damaged.dtype == np.uint8 and damaged.shape[0] == channels and damaged.shape[2:] == video.shape[2:]
    assert (damaged.shape == video.shape) == CORRUPTIONS[name].keeps_length
    assert not np.array_equal(damaged, video)
    np.testing.assert_array_equal(video, kept)
    np.testing.assert_array_equal(damaged, CORRUPTIONS[name](video, Key(0, "test")))


@pytest.mark.parametrize("name", [name for name, corruption in CORRUPTIONS.items() if corruption.scales])
def test_more_strength_is_more_damage(name: str) -> None:
    sizes = []
    for strength in (0.25, 0.5, 1.0):
        draws = [CORRUPTIONS[name](clip(), Key(0, "test", str(draw)), strength) for draw in range(6)]
        sizes.append(np.mean([difference(video) for video in draws]))
    assert 0 < sizes[0] <= sizes[1] <= sizes[2] and sizes[0] < sizes[2]


def moves(video: np.ndarray) -> np.ndarray:
    return np.diff(places(video))


# what each damage does to a disc that moves by two pixels a frame; the clip itself has none of it
SEEN = {
    "shuffle": lambda video: moves(video).min() < -2,
    "freeze": lambda video: np.abs(moves(video)).max() == 0,
    "stall": lambda video: (moves(video) == 0).sum() >= 8,
    "judder": lambda video: (np.abs(moves(video) - 2) > 1).sum() >= 4,
    "pairs": lambda video: np.abs(moves(video)[::2]).max() == 0 and moves(video)[1::2].min() > 3.9,
    "pulldown": lambda video: np.abs(moves(video)[3::5]).max() == 0 and moves(video)[4::5].min() > 3.9,
    "hold": lambda video: moves(video)[3::4].min() > 7.9 and np.abs(np.delete(moves(video), np.s_[3::4])).max() == 0,
    "position_jitter": lambda video: np.abs(np.diff(moves(video))).mean() > 0.3,
    "double_speed": lambda video: moves(video).mean() > 3.5,
    "half_speed": lambda video: moves(video).mean() < 1.2,
    "reverse": lambda video: moves(video).max() < 0,
    "flicker": lambda video: np.abs(np.diff(video[0, :, 0, 0].astype(int))).max() >= 1,
    "brightness_flicker": lambda video: np.abs(np.diff(video[0, :, 0, 0].astype(int))).max() >= 4,
}


@pytest.mark.parametrize("name", list(CORRUPTIONS))
def test_a_damage_is_seen_in_the_damaged_clip_and_not_in_the_clip_itself(name: str) -> None:
    assert SEEN[name](CORRUPTIONS[name](clip(), Key(0, "test")))
    assert not SEEN[name](clip())


@pytest.mark.parametrize("name", ["shuffle", "judder", "position_jitter", "flicker", "brightness_flicker"])
def test_another_key_is_another_damage(name: str) -> None:
    one, two = (CORRUPTIONS[name](clip(), Key(seed, "test")) for seed in (0, 1))
    assert not np.array_equal(one, two)


def test_a_shuffle_holds_the_same_frames_in_another_order() -> None:
    shuffled = CORRUPTIONS["shuffle"](clip(), Key(0, "test"))
    np.testing.assert_allclose(np.sort(places(shuffled)), places(clip()))
    assert np.abs(np.diff(places(shuffled))).mean() > 6  # two pixels in the right order


def test_a_short_window_keeps_frames_near_their_place() -> None:
    shuffled = CORRUPTIONS["shuffle"](clip(), Key(0, "test"), 0.2)
    assert np.abs(places(shuffled) - places(clip())).max() <= 2 * 5  # windows of 5 frames of two pixels


def test_a_frozen_clip_is_its_first_frame_and_a_stall_catches_up() -> None:
    frozen = CORRUPTIONS["freeze"](clip(), Key(0, "test"))
    assert (frozen == clip()[:, :1]).all()
    stalled = CORRUPTIONS["stall"](clip(), Key(0, "test"), 0.5)
    steps = np.diff(places(stalled))
    np.testing.assert_allclose(steps[: FRAMES // 2], 2, atol=0.05)
    assert np.abs(steps[FRAMES // 2 : FRAMES // 2 + 5]).max() == 0
    assert steps.max() > 8
    np.testing.assert_array_equal(stalled[:, -1], clip()[:, -1])


def test_judder_repeats_and_skips_by_one_frame() -> None:
    moved = places(CORRUPTIONS["judder"](clip(), Key(0, "test"))) - places(clip())
    assert set(np.round(moved).astype(int)) == {-2, 0, 2} or set(np.round(moved).astype(int)) == {-2, 2}


def test_jitter_moves_each_frame_by_the_said_part_of_the_width() -> None:
    draws = [CORRUPTIONS["position_jitter"](clip(), Key(0, "test", str(draw))) for draw in range(10)]
    spread = np.std([places(video) - places(clip()) for video in draws])
    # 240 draws of 0.012 x 64 = 0.77 pixels: the standard deviation is known to 5 %, and there is some rounding
    assert spread == pytest.approx(0.012 * 64, rel=0.15)


@pytest.mark.parametrize(("name", "step", "frames"), [("double_speed", 4.0, 12), ("half_speed", 1.0, 24)])
def test_speeds_are_twice_and_half(name: str, step: float, frames: int) -> None:
    damaged = CORRUPTIONS[name](clip(), Key(0, "test"))
    assert damaged.shape[1] == frames
    assert np.diff(places(damaged)).mean() == pytest.approx(step, abs=0.1)


def test_backwards_twice_is_the_clip() -> None:
    backwards = CORRUPTIONS["reverse"]
    once = backwards(clip(), Key(0, "test"))
    np.testing.assert_array_equal(backwards(once, Key(0, "test")), clip())
    np.testing.assert_allclose(np.diff(places(once)), -2, atol=0.05)


def test_flicker_changes_values_by_two_and_three_percent_and_no_place() -> None:
    damaged = CORRUPTIONS["flicker"](clip(), Key(0, "test")).astype(float)
    background = damaged[:, :, 0, 0] / 80 - 1
    # bytes are rounded: half a level of 80 is 0.6 %
    assert 0.005 < np.abs(background).max() <= 0.02 + 0.007
    np.testing.assert_array_equal(background[0], background[1])
    disc = damaged[:, np.arange(FRAMES), 20, np.minimum(9 + 2 * np.arange(FRAMES), 63)] / 200 - 1
    assert 0.015 < np.abs(disc).max() <= 0.03 + 0.003
    assert not np.array_equal(disc[0], disc[1])
    assert np.abs(places(damaged) - places(clip())).max() < 0.3


def test_independent_frames_come_from_other_clips_in_turn() -> None:
    clips = [clip(seed=seed) for seed in range(3)]
    mixed = independent(clips)
    for index in range(FRAMES):
        np.testing.assert_array_equal(mixed[:, index], clips[index % 3][:, index])
    with pytest.raises(ValueError, match="at least 2 clips of one shape"):
        independent(clips[:1])


def test_bad_strengths_and_short_clips_are_refused_in_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"above 0 and at most 1, got 1.5"):
        CORRUPTIONS["freeze"](clip(), Key(0, "test"), 1.5)
    for frames in (1, 3):
        with pytest.raises(ValueError, match=f"at least 4 frames to be damaged in time, got {frames}"):
            CORRUPTIONS["freeze"](clip()[:, :frames], Key(0, "test"))
