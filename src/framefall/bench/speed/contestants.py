"""Networks to time against each other at one clip of 3 channels: ours, and those of other packages in small sizes.

Each package is set up as its own readers would, at about ten million parameters. The transformers share one shape:
16 x 16 positions a frame, width 256, heads of 64. Latte, the fastest of the others, has 10 blocks with attention
within frames or along time; beside ours of 10 stands one of 12, which has as many parameters. None is told a text;
those that demand one get eight tokens.
"""

import importlib.abc
import importlib.machinery
import os
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from framefall.models.backbone import Backbone, Condition
from framefall.models.registry import build
from framefall.models.transformer import TransformerConfig
from framefall.models.unet import UNetConfig
from framefall.recipes.presets import nano, pico

Call = Callable[[], Tensor]
Made = tuple[nn.Module, Call]

INSTALL = (
    "pip install --no-deps --target peers video-diffusion-pytorch==0.7.0 imagen-pytorch==2.1.0"
    " make-a-video-pytorch==0.4.0 diffusers==0.42.1 einops-exts rotary-embedding-torch beartype requests"
    " urllib3 idna charset-normalizer certifi"
)
_WIDTH, _WORDS = 64, 8  # of a text where there must be one
_CELLS = 16  # positions of a transformer along each side of a frame


@dataclass(frozen=True)
class Contestant:
    """A network by name; `make` takes frames and size and gives the network and a call of it on a clip of its own."""

    label: str
    family: str  # "unet" or "transformer"; a "base" is a cascade's first network
    make: Callable[[int, int], Made]
    ours: bool = False


def find_peers(folder: Path | None) -> Path:
    """The folder the other packages were installed into; a sentence with the line that does it, if it is not there."""
    if folder is None or not (folder / "diffusers").is_dir() or not (folder / "video_diffusion_pytorch").is_dir():
        given = "no folder" if folder is None else f"{folder}, which lacks them"
        raise ValueError(f"--peers must name a folder with the packages to compare with, got {given}; run: {INSTALL}")
    return folder.resolve()


