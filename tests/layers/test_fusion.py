import pytest
import torch
from torch import Tensor, nn

from framefall.layers.attention import SelfAttention
from framefall.layers.fusion import JointAttention, SpatialAttention, TemporalAttention, WindowedAttention
from framefall.layers.patterns import parse
from framefall.layers.tokens import time_angles

DIM, HEADS = 32, 2


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def seconds(frames: int, fps: float = 6.0, batch: int = 2) -> Tensor:
    return (torch.arange(frames, dtype=torch.float64) / fps).expand(batch, frames)


def made(layer: nn.Module) -> nn.Module:
    """In float64, with norms whose weights are not one."""
    for seed, parameter in enumerate(layer.parameters()):
        start = noise(*parameter.shape, seed=seed)
        parameter.data = start.exp() if parameter.dim() == 1 else start / parameter.shape[-1] ** 0.5
    return layer


def reference() -> SelfAttention:
    """Plain attention over one axis of tokens, with the same weights."""
    layer = made(SelfAttention(DIM, HEADS))
    assert isinstance(layer, SelfAttention)
    return layer


@pytest.mark.parametrize("frames", [2, 9, 70])
def test_temporal_attention_is_attention_along_each_position(frames):
    x, layer = noise(2, frames, 3, DIM), made(TemporalAttention(DIM, HEADS))
    angles = time_angles(seconds(frames), DIM // HEADS)
    for position in range(3):
        expected = reference()(x[:, :, position], angles)
        torch.testing.assert_close(layer(x, seconds(frames))[:, :, position], expected)
        assert (layer(x, 2 * seconds(frames))[:, :, position] - expected).abs().max() > 1e-3


@pytest.mark.parametrize("frames", [2, 9, 70])
def test_the_widest_pattern_is_the_whole_clip(frames):
    x = noise(2, frames, 3, DIM).float()
    whole = made(TemporalAttention(DIM, HEADS)).float()(x, seconds(frames).float())
    sparse = made(TemporalAttention(DIM, HEADS, parse("window(80)"))).float()(x, seconds(frames).float())
    torch.testing.assert_close(sparse, whole, rtol=1e-4, atol=1e-5)  # angles of some tens in float32
    narrow = made(TemporalAttention(DIM, HEADS, parse("window(0)"))).float()(x, seconds(frames).float())
    assert (narrow - whole).abs().max() > 1e-2


def frames_felt(layer: nn.Module, frame: int, frames: int, *arguments: Tensor) -> list[int]:
    """The frames that one frame of the answer depends on."""
    x = noise(1, frames, 3, DIM).requires_grad_()
    (slope,) = torch.autograd.grad(layer(x, *arguments)[:, frame].sum(), x)
    return slope.abs().sum((0, 2, 3)).nonzero()[:, 0].tolist()


@pytest.mark.parametrize("text", ["window(1)", "dilated(1,4)+anchors(1)", "causal+window(2)", None])
def test_a_frame_feels_the_frames_of_its_pattern_and_no_others(text):
    pattern = parse(text) if text else None
    expected = pattern.mask(13)[7].nonzero()[:, 0].tolist() if pattern else list(range(13))
    temporal = made(TemporalAttention(DIM, HEADS, pattern))
    assert frames_felt(temporal, 7, 13, seconds(13, batch=1)) == expected


def test_a_picture_passes_temporal_attention_unchanged():
    layer, x = made(TemporalAttention(DIM, HEADS)), noise(2, 1, 3, DIM)
    assert torch.equal(x + layer(x, seconds(1)), x)
    assert layer(noise(2, 2, 3, DIM), seconds(2)).abs().max() > 0.1


def test_spatial_attention_is_attention_within_each_frame():
    x, angles, layer = noise(2, 4, 5, DIM), noise(2, 5, DIM // HEADS // 2, seed=1), made(SpatialAttention(DIM, HEADS))
    for frame in range(4):
        torch.testing.assert_close(layer(x, angles)[:, frame], reference()(x[:, frame], angles))
        torch.testing.assert_close(layer(x)[:, frame], reference()(x[:, frame], torch.zeros_like(angles)))
        assert (layer(x)[:, frame] - reference()(x[:, frame], angles)).abs().max() > 1e-3


def test_joint_attention_is_attention_over_all_tokens():
    x, angles, layer = noise(2, 4, 5, DIM), noise(2, 20, DIM // HEADS // 2, seed=1), made(JointAttention(DIM, HEADS))
    expected = reference()(x.flatten(1, 2), angles).unflatten(1, (4, 5))
    torch.testing.assert_close(layer(x, angles), expected)
    assert frames_felt(layer, 2, 4, angles[:1, :12]) == [0, 1, 2, 3]
    assert (layer(x, angles.flip(1)) - expected).abs().max() > 1e-2


def test_words_are_tokens_before_the_others():
    x, words, half = noise(2, 4, 5, DIM), noise(2, 3, DIM, seed=7), DIM // HEADS // 2
    flat, angles = x.flatten(1, 2), noise(2, 20, half, seed=1)
    placed = torch.cat((torch.zeros(2, 3, half, dtype=torch.float64), angles), dim=1)
    expected = reference()(torch.cat((words, flat), dim=1), placed)[:, 3:].unflatten(1, (4, 5))
    joint = made(JointAttention(DIM, HEADS))
    torch.testing.assert_close(joint(x, angles, words), expected)
    assert (joint(x, angles) - expected).abs().max() > 1e-2

    first = torch.cat((words, x[:, 0]), dim=1)
    expected = reference()(first, torch.cat((torch.zeros(2, 3, half, dtype=torch.float64), angles[:, :5]), dim=1))
    torch.testing.assert_close(made(SpatialAttention(DIM, HEADS))(x, angles[:, :5], words)[:, 0], expected[:, 3:])


def test_time_angles_know_seconds_and_not_frame_numbers():
    layer, x = made(TemporalAttention(DIM, HEADS)), noise(2, 9, 3, DIM)
    torch.testing.assert_close(layer(x, seconds(9) + 5.0), layer(x, seconds(9)), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(time_angles(seconds(9, 12.0)[:, ::2], 16), time_angles(seconds(5, 6.0), 16))
    assert (layer(x, seconds(9, 12.0)) - layer(x, seconds(9))).abs().max() > 1e-3


@pytest.mark.parametrize("kind", [TemporalAttention, SpatialAttention, JointAttention])
def test_autocast_to_bfloat16_is_near_float32(kind):
    layer, x = made(kind(DIM, HEADS)).float(), noise(2, 5, 3, DIM).float()
    places = {TemporalAttention: seconds(5).float(), SpatialAttention: noise(2, 3, 8).float()}
    place = places.get(kind, noise(2, 15, 8).float())
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x, place)
    true = layer(x, place)
    assert found.dtype == torch.bfloat16
    assert (found - true).abs().max() < 0.05 * true.abs().max()  # scores of some units, rounded to 8 bits


@pytest.mark.parametrize("kind", [TemporalAttention, SpatialAttention, JointAttention])
def test_sizes_that_do_not_divide_are_refused(kind):
    with pytest.raises(ValueError, match="dim must be an even multiple of heads"):
        kind(10, 3)


@pytest.mark.parametrize(("window", "sides"), [(2, (2, 2)), (3, (2, 3)), (4, (4, 3)), (5, (4, 3)), (6, (4, 6))])
def test_windowed_attention_is_joint_attention_within_each_window(window, sides):
    size, (down, across) = (4, 6), sides  # the largest that divide the frame
    x, angles = noise(2, 3, 24, DIM), noise(2, 72, DIM // HEADS // 2, seed=1)
    found = made(WindowedAttention(DIM, HEADS, window))(x, angles, size)
    joint = made(JointAttention(DIM, HEADS))
    grid = torch.arange(24).view(size)
    for row in range(0, 4, down):
        for column in range(0, 6, across):
            inside = grid[row : row + down, column : column + across].flatten()
            placed = angles.view(2, 3, 24, -1)[:, :, inside].flatten(1, 2)
            torch.testing.assert_close(found[:, :, inside], joint(x[:, :, inside], placed))
    whole = joint(x, angles)
    assert ((found - whole).abs().max() < 1e-6) == (sides == size)
