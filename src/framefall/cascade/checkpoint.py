"""A cascade as a folder: `config.json`, its card, one safetensors file a stage, and a manifest with their hashes.

A latent stage's autoencoder has a file of its own, `STAGE.autoencoder.safetensors`.
Loading goes manifest, hashes, schema, names and shapes, tensors, finite numbers; nothing is unpickled and
nothing in the config can name a class or a file.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor, nn

from framefall import locks, publish
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
README = "README.md"
MODEL = FolderKind("a model", needs=CONFIG)
AUTOENCODER = "autoencoder.safetensors"


def save(cascade: Cascade, folder: str | Path, dtype: torch.dtype = torch.float32) -> None:
    """Publishes the cascade at `folder`, in one step. Raises `ValueError` where a weight is not finite."""
    with _publishing(folder) as partial:
        _describe(cascade.config, cascade.card, partial)
        for stage in cascade.stages:
            _write(stage, partial, dtype)


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
    start: str | Path | None = None,
) -> None:
    """Publishes `folder` anew with one stage added or replaced, and `part` as its part of the card.

    The files of the others keep their bytes, and what the model said of them stays; where there is no model yet, they
    are those of the model `start`. Whoever else publishes a stage of it at the same time waits: nothing is lost.
    """
    folder = Path(folder)
    with _publishing(folder) as partial:
        origin = folder if folder.exists() or start is None else find(start)
        files = publish.verify(origin).keys() if origin.exists() else set[str]()
        before = read_config(origin / CONFIG) if files else None
        found = {} if before is None else before.stages
        configs = {one: stage.config if one == name else found[one] for one in in_order(found, config.stages, name)}
        kept = read_card(origin) if files else None
        parts = {} if kept is None else dict(kept.stages)
        parts.pop(name, None)  # what was written is of other weights
        parts |= {} if part is None else {name: part}
        card = Card(stages={one: parts[one] for one in configs if one in parts}) if parts else None
        whole = replace(config if before is None else _said_before(config, before, name), stages=configs)
        own = {CONFIG, CARD, README, f"{name}.safetensors", f"{name}.{AUTOENCODER}"}
        _copy(files - own, origin, partial)
        _describe(whole, card, partial)
        _write(stage, partial, dtype)


def in_order(found: Collection[str], planned: Collection[str], name: str) -> list[str]:
    """The names of a model's stages with one more, which keeps the place that it has, or takes the planned one.

    Raises `ValueError` where no place is known: among stages that the plan does not have.
    """
    if name in found:
        return list(found)
    if strange := [one for one in found if one not in planned]:
        raise ValueError(
            f"{name} must have a place among the stages of the model, which has {strange[0]}, and its recipe knows"
            f" {', '.join(planned)} alone; choose another name, or its recipe"
        )
    return [one for one in planned if one in found or one == name]


def with_card(folder: str | Path, card: Card) -> None:
    """Publishes a model's folder anew with another card; every other file keeps its bytes."""
    folder = find(folder)
    with _publishing(folder) as partial:
        _copy(publish.verify(folder).keys() - {CARD}, folder, partial)
        write_card(card, partial)


@contextlib.contextmanager
def _publishing(folder: str | Path) -> Iterator[Path]:
    """A partial folder that becomes the model, while nobody else reads or writes a model beside it to publish it."""
    folder = Path(os.path.realpath(folder))
    publish.make_folder(folder.parent)
    with locks.in_turn(folder.parent), writable(folder), publish.folder(folder) as partial:
        yield partial


@contextlib.contextmanager
def writable(place: Path, nbytes: int | None = None) -> Iterator[None]:
    """What keeps a folder of tensors from being written, such as a full disk, as a `RuntimeError` of one sentence."""
    try:
        yield
    except publish.Taken:
        raise
    except (OSError, SafetensorError) as error:
        found = re.search(r"I/O error: (.*) \(os error \d+\)", str(error))
        reason = error.strerror if isinstance(error, OSError) and error.strerror else found[1] if found else str(error)
        need = "" if nbytes is None else f" needs {nbytes / 2**20:,.1f} MiB and"
        raise RuntimeError(
            f"{place}{need} cannot be written ({reason}); what was there before is whole: make room, and go on with"
            " --resume"
        ) from None


def _copy(names: Iterable[str], origin: Path, partial: Path) -> None:
    for name in names:
        (partial / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(origin / name, partial / name)


def _describe(config: CascadeConfig, card: Card | None, partial: Path) -> None:
    (partial / CONFIG).write_text(to_json(config))
    (partial / README).write_text(readme(config))
    if card is not None:
        write_card(card, partial)


def _write(stage: Stage, partial: Path, dtype: torch.dtype) -> None:
    networks = {"safetensors": stage.backbone, AUTOENCODER: stage.codec.autoencoder}
    for suffix, network in networks.items():
        if network is not None:
            save_file(stored(network.state_dict(), dtype, stage.name), partial / f"{stage.name}.{suffix}")


def _said_before(config: CascadeConfig, before: CascadeConfig, name: str) -> CascadeConfig:
    """The config with what the model said of stages that stay, and of itself."""
    if not before.stages.keys() - {name}:
        return replace(config, license=before.license)
    return replace(
        config,
        license=before.license,
        description=config.description or before.description,
        distilled_from=config.distilled_from or before.distilled_from,
        trained_on=list(dict.fromkeys((*before.trained_on, *config.trained_on))),
    )


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


def readme(config: CascadeConfig) -> str:
    """What the cascade is, for whoever finds its folder."""
    lines = [f"# {config.name}", "", config.description or "A Framefall video diffusion cascade.", ""]
    lines += [
        f"License of the weights: {config.license}. Videos made with it are synthetic and should be called so.",
        "",
    ]
    lines += ["| stage | task | makes | parameters |", "|---|---|---|---|"]
    for name, stage in config.stages.items():
        lines.append(f"| {name} | {stage.task.kind} | {makes(stage)} | {size(stage) / 1e6:.2f} M |")
    if config.distilled_from:
        lines += ["", f"Distilled from: {config.distilled_from}."]
    lines += ["", "Trained on: " + ("; ".join(config.trained_on) or "not recorded") + "."]
    return "\n".join(lines) + "\n"


def size(stage: StageConfig) -> int:
    """How many parameters a stage's network has; nothing is computed for it."""
    with torch.device("meta"):
        return parameters(build(stage.backbone).parameters())


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


def stored(tensors: dict[str, Tensor], dtype: torch.dtype, origin: str) -> dict[str, Tensor]:
    """The tensors as a file keeps them: on the CPU, contiguous, floats in `dtype`.

    Raises `ValueError` where one is not finite, in words that begin with `origin`: no such number is ever published.
    """

    def one(name: str, tensor: Tensor) -> Tensor:
        tensor = tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype)
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(
                f"{origin} must be finite to be written, and {name} is not; go on from an earlier checkpoint,"
                " with lower learning rates"
            )
        return tensor.contiguous().clone()

    return {name: one(name, tensor) for name, tensor in tensors.items()}


def parameters(tensors: Iterable[Tensor]) -> int:
    """How many numbers there are in all."""
    return sum(tensor.numel() for tensor in tensors)