def open_peers(folder: Path) -> None:
    """Makes the packages of `folder` importable, after this environment's own; nothing here is replaced by them."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    sys.path.append(str(folder))


def _ours(config: UNetConfig | TransformerConfig) -> Callable[[int, int], Made]:
    def make(frames: int, size: int) -> Made:
        network: Backbone = build(config)
        x, told = torch.randn(1, 3, frames, size, size), Condition(seconds=torch.arange(frames)[None] / 6)
        if config.text_dim:
            text = torch.randn(1, config.words, config.text_dim)
            told = Condition(seconds=told.seconds, text=text, text_mask=torch.ones(1, config.words, dtype=torch.bool))
        return network, lambda: network(x, torch.full((1,), 0.5), told)

    return make


def _transformer(fusion: str, depth: int) -> Callable[[int, int], Made]:
    def make(frames: int, size: int) -> Made:
        side = max(1, size // _CELLS)
        config = TransformerConfig(dim=256, depth=depth, heads=4, patch=(1, side, side), fusion=fusion)  # type: ignore[arg-type]
        return _ours(config)(frames, size)

    return make


def _base(recipe: Any) -> Callable[[int, int], Made]:
    return _ours(recipe.stages["base"].stage.backbone)


def _video_diffusion(frames: int, size: int) -> Made:
    sys.meta_path.append(_Hollow())
    from video_diffusion_pytorch import Unet3D

    network = Unet3D(dim=34, dim_mults=(1, 2, 4, 8))
    x, t = torch.randn(1, 3, frames, size, size), torch.tensor([500])
    return network, lambda: network(x, t)


def _imagen(frames: int, size: int) -> Made:
    from transformers import T5Config, T5EncoderModel, T5Tokenizer  # noqa: F401  (they look for what is hollow)

    sys.meta_path.append(_Hollow())
    # the package asks a hub for the width of its text encoder as it is imported
    T5Config.from_pretrained = lambda *_, **__: types.SimpleNamespace(d_model=_WIDTH)
    from imagen_pytorch.imagen_video import Unet3D

    coarsest = (False, False, False, True)
    network = Unet3D(
        dim=24,
        dim_mults=(1, 2, 4, 8),
        num_resnet_blocks=2,
        layer_attns=coarsest,
        layer_cross_attns=coarsest,
        text_embed_dim=_WIDTH,
        cond_on_text=False,
        attn_pool_text=False,
    )
    x, t = torch.randn(1, 3, frames, size, size), torch.tensor([0.5])
    return network, lambda: network(x, t)


def _make_a_video(frames: int, size: int) -> Made:
    from make_a_video_pytorch import SpaceTimeUnet

    network = SpaceTimeUnet(dim=24, dim_mult=(1, 2, 4, 8))
    x, t = torch.randn(1, 3, frames, size, size), torch.tensor([500.0])
    return network, lambda: network(x, t)


def _diffusers_unet(name: str) -> Callable[[int, int], Made]:
    def make(frames: int, size: int) -> Made:
        import diffusers

        sizes: dict[str, Any] = {"block_out_channels": (32, 64, 96, 128), "cross_attention_dim": _WIDTH}
        shared = {"sample_size": size, "in_channels": 3, "out_channels": 3}
        x, t, text = torch.randn(1, 3, frames, size, size), torch.tensor([500]), torch.randn(1, _WORDS, _WIDTH)
        told: tuple[Tensor, ...] = (text,)
        if name == "UNet3DConditionModel":
            own: dict[str, Any] = {"norm_num_groups": 16, "attention_head_dim": 32}
        elif name == "UNetMotionModel":
            own = {"norm_num_groups": 16, "num_attention_heads": 4, "motion_num_attention_heads": 4}
            told = (text.repeat_interleave(frames, dim=0),)
        else:
            own = {"addition_time_embed_dim": 16, "projection_class_embeddings_input_dim": 48}
            own |= {"num_attention_heads": (2, 4, 4, 4), "num_frames": frames}
            x, told = x.transpose(1, 2).contiguous(), (text[:, :1], torch.tensor([[6.0, 127.0, 0.0]]))
        network = getattr(diffusers, name)(**sizes, **shared, **own)
        return network, lambda: network(x, t, *told).sample

    return make


def _diffusers_transformer(name: str, depth: int) -> Callable[[int, int], Made]:
    def make(frames: int, size: int) -> Made:
        import diffusers

        side = max(1, size // _CELLS)
        cells, pixels = size // side, 3 * side * side
        shape: dict[str, Any] = {"num_attention_heads": 4, "attention_head_dim": 64, "num_layers": depth}
        x, t, text = torch.randn(1, 3, frames, size, size), torch.tensor([500]), torch.randn(1, _WORDS, _WIDTH)
        model = getattr(diffusers, name)
        pixelwise = {"in_channels": 3, "out_channels": 3}
        if name == "CogVideoXTransformer3DModel":
            own: dict[str, Any] = {"sample_width": size, "sample_height": size, "sample_frames": frames}
            own |= {"patch_size": side, "temporal_compression_ratio": 1, "max_text_seq_length": _WORDS}
            network = model(**shape, **pixelwise, **own, time_embed_dim=256, text_embed_dim=_WIDTH)
            clip = x.transpose(1, 2).contiguous()
            return network, lambda: network(clip, text, t).sample
        if name == "LTXVideoTransformer3DModel":  # wants its patches ready made
            network = model(
                **shape, in_channels=pixels, out_channels=pixels, cross_attention_dim=256, caption_channels=_WIDTH
            )
            tokens, mask = torch.randn(1, frames * cells * cells, pixels), torch.ones(1, _WORDS)
            grid = {"num_frames": frames, "height": cells, "width": cells}
            return network, lambda: network(tokens, text, t, mask, **grid).sample
        if name == "WanTransformer3DModel":
            own = {"patch_size": (1, side, side), "text_dim": _WIDTH, "freq_dim": 64, "ffn_dim": 1024}
            network = model(**shape, **pixelwise, **own)
        else:
            own = {"sample_size": size, "patch_size": side, "video_length": frames, "caption_channels": _WIDTH}
            own |= {"cross_attention_dim": 256, "attention_bias": True, "activation_fn": "gelu-approximate"}
            own |= {"norm_type": "ada_norm_single", "norm_elementwise_affine": False, "norm_eps": 1e-6}
            network = model(**shape, **pixelwise, **own, num_embeds_ada_norm=1000)
        return network, lambda: network(x, t, text).sample

    return make


_U, _T = "unet", "transformer"
CONTESTANTS = {
    "unet": Contestant("SpaceTimeUNet", _U, _ours(UNetConfig()), ours=True),
    "transformer": Contestant("SpaceTimeTransformer, 10 blocks", _T, _transformer("temporal", 10), ours=True),
    "transformer_12": Contestant("SpaceTimeTransformer, 12 blocks", _T, _transformer("temporal", 12), ours=True),
    "transformer_joint": Contestant("SpaceTimeTransformer, 12 joint blocks", _T, _transformer("joint", 12), ours=True),
    "base_pico": Contestant("base of pico", "base", _base(pico()), ours=True),
    "base_nano": Contestant("base of nano", "base", _base(nano()), ours=True),
    "video_diffusion": Contestant("video-diffusion-pytorch Unet3D", _U, _video_diffusion),
    "imagen": Contestant("imagen-pytorch Unet3D", _U, _imagen),
    "make_a_video": Contestant("make-a-video-pytorch SpaceTimeUnet", _U, _make_a_video),
    "unet3d": Contestant("diffusers UNet3DConditionModel", _U, _diffusers_unet("UNet3DConditionModel")),
    "motion": Contestant("diffusers UNetMotionModel", _U, _diffusers_unet("UNetMotionModel")),
    "svd": Contestant("diffusers UNetSpatioTemporal", _U, _diffusers_unet("UNetSpatioTemporalConditionModel")),
    "latte": Contestant("diffusers Latte", _T, _diffusers_transformer("LatteTransformer3DModel", 5)),
    "cogvideox": Contestant("diffusers CogVideoX", _T, _diffusers_transformer("CogVideoXTransformer3DModel", 6)),
    "ltx": Contestant("diffusers LTX", _T, _diffusers_transformer("LTXVideoTransformer3DModel", 9)),
    "wan": Contestant("diffusers Wan", _T, _diffusers_transformer("WanTransformer3DModel", 9)),
}


class _Hollow(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands in for what some packages import beside their networks: for files, for augmentation, for training."""

    names = ("torchvision", "kornia", "datasets", "accelerate", "ema_pytorch", "pytorch_warmup")

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A module that anything can be taken from; asked last, so that a package that is there wins."""
        if fullname.split(".")[0] not in self.names:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """Empty, but never without an attribute."""
        return _HollowModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing to run."""


class _HollowModule(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing()


class _Nothing:
    def __call__(self, *_: Any, **__: Any) -> "_Nothing":
        return self

    def __getattr__(self, name: str) -> "_Nothing":
        if name.startswith("__"):
            raise AttributeError(name)
        return self
