"""Frames that come in pairs are told from frames that come evenly, whatever else happens in a clip."""

import functools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

import framefall as ff
from examples import examples
from framefall.cascade.request import Request
from framefall.evaluate.metrics.cadence import MOST, NAMED, PERIODS, Cadence, cadence, change_sizes
from framefall.flow import frames_of
from framefall.video import from_pixels, resize
from framefall.worlds.render.renderer import View, render
from framefall.worlds.state import frame_times
from framefall.worlds.world import World


def seen(video: Tensor) -> Cadence:
    return cadence(frames_of(video))


def slide(steps: np.ndarray, side: int = 48) -> Tensor:
    """A light square with soft edges that goes right by these steps, pixels, before a dark ground."""
    columns, rows = torch.arange(side) + 0.5, torch.arange(side)[:, None] + 0.5
    frames = []
    for left in 6.0 + np.concatenate(([0.0], np.cumsum(steps))):
        across = ((columns - left) / 2 + 0.5).clamp(0, 1) - ((columns - left - 12) / 2 + 0.5).clamp(0, 1)
        frames.append(1.2 * across * ((rows - 18).clamp(0, 1) - (rows - 30).clamp(0, 1)) - 0.6)
    return torch.stack(frames)[None, None].expand(1, 3, -1, -1, -1).contiguous()


def held(video: Tensor, frames: int) -> Tensor:
    """Every so many frames one is shown, until the next."""
    return video[:, :, [index - index % frames for index in range(video.shape[2])]]


@functools.cache
def ball(fps: float = 24.0, frames: int = 24) -> Tensor:
    """A thing that moves evenly through the picture, as a world shows it."""
    log = World(("uniform",), "id").log(3)
    return from_pixels(render([log], [frame_times(frames, fps, 3)], View(64, 64)))


@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.5, 5.0])
def test_stutter_is_the_ratio_of_odd_and_even_changes(ratio: float) -> None:
    """To a tenth: changes of under two levels are not counted, and leave a little less of the smaller ones."""
    for steps in (1.0, ratio), (ratio, 1.0):
        video = slide(0.4 * np.resize(steps, 19))
        assert seen(video).stutter == pytest.approx(ratio, rel=0.1)
        changes, _ = change_sizes(frames_of(video))
        odd, even = changes[::2].mean(), changes[1::2].mean()
        assert seen(video).stutter == pytest.approx(max(odd / even, even / odd), rel=0.03)


def test_it_is_told_of_half_a_pair_as_well() -> None:
    """0.8 of every second frame is its own: changes are as 0.8 to 1.2."""
    even = slide(np.full(23, 0.7))
    assert seen(0.8 * even + 0.2 * held(even, 2)).stutter == pytest.approx(1.5, rel=0.05)


@pytest.mark.parametrize("period", PERIODS)
def test_a_period_is_named(period: int) -> None:
    found = seen(held(slide(np.full(4 * period, 18 / 4 / period)), period))
    assert found.period == period and found.strength > 0.9
    assert period % 2 == 0 or found.stutter == pytest.approx(1.0, abs=0.1)  # an odd one is odd and even by turns
    assert period != 2 or found.stutter == MOST
    assert seen(slide(np.full(4 * period, 18 / 4 / period))).period == 0


def noisy(video: Tensor) -> Tensor:
    return video + 0.06 * torch.randn(video.shape, generator=torch.Generator().manual_seed(0))


def panned(video: Tensor) -> Tensor:
    """The same, by a camera that moves evenly over a textured wall."""
    rows, columns = torch.arange(64.0)[:, None], torch.arange(64.0)
    wall = [torch.sin((columns + 0.8 * index) / 5) * torch.cos(rows / 7) for index in range(video.shape[2])]
    return 0.7 * video + 0.3 * torch.stack(wall)


def cut(video: Tensor) -> Tensor:
    return torch.cat((video[:, :, :11], -video[:, :, 11:]), dim=2)


def paused(video: Tensor) -> Tensor:
    return video[:, :, [*range(10), *[10] * 6, *range(11, 19)]]


def bounced(video: Tensor) -> Tensor:
    return torch.cat((video[:, :, :12], video[:, :, :12].flip(2)), dim=2)


