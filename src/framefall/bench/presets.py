"""What each preset is: parameters, operations and memory of every stage, on the meta device, which computes nothing."""

from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from framefall.cascade.stage import StageConfig
from framefall.models.autoencoder import VideoAutoencoder
from framefall.models.backbone import Condition
from framefall.models.registry import BackboneConfig, build
from framefall.models.text import TEXT_DIM
from framefall.progress import Events, Stepped, operation
from framefall.recipes.registry import RECIPES

_TRAINED = 16  # bytes a parameter: weights, gradient, and two moments of AdamW, in float32


@operation
def presets_bench() -> Events[dict[str, Any]]:
    """One row a stage of every recipe; a call of the network is on one clip of the stage's own shape."""
    recipes = {name: make() for name, make in RECIPES.items()}
    total = sum(len(recipe.stages) for recipe in recipes.values())
    results: dict[str, Any] = {}
    done = 0
    for name, recipe in recipes.items():
        results[name] = {}
        for stage, part in recipe.stages.items():
            yield Stepped(done, total, f"{name} {stage}")
            results[name][stage] = sized(part.stage)
            done += 1
    return {"results": results}


def sized(config: StageConfig) -> dict[str, Any]:
    """Parameters, GFLOPs of a call and of a clip, MiB of weights, of training state, and kept for the backward pass."""
    shape, latent = config.shape, config.latent
    grid = (shape.frames, shape.height, shape.width)
    if latent is not None:
        grid = latent.latent_shape(*grid)
    parameters, flops, kept = counted(config.backbone, grid, bridged=config.task.bridge is not None)
    with torch.device("meta"):
        frozen = sum(each.numel() for each in VideoAutoencoder(latent).parameters()) if latent is not None else 0
    calls = config.best.calls * config.best.guidance.calls
    gflops = flops / 1e9
    return {
        "kind": config.backbone.kind,
        "fusion": config.backbone.fusion,
        "clip": f"{shape.frames}x{shape.height}x{shape.width} at {shape.fps:g}",
        "parameters": parameters,
        "autoencoder_parameters": frozen,
        "gflops_a_call": gflops,
        "gflops_a_clip": calls * gflops,
        "weights_mebibytes": 4 * parameters / 2**20,
        "training_state_mebibytes": _TRAINED * parameters / 2**20,
        "activations_mebibytes": kept / 2**20,
    }


def counted(backbone: BackboneConfig, grid: tuple[int, int, int], *, bridged: bool = False) -> tuple[int, int, int]:
    """Parameters of a network, operations of a call on one clip of `grid` (frames, height, width), and bytes kept for
    the backward pass. Nothing is computed, so that no clip is too large to be asked about.
    """
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.device("meta"):
        network = build(backbone)
        count = backbone.words if backbone.text_dim else 0
        low = backbone.low_res_channels
        told = Condition(
            seconds=torch.empty(1, grid[0]),
            text=torch.empty(1, count, TEXT_DIM) if count else None,
            text_mask=torch.ones(1, count, dtype=torch.bool) if count else None,
            low_res=torch.empty(1, low, *grid) if low else None,
            low_res_noise=torch.empty(1) if low else None,
            prior=torch.empty(1, backbone.channels, *grid) if bridged else None,
        )
        counter = FlopCounterMode(display=False)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), counter:
            network(torch.empty(1, backbone.channels, *grid), torch.empty(1), told)
    parameters = sum(each.numel() for each in network.parameters())
    return parameters, counter.get_total_flops(), sum(kept.values())
