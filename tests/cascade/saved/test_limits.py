"""Shapes that no machine makes are refused while they are numbers, and those of every recipe are far from it."""

import pytest

from framefall.cascade.saved import limits
from framefall.data.buckets import Bucket
from framefall.models.convnet import ConvNetConfig
from framefall.models.transformer import TransformerConfig
from framefall.models.unet import UNetConfig

TRANSFORMER = TransformerConfig(dim=64, heads=1, patch=(2, 4, 4))


def shape(frames: int, height: int, width: int) -> Bucket:
    return Bucket(frames=frames, height=height, width=width)


@pytest.mark.parametrize(
    ("odd", "backbone", "sentence"),
    [
        (shape(8, 8000, 8000), ConvNetConfig(), "at most 536,870,912 values"),
        (shape(10**5, 300, 300), ConvNetConfig(), "at most 536,870,912 values"),
        (shape(8, 600, 600), TRANSFORMER, "90,000 do"),
        (shape(8, 2000, 2000), UNetConfig(spatial_from=1, temporal_from=1), "1,000,000 do"),
    ],
)
def test_a_clip_beyond_all_machines_is_refused(odd: Bucket, backbone, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        limits.check([shape(8, 64, 64), odd], 3, backbone, None)
    limits.check([shape(8, 64, 64)], 3, backbone, None)


def test_frames_apart_do_not_see_one_another() -> None:
    apart = TransformerConfig(dim=64, heads=1, patch=(1, 4, 4), fusion="temporal")
    assert apart.attended(100, 64, 64) == 256 and TRANSFORMER.attended(100, 64, 64) == 50 * 256
