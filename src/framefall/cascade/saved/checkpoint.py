"""A cascade as a folder: `config.json`, its card, one safetensors file a stage, and a manifest with their hashes.

A latent stage's autoencoder has a file of its own, `STAGE.autoencoder.safetensors`, and so has the distilled network
beside a stage's own, `STAGE.few.safetensors`.
Loading goes manifest, sizes, schema, names and shapes, tensors, hashes, finite numbers; each file is read once, nothing
is unpickled and nothing in the config can name a class or a file. Whatever only looks at a model takes the same way.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from framefall import bounded, locks, publish
from framefall.cascade.about.card import CARD, LARGEST, Card, StageCard, parse_card, read_card, write_card
from framefall.cascade.cascade import Cascade, CascadeConfig
from framefall.cascade.codec import Codec, Latents, Pixels, build_autoencoder
from framefall.cascade.saved import formats
from framefall.cascade.saved.hub_header import header
from framefall.cascade.saved.tensors import Network, built, check_shapes, check_tensors, parse_tensors, read_header
from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import StageConfig
from framefall.config import chosen, from_json, to_json
from framefall.models import keys
from framefall.models.registry import build
from framefall.outputs import FolderKind
from framefall.published import Published, reading
from framefall.weights import SHIPPED

CONFIG = "config.json"
README = "README.md"
MODEL = FolderKind("a model", needs=CONFIG)
AUTOENCODER = "autoencoder.safetensors"
FEW = "few.safetensors"


def save(cascade: Cascade, folder: str | Path, dtype: torch.dtype = torch.float32) -> None:
    """Publishes the cascade at `folder`, in one step. Raises `ValueError` where a weight is not finite."""
    with _publishing(folder) as partial:
        _describe(cascade.config, cascade.card, partial)
        for stage in cascade.stages:
            _write(stage, partial, dtype)


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
    weights = {name for stage in config.stages for name in _files(stage)}
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
    few = None
    if (told := config.few) is not None:
        few = _filled(lambda: build(told.backbone), published, f"{name}.{FEW}", device).eval()
    return Stage(name=name, config=config, backbone=backbone.eval(), codec=codec, few=few)


def _files(stage: str) -> set[str]:
    """What a stage of that name may have files of."""
    return {f"{stage}.{suffix}" for suffix in ("safetensors", AUTOENCODER, FEW)}


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
        own = {CONFIG, CARD, README, *_files(name)}
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
    networks = {"safetensors": stage.backbone, AUTOENCODER: stage.codec.autoencoder, FEW: stage.few}
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


def fingerprint(cascade: Cascade, said: Callable[[StageConfig], str] | None = None) -> str:
    """The SHA-256 of all that decides on what a cascade computes: its stages' configs and the values of their weights.

    A card, a description or another number format of the same values changes nothing, and neither does a setting that
    is as it is by default: settings that come later leave it as it is. `said` is another way to write a config.
    """
    said = said or _said
    digest = hashlib.sha256()
    for stage in cascade.stages:
        digest.update(f"{stage.name}\0{said(stage.config)}".encode())
        tensors = {f"backbone.{name}": one for name, one in stage.backbone.state_dict().items()}
        if (autoencoder := stage.codec.autoencoder) is not None:
            tensors |= {f"autoencoder.{name}": one for name, one in autoencoder.state_dict().items()}
        if stage.few is not None:
            tensors |= {f"few.{name}": one for name, one in stage.few.state_dict().items()}
        for name, tensor in sorted(tensors.items()):
            digest.update(f"{name}{tuple(tensor.shape)}".encode())
            values = tensor.detach().cpu().float() if tensor.is_floating_point() else tensor.detach().cpu()
            digest.update(values.reshape(-1).numpy().data)
    return digest.hexdigest()


def is_of(found: object, cascade: Cascade) -> bool:
    """Whether a fingerprint that was found in a file is the cascade's, as it is computed now or was before."""
    return found == fingerprint(cascade) or found == fingerprint(cascade, formats.before)


def _said(config: StageConfig) -> str:
    return json.dumps(chosen(config), sort_keys=True)


def readme(config: CascadeConfig) -> str:
    """What the cascade is, for whoever finds its folder, on a disk or on the hub."""
    lines = [header(config), f"# {config.name}", "", config.description or "A Framefall video diffusion cascade.", ""]
    lines += [
        f"License of the weights: {config.license}. Videos made with it are synthetic and should be called so.",
        "",
    ]
    lines += ["| stage | task | makes | parameters |", "|---|---|---|---|"]
    for name, stage in config.stages.items():
        lines.append(f"| {name} | {stage.task.kind} | {makes(stage)} | {size(stage) / 1e6:.2f} M |")
        if stage.few is not None:
            few = stage.with_few()
            task = f"distilled from {stage.few.distilled_from or 'it'}"
            lines.append(f"| {name}, fast | {task} | {makes(few)} | {size(few) / 1e6:.2f} M |")
    if config.distilled_from:
        lines += ["", f"Distilled from: {config.distilled_from}."]
    lines += ["", "Trained on: " + ("; ".join(config.trained_on) or "not recorded") + "."]
    return "\n".join(lines) + "\n"


@cache
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