HARMLESS: dict[str, Callable[[Tensor], Tensor]] = {
    "as it is": lambda video: video,
    "brighter": lambda video: 0.8 * video + 0.2,
    "fading": lambda video: video + torch.linspace(-0.3, 0.3, video.shape[2])[:, None, None],
    "noise": noisy,
    "blur": lambda video: torch.nn.functional.avg_pool3d(video, (1, 3, 3), 1, (0, 1, 1), count_include_pad=False),
    "crop": lambda video: video[..., 3:-2, 5:-4],
    "small": lambda video: resize(video, 32, 32, "area"),
    "large": lambda video: resize(video, 160, 160),
    "backwards": lambda video: video.flip(2),
    "pan": panned,
    "cut": cut,
    "pause": paused,
    "bounce": bounced,
    "slow motion": lambda video: ball(48.0),
    "double speed": lambda video: ball(12.0),
    "grey": lambda video: video.mean(1, keepdim=True),
}


@pytest.mark.parametrize("name", [*HARMLESS][:: examples(2, 1)])
def test_what_is_no_stutter_leaves_it_at_1_and_hides_no_pairs(name: str) -> None:
    even, broken = HARMLESS[name](ball()), held(HARMLESS[name](ball()), 2)
    assert seen(even).stutter < 1.1 and seen(even).period == 0, seen(even)
    # the control: noise of its own on either frame of a pair, as footage has it
    broken = noisy(held(ball(), 2)) if name == "noise" else broken
    assert seen(broken).stutter > 5 and seen(broken).period == 2, seen(broken)


def test_the_plain_ratio_takes_a_cut_for_a_stutter() -> None:
    """The control of the above: the means of odd and even differences."""
    plain = (cut(ball())[:, :, 1:] - cut(ball())[:, :, :-1]).abs().mean(dim=(0, 1, 3, 4))
    assert plain[::2].mean() / plain[1::2].mean() > 2 or plain[1::2].mean() / plain[::2].mean() > 2


@pytest.mark.parametrize(
    ("video", "reason"),
    [
        (slide(np.full(7, 1.0)), "it has 8 frames, and 9 are needed"),
        (slide(np.zeros(20)), "something moves in 0 frames, and 6 are needed"),
        (noisy(slide(np.zeros(20))), "something moves in 0 frames, and 6 are needed"),
        (torch.full((1, 3, 12, 8, 8), math.nan), "it has 0 frames, and 9 are needed"),
    ],
    ids=["short", "still", "still but for noise", "not finite"],
)
def test_where_nothing_can_be_said_it_is_nan_with_a_reason(video: Tensor, reason: str) -> None:
    found = seen(video)
    assert math.isnan(found.stutter) and math.isnan(found.strength)
    assert (found.period, found.reason) == (0, reason)


def test_nine_frames_are_enough() -> None:
    assert seen(held(ball(frames=9), 2)).stutter == MOST and seen(ball(frames=9)).stutter < 1.1


def test_repeated_frames_are_the_most_that_there_is() -> None:
    assert seen(held(ball(), 2)).stutter == MOST and seen(held(ball(), 2)).strength > 0.95


@pytest.mark.parametrize("version", examples([2], [1, 2]))
def test_worlds_do_not_stutter_as_a_base_sees_them_and_in_pairs_all_do(version: int) -> None:
    """Clips of 16 frames of 32 x 32 at 6 a second, where bounces are a few frames apart: chance must be taken out."""
    world = World(split="id", size=300, version=version)
    logs = [world.log(index) for index in range(examples(26, 64))]
    clips = [from_pixels(render([log], [frame_times(16, 6.0)], View(32, 32))) for log in logs]
    real, broken = ([seen(make(clip)) for clip in clips] for make in (lambda clip: clip, lambda clip: held(clip, 2)))
    assert np.nanmean([one.stutter for one in real]) < 1.1 and np.nanmedian([one.stutter for one in real]) == 1.0
    assert np.nanmean([one.period > 0 for one in real]) < 0.1
    assert np.nanmin([one.stutter for one in broken]) > 2 and np.nanmean([one.stutter for one in broken]) > 9
    assert np.nanmean([one.period == 2 for one in broken if one.stutter > 0]) > 0.9


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("pico", "a hand moves a cup on a table"),
        pytest.param("worlds", "a large red ball falls and bounces off the floor", marks=pytest.mark.slow),
    ],
)
def test_a_shipped_base_stutters_where_its_patches_are_two_frames_deep(name: str, caption: str) -> None:
    cascade = ff.load(name)
    base = cascade.stages[0]
    made = cascade.sample(Request(caption, until=base.name, count=examples(1, 2)))
    found = [seen(clip) for clip in made.split(1)]
    network = base.config.backbone
    in_pairs = getattr(network, "reader", network).patch[0] == 2
    assert [one.period == 2 and one.stutter > 1.3 for one in found] == [in_pairs] * len(found), found
    assert all(one.strength > NAMED for one in found) == in_pairs
