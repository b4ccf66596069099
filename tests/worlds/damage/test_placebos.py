import functools
from dataclasses import replace

import numpy as np
import pytest

from framefall.noise import Key
from framefall.worlds.damage.corruptions import CORRUPTIONS
from framefall.worlds.damage.placebos import PLACEBOS, symmetric
from framefall.worlds.engines.registry import simulate
from framefall.worlds.render.renderer import View, render
from framefall.worlds.state import StateLog, frame_times
from framefall.worlds.violations.registry import break_physics
from framefall.worlds.world import World


@functools.cache
def drawn(scenario: str, index: int = 0) -> StateLog:
    return World((scenario,)).log(index)


@functools.cache
def clip(height: int = 48, width: int = 64) -> np.ndarray:
    log = drawn("collision")
    return render([log], [frame_times(9, 6.0)], View(height, width, scale=64))[0].numpy()


def psnr(one: np.ndarray, two: np.ndarray) -> float:
    error = float(((one.astype(float) - two) ** 2).mean())
    return float("inf") if error == 0 else 10 * np.log10(255**2 / error)


def undone(name: str, changed: np.ndarray) -> np.ndarray:
    """The changed clip put back to where it was, for what moves every pixel."""
    moves = {"flip": np.s_[..., ::-1], "reversal": np.s_[:, ::-1]}
    return changed[moves[name]] if name in moves else changed


@pytest.mark.parametrize("name", list(PLACEBOS))
def test_a_placebo_changes_a_clip_a_little(name: str) -> None:
    changed = PLACEBOS[name](clip(), Key(0, "test"))
    assert changed.dtype == np.uint8 and changed.shape == clip().shape
    assert not np.array_equal(changed, clip())
    for _ in range(3):  # a codec gave other bits now and then
        np.testing.assert_array_equal(changed, PLACEBOS[name](clip(), Key(0, "test")))
    if name != "crop":  # compared below, where it came to lie
        assert psnr(undone(name, changed), clip()) >= PLACEBOS[name].psnr


def test_damage_does_not_keep_the_ratio_that_a_placebo_keeps() -> None:
    # a moving ball is a few percent of the picture: a frozen clip is worse than 8-bit JPEG all the same
    frozen = CORRUPTIONS["freeze"](clip(), Key(0, "test"))
    assert psnr(frozen, clip()) < min(placebo.psnr for placebo in PLACEBOS.values())


@pytest.mark.parametrize("name", [name for name in PLACEBOS if name not in ("crop", "flip", "reversal")])
def test_less_strength_is_less_change(name: str) -> None:
    weak, strong = (psnr(PLACEBOS[name](clip(), Key(0, "test"), strength), clip()) for strength in (0.25, 1.0))
    assert weak > strong


@pytest.mark.parametrize("name", list(PLACEBOS))
@pytest.mark.parametrize("channels", [1, 4])
def test_a_placebo_takes_any_channels_and_odd_sizes(name: str, channels: int) -> None:
    video = np.repeat(clip(47, 61)[:1], channels, axis=0)
    changed = PLACEBOS[name](video, Key(0, "test"))
    assert changed.shape == video.shape
    if name not in ("crop", "flip", "reversal"):
        assert psnr(changed, video) >= PLACEBOS[name].psnr


@pytest.mark.parametrize("name", [name for name in PLACEBOS if name != "reversal"])
def test_a_single_frame_is_changed_as_little(name: str) -> None:
    picture = clip()[:, :1]
    changed = PLACEBOS[name](picture, Key(0, "test"))
    assert changed.shape == picture.shape and not np.array_equal(changed, picture)
    if name != "crop":
        assert psnr(undone(name, changed), picture) >= PLACEBOS[name].psnr


def test_the_noise_has_the_said_deviation() -> None:
    video = np.full((3, 4, 64, 64), 128, np.uint8)
    # 49,152 values: the deviation is known to 0.3 %, and rounding adds a twelfth of a level
    assert PLACEBOS["noise"](video, Key(0, "test")).std() == pytest.approx(0.03 * 255, rel=0.02)


def test_gamma_keeps_black_and_white() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16).repeat(4, axis=1)
    changed = PLACEBOS["gamma"](ramp, Key(0, "test"))
    assert (changed[0, 0, 0, 0], changed[0, 0, -1, -1]) == (0, 255)
    assert changed[0, 0, 8, 0] == round(255 * (128 / 255) ** 1.1)


def test_a_crop_moves_the_picture_by_one_pixel_and_no_more() -> None:
    seen = set()
    for seed in range(40):
        changed = PLACEBOS["crop"](clip(), Key(seed, "test"))
        found = [
            (down, right)
            for down in (-1, 1)
            for right in (-1, 1)
            if np.array_equal(
                changed[:, :, 1:-1, 1:-1], np.roll(clip(), (-down, -right), axis=(2, 3))[:, :, 1:-1, 1:-1]
            )
        ]
        assert len(found) == 1
        seen.add(found[0])
    assert len(seen) == 4


@pytest.mark.parametrize("name", ["flip", "reversal"])
def test_twice_is_the_clip_again(name: str) -> None:
    once = PLACEBOS[name](clip(), Key(0, "test"))
    np.testing.assert_array_equal(PLACEBOS[name](once, Key(0, "test")), clip())


def test_a_scene_is_symmetric_in_time_if_nothing_is_lost_in_it() -> None:
    assert symmetric(drawn("uniform"))
    assert symmetric(drawn("light"))
    collision = drawn("collision")
    assert symmetric(collision) == (collision.scene.restitution == 1)
    assert not symmetric(replace(collision, scene=replace(collision.scene, restitution=0.8)))
    billiards = drawn("billiards").scene
    assert symmetric(simulate(replace(billiards, restitution=1.0)))
    assert not symmetric(simulate(replace(billiards, restitution=0.9)))
    swings = [drawn("pendulum", index) for index in range(3)]
    assert all(symmetric(log) == (log.scene.bodies[0].release == 0) for log in swings)
    for scenario in ("fall", "stack", "pour", "ramp"):
        assert not symmetric(drawn(scenario)), scenario
    assert not symmetric(break_physics(drawn("uniform"), "teleport", Key(0, "test")))


def test_only_the_reversal_asks_for_symmetry() -> None:
    assert [name for name, placebo in PLACEBOS.items() if placebo.symmetric_only] == ["reversal"]
    with pytest.raises(ValueError, match=r"above 0 and at most 1, got 2"):
        PLACEBOS["noise"](clip(), Key(0, "test"), 2.0)
