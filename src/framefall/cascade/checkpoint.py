"""A cascade as a folder: `config.json`, its card, one safetensors file a stage, and a manifest with their hashes.

A latent stage's autoencoder has a file of its own, `STAGE.autoencoder.safetensors`.
Loading goes manifest, hashes, schema, names and shapes, tensors, finite numbers; nothing is unpickled and
nothing in the config can name a class or a file.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor, nn

from framefall import publish
from framefall.cascade import formats
from framefall.cascade.card import CARD, Card, StageCard, read_card, write_card
from framefall.cascade.cascade import Cascade, CascadeConfig
from framefall.cascade.codec import build_codec
from framefall.cascade.stage import Stage, StageConfig
from framefall.config import from_json, to_json
from framefall.models import keys
from framefall.models.registry import build
from framefall.outputs import FolderKind
from framefall.weights import SHIPPED

CONFIG = "config.json"
MODEL = FolderKind("a model", needs=CONFIG)
AUTOENCODER = "autoencoder.safetensors"


def save(cascade: Cascade, folder: str | Path, dtype: torch.dtype = torch.float32) -> None:
    """Publishes the cascade at `folder`, in one step."""
    with publish.folder(folder) as partial:
        (partial / CONFIG).write_text(to_json(cascade.config))
        (partial / "README.md").write_text(readme(cascade))
        if cascade.card is not None:
            write_card(cascade.card, partial)
        for stage in cascade.stages:
            save_file(stored(stage.backbone.state_dict(), dtype), partial / f"{stage.name}.safetensors")
            if (autoencoder := stage.codec.autoencoder) is not None:
                save_file(stored(autoencoder.state_dict(), dtype), partial / f"{stage.name}.{AUTOENCODER}")


def load_cascade(folder: str | Path, device: str | torch.device = "cpu") -> Cascade:
    """A cascade from its folder, or the shipped one of that name; its networks are in evaluation mode."""
    folder = find(folder)
    publish.verify(folder)
    config = read_config(folder / CONFIG)
    stages = tuple(build_stage(name, stage, folder, device) for name, stage in config.stages.items())
    return Cascade(config=config, stages=stages, card=read_card(folder))


def read_config(path: Path) -> CascadeConfig:
    """A model's config; an older format is brought to the present one."""
    text = path.read_bytes()
    try:
        values = json.loads(text)
    except ValueError:
        values = None  # the schema's own sentence says what is wrong
    if isinstance(values, dict):
        version = values.get("format", 1)
        if version not in range(1, formats.FORMAT + 1):
            given = f"{version!r}; update Framefall to read it"
            raise ValueError(f"{path} must be of format {formats.FORMAT} or earlier, got {given}")
        if version < formats.FORMAT:
            text = json.dumps(formats.upgrade_cascade(values)).encode()
    return from_json(CascadeConfig, text, origin=str(path))


def build_stage(name: str, config: StageConfig, folder: Path, device: str | torch.device = "cpu") -> Stage:
    """A stage with the weights that the folder has for it, checked against the shapes that its config implies."""
    with torch.random.fork_rng(devices=[]):
        backbone, codec = build(config.backbone), build_codec(config.latent)
    _fill(backbone.to(device), folder / f"{name}.safetensors")
    if codec.autoencoder is not None:
        _fill(codec.autoencoder.to(device), folder / f"{name}.{AUTOENCODER}")
    return Stage(name=name, config=config, backbone=backbone.eval(), codec=codec)


def with_stage(
    folder: str | Path,
    name: str,
    stage: Stage,
    config: CascadeConfig,
    dtype: torch.dtype,
    part: StageCard | None = None,
) -> None:
    """Publishes `folder` anew with one stage added or replaced, and `part` as its part of the card.

    The others keep their weights, their place and their parts, and the model what was said of it before.
    """
    before = load_cascade(folder) if Path(folder).exists() else None
    kept = {} if before is None else {one.name: one for one in before.stages}
    kept[name] = stage
    present = {one: (kept[one].config if one in kept else None) for one in config.stages}
    configs = {one: found for one, found in present.items() if found is not None}
    stages = tuple(kept[one] for one in configs)
    parts = {} if before is None or before.card is None else dict(before.card.stages)
    parts.pop(name, None)  # what was written is of other weights
    parts |= {} if part is None else {name: part}
    card = Card(stages={one: parts[one] for one in configs if one in parts}) if parts else None
    if before is not None and any(stage.name != name for stage in before.stages):
        trained_on = list(dict.fromkeys((*before.config.trained_on, *config.trained_on)))
        config = replace(config, description=config.description or before.config.description, trained_on=trained_on)
    save(Cascade(config=replace(config, stages=configs), stages=stages, card=card), folder, dtype)


