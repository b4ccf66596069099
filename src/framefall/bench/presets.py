"""What each preset is: parameters, operations and memory of every stage, on the meta device, which computes nothing."""

from typing import Any

import torch

from framefall.cascade.stage_config import StageConfig
from framefall.models.autoencoder import VideoAutoencoder
from framefall.models.counted import counted
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
    parameters, flops, kept = counted(
        config.backbone, grid, bridged=config.task.bridge is not None, times=config.best.asked
    )
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
