"""An image is a video of one frame; a clip in pieces and a picture in tiles are what the whole is, to rounding."""

from dataclasses import replace
from itertools import accumulate

import pytest
import torch
from torch import Tensor, nn

from examples import examples
from framefall.layers import tiling
from framefall.models import autoencoder as room
from framefall.models.autoencoder import AutoencoderConfig, VideoAutoencoder

TOY = AutoencoderConfig(latent_channels=4, dim=8, depth=1, space=2, time=2)
COMPRESSIONS = [(2, 1), (2, 4), (4, 2), (8, 1), (8, 4)]
EXACT = {"rtol": 1e-4, "atol": 1e-4}  # float32 through ten layers of sums in another order; a pixel's step is 8e-3


# A chain of convolutions hardly sees its outermost pixel (4e-5 here), so where a halo ends is asked in float64.
DOUBLE = {"rtol": 1e-6, "atol": 1e-6}
SHOWS = 1e-5


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).clamp(-1, 1)


def learned(config: AutoencoderConfig) -> VideoAutoencoder:
    """A network no weight of which is zero, and whose latents are not at unit scale."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = VideoAutoencoder(config).eval()
    generator = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        size = 0.3 if parameter.ndim == 1 else parameter[0].numel() ** -0.5
        nn.init.normal_(parameter, std=size, generator=generator)
    network.latents_mean.copy_(noise(config.latent_channels))
    network.latents_std.uniform_(0.5, 2.0, generator=generator)
    return network


@pytest.fixture(params=COMPRESSIONS, ids=str)
def compressed(request) -> VideoAutoencoder:
    space, time = request.param
    return learned(replace(TOY, space=space, time=time))


def encode_in(network: VideoAutoencoder, pieces: list[Tensor]) -> Tensor:
    parts, state = [], None
    for index, piece in enumerate(pieces):
        latents, state = network.encode_next(piece, state, last=index == len(pieces) - 1)
        parts.append(latents)
    return torch.cat(parts, dim=2)


def decode_in(network: VideoAutoencoder, pieces: list[Tensor]) -> Tensor:
    parts, state = [], None
    for piece in pieces:
        video, state = network.decode_next(piece, state)
        parts.append(video)
    return torch.cat(parts, dim=2)


@torch.no_grad()
@pytest.mark.parametrize(
    "size", [(1, 8, 8), (6, 9, 13), (4, 1, 1), *examples([], [(2, 16, 8), (5, 8, 16), (9, 8, 8)])], ids=str
)
def test_any_clip_comes_back_at_its_size_through_latents_of_the_size_that_is_promised(compressed, size):
    latents = compressed.encode(noise(2, 3, *size))
    assert latents.shape == (2, 4, *compressed.config.latent_shape(*size))
    assert compressed.decode(latents, *size).shape == (2, 3, *size)


@torch.no_grad()
def test_one_more_group_of_frames_is_one_more_latent_frame():
    config = replace(TOY, space=8, time=4)
    assert [config.latent_shape(frames, 8, 8)[0] for frames in (1, 2, 4, 5, 6, 9, 17, 61)] == [1, 2, 2, 2, 3, 3, 5, 16]
    assert config.latent_shape(17, 64, 60) == (5, 8, 8)


@torch.no_grad()
def test_the_first_frame_is_encoded_and_decoded_by_itself(compressed):
    video = noise(1, 3, 9, 16, 16)
    latents = compressed.encode(video)
    torch.testing.assert_close(compressed.encode(video[:, :, :1]), latents[:, :, :1], **EXACT)
    torch.testing.assert_close(compressed.decode(latents[:, :, :1]), compressed.decode(latents)[:, :, :1], **EXACT)


@torch.no_grad()
def test_no_latent_knows_a_later_frame_and_no_frame_a_later_latent(compressed):
    time, video = compressed.config.time, noise(1, 3, 9, 16, 16)
    latents, frames = compressed.encode(video), compressed.decode(compressed.encode(video))
    for known in range(1, latents.shape[2]):
        changed = video.clone()
        changed[:, :, 1 + (known - 1) * time :] = noise(1, 3, 9, 16, 16, seed=3)[:, :, 1 + (known - 1) * time :]
        moved = (compressed.encode(changed) - latents).abs().amax(dim=(0, 1, 3, 4))
        assert moved[:known].max() < 1e-5 < 1e-3 < moved[known]
        other = latents.clone()
        other[:, :, known:] += 1.0
        moved = (compressed.decode(other) - frames).abs().amax(dim=(0, 1, 3, 4))
        first = 1 + (known - 1) * time
        assert moved[:first].max() < 1e-5 < 1e-3 < moved[first : first + time].max()


CHUNKS = [(1, 8), (1, 1, 1, 1, 1, 1, 1, 1, 1), (2, 0, 7), *examples([], [(9,), (3, 5, 1), (8, 1), (5, 4, 0)])]


@torch.no_grad()
@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
def test_a_streamed_clip_has_the_latents_of_the_whole(compressed, chunks):
    video = noise(2, 3, 9, 16, 8)
    torch.testing.assert_close(encode_in(compressed, list(video.split(chunks, 2))), compressed.encode(video), **EXACT)


@torch.no_grad()
def test_a_streamed_clip_that_ends_within_a_group_has_them_too(compressed):
    video = noise(1, 3, 8, 8, 8)
    torch.testing.assert_close(encode_in(compressed, list(video.split(3, 2))), compressed.encode(video), **EXACT)


@torch.no_grad()
@pytest.mark.parametrize("chunks", [(1, 4), (5,), (1, 1, 1, 1, 1), (2, 3), (0, 4, 0, 1)], ids=str)
def test_streamed_latents_make_the_frames_of_the_whole(compressed, chunks):
    latents = noise(2, 4, 5, 2, 3)
    torch.testing.assert_close(
        decode_in(compressed, list(latents.split(chunks, 2))), compressed.decode(latents), **EXACT
    )


@torch.no_grad()
def test_without_their_memory_pieces_are_not_the_whole(compressed):
    """The control of both: only what a layer remembers joins the pieces."""
    time, video, latents = compressed.config.time, noise(1, 3, 9, 16, 16), noise(1, 4, 5, 2, 2)
    parts, state = [], None
    for piece in (video[:, :, :1], video[:, :, 1:5], video[:, :, 5:]):
        made, state = compressed.encode_next(piece, state)
        state = replace(state, past=tuple(torch.zeros_like(past) for past in state.past))
        parts.append(made)
    assert (torch.cat(parts, 2) - compressed.encode(video)).abs().max() > 1e-2
    apart = torch.cat([compressed.decode_next(piece)[0][:, :, -time:] for piece in latents.split(1, 2)], dim=2)
    assert (apart[:, :, -time:] - compressed.decode(latents)[:, :, -time:]).abs().max() > 1e-2


@torch.no_grad()
def test_a_long_clip_goes_through_in_pieces_and_nothing_shows(monkeypatch):
    network, video = learned(TOY), noise(1, 3, 40, 4, 4)
    pieces = network.encode(video), network.decode(network.encode(video))
    monkeypatch.setattr(room, "_AT_ONCE", 1000)
    torch.testing.assert_close(pieces[0], network.encode(video), **EXACT)
    torch.testing.assert_close(pieces[1], network.decode(network.encode(video)), **EXACT)


@torch.no_grad()
@pytest.mark.parametrize("depth", examples([1], [1, 2]))
@pytest.mark.parametrize(("space", "time"), [(2, 2), (8, 1)])
def test_tiles_are_the_whole_picture(space, time, depth):
    network = learned(replace(TOY, space=space, time=time, depth=depth)).double()
    side = (2 * network.config.halo + 5) * space
    for size in ((side, 4 * space), (4 * space, side)):  # of many tiles along one axis, and of two along the other
        video = noise(1, 3, 1 + time, *size).double()
        latents = network.encode(video)
        whole = network.decode(latents)
        for tile in (3 * space, 7 * space, 10_000):
            torch.testing.assert_close(network.encode(video, tile=tile), latents, **DOUBLE)
            torch.testing.assert_close(network.decode(latents, tile=tile), whole, **DOUBLE)


@torch.no_grad()
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize(("space", "time"), [(2, 2), (8, 1)])
def test_a_margin_one_latent_too_small_shows(space, time, depth, monkeypatch):
    """The control: the halo is as large as it must be, and no larger."""
    network = learned(replace(TOY, space=space, time=time, depth=depth)).double()
    halo = network.config.halo
    video = noise(1, 3, 1 + time, (2 * halo + 6) * space, 2 * space).double()
    latents = network.encode(video)
    decoded, tile = network.decode(latents), (halo + 3) * space
    monkeypatch.setattr(AutoencoderConfig, "halo", property(lambda config: halo - 1))
    assert (network.encode(video, tile=tile) - latents).abs().max() > SHOWS
    assert (network.decode(latents, tile=tile) - decoded).abs().max() > SHOWS


@torch.no_grad()
def test_what_it_is_measured_on_has_latents_of_zero_mean_and_unit_variance():
    network = learned(TOY)
    clips = [noise(2, 3, 5, 8, 8, seed=seed) * 0.3 + 0.2 for seed in range(3)]
    plain = torch.cat([network.decode(network.encode(clip)) for clip in clips])
    network.normalise_(clips)
    latents = torch.cat([network.encode(clip) for clip in clips])
    ones = torch.ones(4)
    torch.testing.assert_close(latents.mean(dim=(0, 2, 3, 4)), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(latents.std(dim=(0, 2, 3, 4)), ones, atol=1e-3, rtol=0)
    torch.testing.assert_close(network.decode(latents), plain, **EXACT)  # the decoder is told


@torch.no_grad()
def test_untrained_it_is_a_plain_codec():
    """A block of one colour comes back, and a smooth picture nearly does."""
    network = VideoAutoencoder(AutoencoderConfig(dim=8, depth=1))
    plain = torch.full((1, 3, 5, 16, 16), 0.3)
    torch.testing.assert_close(network.decode(network.encode(plain)), plain, atol=1e-5, rtol=0)
    ramp = torch.linspace(-1, 1, 32).expand(1, 3, 5, 32, 32)
    assert (network.decode(network.encode(ramp)) - ramp).square().mean() < 1e-4
    assert (network.decode(network.encode(noise(1, 3, 5, 32, 32))) - noise(1, 3, 5, 32, 32)).square().mean() > 0.1


def test_gradients_reach_every_weight():
    network, video = learned(TOY), noise(1, 3, 5, 8, 8)
    made, latents = network(video, noise(1, 4, *TOY.latent_shape(5, 8, 8)))
    (made.square().mean() + latents.square().mean()).backward()
    assert made.shape == video.shape
    assert all(bool(parameter.grad.abs().sum() > 0) for parameter in network.parameters())


@torch.no_grad()
@pytest.mark.parametrize("channels", [1, 4])
def test_channels_are_not_assumed_to_be_three(channels):
    network = learned(replace(TOY, channels=channels))
    assert network.decode(network.encode(noise(1, channels, 3, 4, 4)), 3).shape == (1, channels, 3, 4, 4)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"space": 3}, "space must be 2, 4 or 8 and time 1, 2 or 4, got space=3, time=2; try 8 and 4"),
        ({"time": 3}, "got space=2, time=3"),
        ({"depth": -1}, "depth and noise not below"),
        ({"latent_channels": 25}, "at most the 24 numbers that become one latent, got 25; try 16"),
    ],
)
def test_what_cannot_be_built_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        replace(TOY, **wrong)


def test_pieces_of_a_picture_cover_it_once():
    pieces = list(tiling._pieces(10, 4, 3))
    assert [list(accumulate([len(inner) for inner, _ in pieces]))[-1], len(pieces)] == [10, 3]
    assert [wide for _, wide in pieces] == [range(7), range(1, 10), range(5, 10)]