def with_card(folder: str | Path, card: Card) -> None:
    """Publishes a model's folder anew with another card; every other file keeps its bytes."""
    folder = find(folder)
    names = publish.verify(folder).keys() - {CARD}
    with publish.folder(folder) as partial:
        for name in names:
            shutil.copyfile(folder / name, partial / name)
        write_card(card, partial)


def fingerprint(cascade: Cascade) -> str:
    """The SHA-256 of all that decides on what a cascade computes: its stages' configs and the values of their weights.

    A card, a description or another number format of the same values changes nothing.
    """
    digest = hashlib.sha256()
    for stage in cascade.stages:
        digest.update(f"{stage.name}\0{to_json(stage.config)}".encode())
        tensors = {f"backbone.{name}": one for name, one in stage.backbone.state_dict().items()}
        if (autoencoder := stage.codec.autoencoder) is not None:
            tensors |= {f"autoencoder.{name}": one for name, one in autoencoder.state_dict().items()}
        for name, tensor in sorted(tensors.items()):
            digest.update(f"{name}{tuple(tensor.shape)}".encode())
            values = tensor.detach().cpu().float() if tensor.is_floating_point() else tensor.detach().cpu()
            digest.update(values.reshape(-1).numpy().data)
    return digest.hexdigest()


def readme(cascade: Cascade) -> str:
    """What the cascade is, for whoever finds its folder."""
    config = cascade.config
    lines = [f"# {config.name}", "", config.description or "A Framefall video diffusion cascade.", ""]
    lines += [
        f"License of the weights: {config.license}. Videos made with it are synthetic and should be called so.",
        "",
    ]
    lines += ["| stage | task | makes | parameters |", "|---|---|---|---|"]
    for stage in cascade.stages:
        size = parameters(stage.backbone.parameters())
        lines.append(f"| {stage.name} | {stage.task.kind} | {makes(stage.config)} | {size / 1e6:.2f} M |")
    if config.distilled_from:
        lines += ["", f"Distilled from: {config.distilled_from}."]
    lines += ["", "Trained on: " + ("; ".join(config.trained_on) or "not recorded") + "."]
    return "\n".join(lines) + "\n"


def makes(stage: StageConfig) -> str:
    """What a stage makes, in words."""
    shape = stage.shape
    made = f"{shape.frames} frames of {shape.width}x{shape.height} at {shape.fps:g} a second"
    made = f"{stage.task.space_factor} times the size" if stage.task.space_factor > 1 else made
    return made + ("" if stage.latent is None else ", in latents")


def _fill(network: nn.Module, path: Path) -> None:
    tensors = keys.upgrade(read_tensors(path))
    check_tensors(tensors, network.state_dict(), str(path))
    network.load_state_dict(tensors)


def find(folder: str | Path) -> Path:
    """The folder itself, or that of the shipped cascade of this name."""
    path, shipped = Path(folder), SHIPPED / str(folder)
    if path.is_dir():
        return path
    if len(Path(folder).parts) == 1 and (shipped / publish.MANIFEST).exists():
        return shipped
    known = ", ".join(sorted(one.parent.name for one in SHIPPED.glob(f"*/{publish.MANIFEST}"))) or "none"
    raise ValueError(
        f"a model must be a folder or a shipped name ({known}), got {str(folder)!r}; train one with framefall train"
    )


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, as float32 where they are floats.

    The bytes are read, not mapped: a mapped file that shrinks would end the process.
    """
    try:
        tensors = load(Path(path).read_bytes())
    except FileNotFoundError:
        raise publish.Corrupt(f"{path} is missing: restore the folder from a copy") from None
    except SafetensorError as error:
        raise publish.Corrupt(f"{path} is not a whole safetensors file ({error}): restore it from a copy") from None
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def check_tensors(tensors: dict[str, Tensor], expected: dict[str, Tensor], origin: str) -> None:
    """Refuses missing, unknown, wrongly shaped or not finite tensors, by name."""
    for name in sorted(tensors.keys() ^ expected.keys()):
        fault = "lacks" if name in expected else "has an unknown tensor"
        raise publish.Corrupt(f"{origin} {fault} {name}: it belongs to another config")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            got, want = tuple(tensor.shape), tuple(expected[name].shape)
            raise publish.Corrupt(f"{origin}: {name} must have shape {want}, got {got}: it belongs to another config")
        if not bool(torch.isfinite(tensor).all()):
            raise publish.Corrupt(f"{origin}: {name} holds numbers that are not finite: train the stage again")


def stored(tensors: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """The tensors as a file keeps them: on the CPU, contiguous, floats in `dtype`."""

    def one(tensor: Tensor) -> Tensor:
        tensor = tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype)
        return tensor.contiguous().clone()

    return {name: one(tensor) for name, tensor in tensors.items()}


def parameters(tensors: Iterable[Tensor]) -> int:
    """How many numbers there are in all."""
    return sum(tensor.numel() for tensor in tensors)
