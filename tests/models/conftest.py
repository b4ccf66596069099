from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from framefall.models.backbone import Backbone, Condition
from framefall.models.convnet import ConvNetConfig
from framefall.models.experts import ExpertsConfig
from framefall.models.interpolator import InterpolatorConfig
from framefall.models.registry import BackboneConfig, build
from framefall.models.transformer import TransformerConfig
from framefall.models.unet import UNetConfig

Make = Callable[..., BackboneConfig]
Inputs = tuple[Tensor, Tensor, Condition]

TEXT_DIM, WORDS = 6, 5


def _transformer(channels: int = 3, checkpoint_activations: bool = False) -> TransformerConfig:
    return TransformerConfig(
        channels=channels,
        dim=16,
        depth=2,
        heads=2,
        patch=(2, 4, 4),
        bottleneck=8,
        text_dim=TEXT_DIM,
        numbers=2,
        checkpoint_activations=checkpoint_activations,
    )


def _interpolator(channels: int = 3, checkpoint_activations: bool = False) -> InterpolatorConfig:
    trunk = TransformerConfig(
        dim=16, depth=2, heads=1, patch=(2, 4, 4), bottleneck=8, checkpoint_activations=checkpoint_activations
    )
    return InterpolatorConfig(channels=channels, trunk=trunk)


def _convnet(channels: int = 3, checkpoint_activations: bool = False) -> ConvNetConfig:
    sizes = {"dim": 8, "depth": 4, "unshuffle": 2, "mix_every": 2}
    return ConvNetConfig(channels=channels, edges=True, checkpoint_activations=checkpoint_activations, **sizes)


def _unet(channels: int = 3, checkpoint_activations: bool = False) -> UNetConfig:
    return UNetConfig(
        channels=channels,
        dim=8,
        multipliers=(1, 2),
        blocks=(1, 1),
        head_dim=8,
        spatial_from=1,
        temporal_from=0,
        text_dim=TEXT_DIM,
        numbers=2,
        checkpoint_activations=checkpoint_activations,
    )


def _experts(channels: int = 3, checkpoint_activations: bool = False) -> ExpertsConfig:
    noisy, clean = (make(channels, checkpoint_activations) for make in (_transformer, _unet))
    return ExpertsConfig(split=0.8, noisy=noisy, clean=clean)


TOYS: dict[type, Make] = {
    TransformerConfig: _transformer,
    UNetConfig: _unet,
    InterpolatorConfig: _interpolator,
    ConvNetConfig: _convnet,
    ExpertsConfig: _experts,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`toy` is each network's smallest config, by its number of channels."""
    if "toy" in metafunc.fixturenames:
        metafunc.parametrize("toy", TOYS.values(), ids=[kind.__name__ for kind in TOYS])


@pytest.fixture
def toys() -> dict[type, Make]:
    return TOYS


@pytest.fixture
def fresh() -> Callable[[BackboneConfig], Backbone]:
    """A network as training begins with it."""

    def make(config: BackboneConfig) -> Backbone:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return build(config)

    return make


@pytest.fixture
def trained(fresh: Callable[[BackboneConfig], Backbone]) -> Callable[[BackboneConfig], Backbone]:
    """A network no weight of which is zero, as after training."""

    def make(config: BackboneConfig) -> Backbone:
        network = fresh(config)
        generator = torch.Generator().manual_seed(1)
        for name, parameter in network.named_parameters():
            if name.endswith("_norm.weight"):
                nn.init.uniform_(parameter, 1.0, 2.0, generator=generator)  # so that attention chooses
            else:
                size = 0.3 if parameter.ndim == 1 else parameter[0].numel() ** -0.5
                nn.init.normal_(parameter, std=size, generator=generator)
        return network.eval()

    return make


@pytest.fixture
def inputs() -> Callable[..., Inputs]:
    """What a network is given: noisy video, time and everything it may be told, each clip its own."""

    def make(config: BackboneConfig, clips: int = 2, frames: int = 4, height: int = 8, width: int = 8) -> Inputs:
        generator = torch.Generator().manual_seed(2)

        def noise(*shape: int) -> Tensor:
            return torch.randn(clips, *shape, generator=generator)

        words = torch.arange(WORDS) < 2 + torch.arange(clips)[:, None]
        low = noise(config.low_res_channels, frames, height, width)
        if isinstance(config, InterpolatorConfig):
            low[:, -1] = torch.rand(clips, 1, 1, 1, generator=generator)
        condition = Condition(
            seconds=torch.arange(frames) / torch.tensor([[4.0], [6.0], [8.0]])[:clips],
            text=noise(WORDS, TEXT_DIM),
            text_mask=words,
            numbers=noise(1, 2),
            low_res=low if config.low_res_channels else None,
            low_res_noise=torch.rand(clips, generator=generator) if config.low_res_channels else None,
        )
        return noise(config.channels, frames, height, width), torch.rand(clips, generator=generator), condition

    return make
