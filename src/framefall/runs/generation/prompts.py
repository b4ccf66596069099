"""A clip for each of many prompts: numbered files with a listing, made here or on a cluster; what is there is kept."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch

from framefall import outputs, publish
from framefall.cascade.cascade import Cascade
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import find
from framefall.data.media.tags import read_tags
from framefall.data.media.writer import video_output
from framefall.data.text import read_text
from framefall.memory import size_of
from framefall.progress import Each, Event, Events, Note, Stepped, noted, operation
from framefall.runs.generation.generate import Making, loaded, make, with_engines
from framefall.runs.generation.tags import tagged
from framefall.runs.on_ray import Place, spread
from framefall.seal import sealed
from framefall.weights import DEFAULT

LISTING = ".jsonl"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A line of the listing: one clip."""

    number: int
    prompt: str | None
    seed: int
    file: str  # its name, beside the listing
    sha256: str  # of the file; of a folder of frames, of its manifest


@dataclass(frozen=True, kw_only=True)
class Model:
    """What makes the clips, as every process can load it."""

    folder: str
    lora: str | None
    accelerate: bool
    device: str
    manifests: tuple[str, ...]  # their SHA-256: another model may get the name


@dataclass(frozen=True)
class Asked:
    """One clip that is asked for."""

    number: int
    request: Request  # of this clip alone
    path: Path


def read_prompts(path: str | Path) -> tuple[str, ...]:
    """The prompts of a text file, one a line; blank lines are none."""
    try:
        text, _ = read_text(Path(path))
    except ValueError as error:
        raise ValueError(f"{path} must be a text file with a prompt a line, and {error}") from None
    prompts = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not prompts:
        raise ValueError(f"{path} must have at least one prompt, got none; write one a line")
    return prompts


@operation
def generate_each(
    request: Request,
    output: str | Path,
    model: str | Path = DEFAULT,
    *,
    lora: str | Path | None = None,
    accelerate: bool = False,
    memory: str | int | None = None,
    overwrite: bool = False,
    device: str | torch.device | None = None,
    on: Place | None = None,
) -> Events[list[Listed]]:
    """Makes a clip for every prompt of a request, in files that are numbered as its prompts are, and lists them.

    OUT.mp4 becomes OUT-000.mp4, OUT-001.mp4, ..., and OUT.jsonl has a line for each, written when all are there. A file
    that is whole and was made for the same (prompt, seed, model, versions and all else that its tags say) is kept, so
    that the same call goes on where it was stopped. On Ray (`on`) each clip is a part of the work, done by the same
    function: the same files. By default the device is a GPU if there is one, there.
    """
    path, asked = Path(output), list(request.one_by_one())
    read = [find(model), *([] if lora is None else [lora])]
    listing = outputs.file(path.with_name(path.stem + LISTING), overwrite=overwrite, sources=read)
    clips = [
        Asked(number, one, path.with_name(f"{path.stem}-{number:03d}{path.suffix}")) for number, one in enumerate(asked)
    ]
    for clip in clips:
        video_output(clip.path, overwrite=overwrite, sources=read)
    lines: list[Listed] = []
    with spread(on) as cluster:
        gpu = cluster.has_gpu if cluster else torch.cuda.is_available()
        used = str(device or ("cuda" if gpu else "cpu"))
        chosen = Model(
            folder=str(model),
            lora=None if lora is None else str(lora),
            accelerate=accelerate,
            device=used,
            manifests=tuple(_sha256(Path(one)) for one in read),
        )
        work = partial(one_clip, chosen, size_of(memory), overwrite)
        each = None if cluster is None else partial(cluster, gpu=used != "cpu")
        for done in _all(work, clips, each):
            yield done if isinstance(done, Event) else Stepped(done.number + 1, len(clips), "clips")
            if isinstance(done, Listed):
                lines.append(done)
    publish.sweep(path.parent)  # what killed workers left
    with listing.writing() as partial_name:
        partial_name.write_text("".join(json.dumps(asdict(line)) + "\n" for line in lines), encoding="utf-8")
    yield Note(f"{listing.path} lists {len(lines)} clips")
    return lines


def one_clip(model: Model, memory: int | None, overwrite: bool, asked: Asked) -> Events[Listed]:
    """One clip in its file, unless it is there already."""
    cascade, made_with = _loaded(model)
    if _is_there(asked.path, tagged(made_with, asked.request)):
        yield Note(f"{asked.path}: it is there, made as it is asked for")
    else:
        sources = (find(model.folder), *(() if model.lora is None else (Path(model.lora),)))
        how = Making(made_with=made_with, memory=memory, overwrite=overwrite, sources=sources)
        yield from make(asked.request, asked.path, cascade, how)
    (prompt,) = asked.request.captions
    seed = asked.request.seed
    return Listed(number=asked.number, prompt=prompt, seed=seed, file=asked.path.name, sha256=_sha256(asked.path))


def _all(
    work: Callable[[Asked], Events[Listed]], clips: Sequence[Asked], each: Each | None
) -> Iterator[Event | Listed]:
    """What is said, and a line for each clip."""
    if each is None:
        for clip in clips:
            yield (yield from work(clip))
        return
    for clip, (notes, line) in zip(clips, each(partial(noted, work), clips), strict=True):
        if _sha256(clip.path) != line.sha256:
            raise ValueError(
                f"every node must write where this one reads, and {clip.path} was made on another; share it"
            )
        yield from notes
        yield line


@lru_cache(maxsize=1)  # a worker makes many clips
def _loaded(model: Model) -> tuple[Cascade, dict[str, Any]]:
    cascade, made_with = loaded(model.folder, model.lora, model.accelerate, model.device)
    return with_engines(cascade) if model.accelerate else cascade, made_with


def _is_there(path: Path, tags: Mapping[str, str]) -> bool:
    """Whether a file is whole, and made for these tags; on which machine of a cluster says nothing."""
    if not path.exists():
        return False
    try:
        if path.is_dir():
            publish.verify(path)
        elif not sealed(path):
            return False
        found, wanted = (json.loads(one.get("comment", "{}")) for one in (read_tags(path), tags))
    except (ValueError, OSError):
        return False
    return bool({**found, "machine": None} == {**wanted, "machine": None})


def _sha256(path: Path) -> str:
    """Of a file, or of a folder's manifest; empty where there is none."""
    file = path / publish.MANIFEST if path.is_dir() else path
    return publish.sha256(file) if file.is_file() else ""
