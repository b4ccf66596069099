"""A cascade as a folder: `config.json`, its card, one safetensors file a stage, and a manifest with their hashes.

A latent stage's autoencoder has a file of its own, `STAGE.autoencoder.safetensors`.
Loading goes manifest, sizes, schema, names and shapes, tensors, hashes, finite numbers; each file is read once, nothing
is unpickled and nothing in the config can name a class or a file. Whatever only looks at a model takes the same way.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from framefall import bounded, publish
from framefall.cascade import formats
from framefall.cascade.card import CARD, LARGEST, Card, StageCard, parse_card, write_card
from framefall.cascade.cascade import Cascade, CascadeConfig
from framefall.cascade.codec import Codec, Latents, Pixels, build_autoencoder
from framefall.cascade.stage import Stage, StageConfig
from framefall.cascade.tensors import Network, built, check_shapes, check_tensors, parse_tensors, read_header
from framefall.config import from_json, to_json
from framefall.models import keys
from framefall.models.registry import build
from framefall.outputs import FolderKind
from framefall.published import Published, reading
from framefall.weights import SHIPPED

CONFIG = "config.json"
MODEL = FolderKind(needs=CONFIG)
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
    return verified(folder, device)[0]


def verified(folder: str | Path, device: str | torch.device = "cpu") -> tuple[Cascade, dict[str, str]]:
    """The same with the SHA-256 of every file: nothing in the folder is left unchecked."""

    def use(published: Published) -> tuple[Cascade, dict[str, str]]:
        config, card = _described(published)
        stages = tuple(build_stage(name, stage, published, device) for name, stage in config.stages.items())
        return Cascade(config=config, stages=stages, card=card), published.rest()

    return reading(find(folder), use)


@dataclass(frozen=True)
class Described:
    """A model without its weights."""

    config: CascadeConfig
    card: Card | None
    parameters: dict[str, int]  # of each stage's network


def describe(folder: str | Path) -> Described:
    """What a model's folder says of it, without keeping its weights; refuses what `load_cascade` does."""

    def use(published: Published) -> Described:
        config, card = _described(published)
        stages = (build_stage(name, stage, published) for name, stage in config.stages.items())
        sizes = {stage.name: parameters(stage.backbone.parameters()) for stage in stages}
        published.rest()
        return Described(config, card, sizes)

    return reading(find(folder), use)


def _described(published: Published) -> tuple[CascadeConfig, Card | None]:
    path = published.path
    if CONFIG not in published:
        raise ValueError(f"a model must have a {CONFIG}, {path} has none; name a model's folder, not a checkpoint's")
    config = parse_config(published.read(CONFIG, bounded.TEXT), path / CONFIG)
    card = parse_card(published.read(CARD, LARGEST), path / CARD) if CARD in published else None
    weights = {name for stage in config.stages for name in (f"{stage}.safetensors", f"{stage}.{AUTOENCODER}")}
    for name, size in published.sizes.items():
        if name not in weights and size > LARGEST:
            raise publish.Corrupt(
                f"{path / name} is of no stage and has more than {LARGEST:,} bytes: remove it, and publish anew"
            )
    return config, card


def read_config(path: Path) -> CascadeConfig:
    """A model's config from its file; an older format is brought to the present one."""
    return parse_config(bounded.read(path), path)


def parse_config(text: bytes, path: Path) -> CascadeConfig:
    """The same from the bytes of the file."""
    try:
        values = bounded.parse(text)
    except ValueError as error:
        if not isinstance(error, json.JSONDecodeError):
            raise ValueError(f"{path} does not fit CascadeConfig: {error}") from None
        values = None  # the schema's own sentence says what is wrong
    if isinstance(values, dict):
        version = values.get("format", 1)
        if version not in range(1, formats.FORMAT + 1):
            given = f"{version!r}; update Framefall to read it"
            raise ValueError(f"{path} must be of format {formats.FORMAT} or earlier, got {given}")
        if version < formats.FORMAT:
            text = json.dumps(formats.upgrade_cascade(values)).encode()
    return from_json(CascadeConfig, text, origin=str(path))


def build_stage(name: str, config: StageConfig, published: Published, device: str | torch.device = "cpu") -> Stage:
    """A stage with the weights that the folder has for it, checked against the shapes that its config implies."""
    backbone = _filled(lambda: build(config.backbone), published, f"{name}.safetensors", device)
    codec: Codec = Pixels()
    if (latent := config.latent) is not None:
        codec = Latents(_filled(lambda: build_autoencoder(latent), published, f"{name}.{AUTOENCODER}", device))
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


def _filled(make: Callable[[], Network], published: Published, file: str, device: str | torch.device) -> Network:
    """The network that `make` builds, with the weights of a file: none is read before all are known to fit."""
    origin, networks = str(published.path / file), list[Network]()

    def look(descriptor: int) -> None:
        header = keys.upgrade(read_header(descriptor, origin))
        with torch.random.fork_rng(devices=[]):
            networks.append(built(make, header, origin))
        check_shapes(header, networks[0].state_dict(), origin)

    data = published.read(file, published.sizes.get(file, 0), look)
    tensors, network = keys.upgrade(parse_tensors(data, origin)), networks[0].to(device)
    check_tensors(tensors, network.state_dict(), origin)
    network.load_state_dict(tensors)
    return network


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


def stored(tensors: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """The tensors as a file keeps them: on the CPU, contiguous, floats in `dtype`."""

    def one(tensor: Tensor) -> Tensor:
        tensor = tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype)
        return tensor.contiguous().clone()

    return {name: one(tensor) for name, tensor in tensors.items()}


def parameters(tensors: Iterable[Tensor]) -> int:
    """How many numbers there are in all."""
    return sum(tensor.numel() for tensor in tensors)
