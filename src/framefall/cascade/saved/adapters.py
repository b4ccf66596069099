"""LoRA (Hu et al. 2021): small trained additions to a stage's attention and MLP, kept in a folder beside the model.

The folder has `lora.json`, one safetensors file a stage, and a manifest with their hashes. Each file holds for each
matrix W a pair A `[rank, inside]` and B `[outside, rank]`: with it W is W + B A. They are added when they are loaded,
so that a model with them costs what it costs without. `peft` puts them into a network that is to be trained.
"""

import hashlib
import importlib.util
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from framefall import bounded
from framefall.cascade.alone import alone
from framefall.cascade.saved.tensors import check_tensors, parse_tensors, read_header
from framefall.cascade.stage import Stage
from framefall.config import from_json, to_json
from framefall.noise import Key
from framefall.outputs import FolderKind
from framefall.published import Published, reading
from framefall.ranges import listed, within

if TYPE_CHECKING:
    from framefall.cascade.cascade import Cascade

ABOUT = "lora.json"
ADAPTERS = FolderKind("a LoRA", needs=ABOUT)
TARGETS = ("qkv", "proj", "gate_up_proj", "down_proj")  # the matrices of attention and of the gated MLP
_LARGEST = 1 << 30  # bytes of a stage's file


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """What a stage's LoRA belongs to."""

    rank: Annotated[int, within(1, 1024)]
    base: str  # SHA-256 of the weights that it was trained on


@dataclass(frozen=True, kw_only=True)
class Adapters:
    """What lies in the folder of a LoRA."""

    base: str  # the name of the model
    stages: Annotated[dict[str, Adapter], listed(32)]


def attach(stage: Stage, rank: int, seed: int) -> None:
    """Puts a LoRA that adds nothing yet into the stage's network, whose own weights are learnt no more.

    Raises `ValueError` where `peft` is not installed, or the network has neither attention nor MLP.
    """
    if importlib.util.find_spec("peft") is None:
        raise ValueError("--lora needs peft: pip install 'framefall[lora]'")
    from peft import LoraConfig, inject_adapter_in_model

    if not _matrices(stage.backbone):
        raise ValueError(f"--lora adapts attention and MLP, and {stage.name} has neither; choose --stage base")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(Key(seed, "lora", stage.name).word() >> 1)
        pattern = rf"(.*\.)?({'|'.join(TARGETS)})"
        inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=pattern), stage.backbone)


def attached(backbone: nn.Module) -> dict[str, Tensor]:
    """The pairs in a network, by the name of their matrix with `.A` or `.B` behind it."""
    found = {}
    for name, tensor in backbone.state_dict().items():
        for part in ("A", "B"):
            if name.endswith(end := f".lora_{part}.default.weight"):
                found[f"{name.removesuffix(end)}.{part}"] = tensor.detach().float().cpu().contiguous().clone()
    return found


def digest(backbone: nn.Module) -> str:
    """The SHA-256 of a network's weights, by name."""
    total = hashlib.sha256()
    for name, tensor in sorted(backbone.state_dict().items()):
        total.update(f"{name}{tuple(tensor.shape)}".encode())
        total.update(tensor.detach().cpu().float().contiguous().reshape(-1).numpy().data)
    return total.hexdigest()


def write(folder: Path, about: Adapters, stages: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Fills a folder that is about to be published. Raises `ValueError` where a number is not finite."""
    for name, tensors in stages.items():
        if not all(bool(one.isfinite().all()) for one in tensors.values()):
            raise ValueError(f"a LoRA must be finite to be written, and that of {name} is not; lower the learning rate")
        save_file(dict(tensors), folder / f"{name}.lora.safetensors")
    (folder / ABOUT).write_text(to_json(about))


def read(folder: str | Path) -> tuple[Adapters, dict[str, dict[str, Tensor]]]:
    """A published LoRA, with every file checked against the manifest; raises `ValueError` for anything else."""
    if not Path(folder).is_dir():
        raise ValueError(f"a LoRA must be a folder, got {str(folder)!r}; train one with framefall train --lora 8")

    def use(published: Published) -> tuple[Adapters, dict[str, dict[str, Tensor]]]:
        if ABOUT not in published:
            raise ValueError(f"a LoRA must have a {ABOUT}, {folder} has none; name what framefall train --lora made")
        origin = str(Path(folder) / ABOUT)
        about = from_json(Adapters, published.read(ABOUT, bounded.TEXT), origin=origin)
        stages = {}
        for name in about.stages:
            file = f"{name}.lora.safetensors"
            place = str(Path(folder) / file)
            data = published.read(file, _LARGEST, partial(read_header, origin=place))
            stages[name] = parse_tensors(data, place)
        published.rest()
        return about, stages

    return reading(Path(folder), use)


def with_lora(cascade: "Cascade", folder: str | Path, strength: float = 1.0) -> "Cascade":
    """The cascade with a LoRA added to its weights, `strength` times; the given one is left as it is.

    Raises `ValueError` where the LoRA was trained on other weights.
    """
    about, found = read(folder)
    stages = []
    for stage in cascade.stages:
        if stage.name not in about.stages:
            stages.append(stage)
            continue
        rank, base = about.stages[stage.name].rank, about.stages[stage.name].base
        if digest(stage.backbone) != base:
            raise ValueError(
                f"{folder} was trained on other weights of {stage.name} than {cascade.config.name} has;"
                f" take the model that it belongs to ({about.base})"
            )
        backbone, expected = deepcopy(stage.backbone), dict[str, Tensor]()
        matrices = _matrices(backbone)
        for name, matrix in matrices.items():
            outside, inside = matrix.shape
            expected |= {f"{name}.A": matrix.new_empty(rank, inside), f"{name}.B": matrix.new_empty(outside, rank)}
        check_tensors(found[stage.name], expected, str(folder))
        with torch.no_grad():
            for name, matrix in matrices.items():
                pair = (found[stage.name][f"{name}.{part}"].to(matrix.device) for part in ("B", "A"))
                matrix.add_(strength * torch.matmul(*pair))
        stages.append(replace(stage, backbone=backbone))
    if missing := [name for name in about.stages if name not in {stage.name for stage in stages}]:
        raise ValueError(f"{folder} is for a stage {missing[0]}, which {cascade.config.name} does not have")
    return alone(replace(cascade, stages=tuple(stages)), about.stages)


def _matrices(backbone: nn.Module) -> dict[str, Tensor]:
    """The weights that are adapted, by the names of their layers."""
    return {
        name: module.weight
        for name, module in backbone.named_modules()
        if name.rpartition(".")[2] in TARGETS and isinstance(module, nn.Linear)
    }
