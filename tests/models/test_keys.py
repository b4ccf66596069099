"""Files with the names of an earlier format are read under today's: here by name, in `tests/cascade` as whole files."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from framefall import publish
from framefall.models import keys
from framefall.models.autoencoder import AutoencoderConfig, VideoAutoencoder
from framefall.models.convnet import ConvNetConfig
from framefall.models.interpolator import InterpolatorConfig
from framefall.models.registry import build
from framefall.models.transformer import TransformerConfig
from framefall.models.unet import UNetConfig

# the names that these networks' weights had, in the order of their parameters, written by the code of that format
FORMAT_1: dict[str, list[str]] = json.loads((Path(__file__).parent / "format_1.json").read_text())

TRUNK = TransformerConfig(dim=16, depth=2, heads=2, patch=(1, 4, 4), bottleneck=8, detail=4)
TOLD = {"text_dim": 6, "numbers": 2, "low_res_channels": 4}
UNET = UNetConfig(dim=8, multipliers=(1, 2), blocks=(1, 2), head_dim=8, spatial_from=1, temporal_from=0)
NETWORKS = {
    "transformer": TransformerConfig(dim=8, depth=11, heads=1, patch=(2, 4, 4), bottleneck=8, detail=4, **TOLD),
    "interpolator": InterpolatorConfig(trunk=TRUNK),
    "convnet": ConvNetConfig(dim=8, depth=4, unshuffle=2, mix_every=2),
    "autoencoder": AutoencoderConfig(latent_channels=4, dim=4, depth=2, space=4, time=2),
    "unet factorised": UNetConfig(**{**vars(UNET), **TOLD, "fusion": "conv3d"}),
    "unet joint convolution": UNetConfig(**{**vars(UNET), **TOLD, "fusion": "conv3d", "convolution": "joint"}),
    **{
        f"unet {fusion}": UNetConfig(**{**vars(UNET), **TOLD, "fusion": fusion})
        for fusion in ("per_frame", "temporal", "sparse", "joint")
    },
}


def network(name: str) -> nn.Module:
    config = NETWORKS[name]
    return VideoAutoencoder(config) if isinstance(config, AutoencoderConfig) else build(config)


def written(name: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A file of format 1, and the same weights under today's names."""
    today = {key: torch.full((), float(at)) for at, key in enumerate(network(name).state_dict())}
    return dict(zip(FORMAT_1[name], today.values(), strict=True)), today


@pytest.mark.parametrize("name", NETWORKS)
def test_every_weight_of_format_1_is_found_under_its_name_of_today(name):
    old, today = written(name)
    assert keys.upgrade(old, 1) == keys.upgrade(old) == today
    assert old.keys() != today.keys()


@pytest.mark.parametrize("name", NETWORKS)
def test_names_of_today_are_left_alone(name):
    today = network(name).state_dict()
    assert list(keys.upgrade(today)) == list(keys.upgrade(today, 1)) == list(keys.upgrade(today, keys.FORMAT))


def test_a_file_that_is_said_to_be_of_today_is_left_alone():
    old, _ = written("convnet")
    assert keys.upgrade(old, keys.FORMAT) == old


def test_what_no_table_knows_keeps_its_name_and_is_refused_later():
    old, today = written("convnet")
    assert keys.upgrade({**old, "enter2.weight": torch.zeros(())}).keys() == {*today, "enter2.weight"}


def test_a_weight_under_two_names_is_refused():
    old, _ = written("transformer")
    with pytest.raises(publish.Corrupt, match=r"proj_out\.bias stands in one file under two names: restore the file"):
        keys.upgrade({**old, "proj_out.bias": torch.zeros(())})


@pytest.mark.parametrize("version", [0, 3])
def test_a_format_that_nobody_knows_is_refused(version):
    with pytest.raises(ValueError, match=f"weights must be of format 1 to 2, got {version}: update Framefall"):
        keys.upgrade({}, version)


def test_every_earlier_format_has_its_tables():
    assert list(keys.FORMATS) == list(range(1, keys.FORMAT))
