"""The networks that others are made of: each says what it is by its settings."""

from typing import Annotated

from pydantic import Field

from framefall.models.transformer import SpaceTimeTransformer, TransformerConfig
from framefall.models.unet import SpaceTimeUNet, UNetConfig

Nested = Annotated[TransformerConfig | UNetConfig, Field(discriminator="kind")]
_NETWORKS: dict[type, type[SpaceTimeTransformer] | type[SpaceTimeUNet]] = {
    TransformerConfig: SpaceTimeTransformer,
    UNetConfig: SpaceTimeUNet,
}


def nested(config: TransformerConfig | UNetConfig) -> SpaceTimeTransformer | SpaceTimeUNet:
    """The network with fresh weights."""
    return _NETWORKS[type(config)](config)  # type: ignore[arg-type]
