import pytest

from framefall.models.convnet import ConvNetConfig
from framefall.models.nested import nested
from framefall.models.transformer import SpaceTimeTransformer, TransformerConfig
from framefall.models.unet import SpaceTimeUNet, UNetConfig


def test_a_network_inside_another_is_what_its_settings_say() -> None:
    patches = TransformerConfig(dim=16, depth=1, heads=1)
    convolutions = UNetConfig(dim=8, multipliers=(1,), blocks=(1,), head_dim=8)
    assert isinstance(nested(patches), SpaceTimeTransformer) and nested(patches).config == patches
    assert isinstance(nested(convolutions), SpaceTimeUNet) and nested(convolutions).config == convolutions


def test_what_cannot_stand_inside_another_has_no_place() -> None:
    with pytest.raises(Exception, match="ConvNetConfig"):
        nested(ConvNetConfig())  # type: ignore[arg-type]
