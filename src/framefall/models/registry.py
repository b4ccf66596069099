"""Every network by the `kind` of its config: add a row to add a network."""

from typing import Annotated

from pydantic import Field

from framefall.models.backbone import Backbone
from framefall.models.convnet import ConvNetConfig, SpaceTimeConvNet
from framefall.models.experts import Experts, ExpertsConfig
from framefall.models.interpolator import InterpolatorConfig, SpaceTimeInterpolator
from framefall.models.transformer import SpaceTimeTransformer, TransformerConfig
from framefall.models.unet import SpaceTimeUNet, UNetConfig

BackboneConfig = Annotated[
    TransformerConfig | UNetConfig | InterpolatorConfig | ConvNetConfig | ExpertsConfig, Field(discriminator="kind")
]

MODELS: dict[type, type[Backbone]] = {
    TransformerConfig: SpaceTimeTransformer,
    UNetConfig: SpaceTimeUNet,
    InterpolatorConfig: SpaceTimeInterpolator,
    ConvNetConfig: SpaceTimeConvNet,
    ExpertsConfig: Experts,
}


def build(config: BackboneConfig) -> Backbone:
    """The network that a config describes, with fresh weights from torch's generator."""
    return MODELS[type(config)](config)
