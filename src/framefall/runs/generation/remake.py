"""A generated clip made again from what its file says: bit for bit by the same model, libraries and machine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from framefall.cascade.record import from_record
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import find, is_of, load_cascade
from framefall.data.media.writer import video_output
from framefall.memory import size_of
from framefall.progress import Events, Note, operation
from framefall.runs.generation.generate import Making, Record, make
from framefall.runs.generation.given import Given
from framefall.runs.generation.tags import changed, provenance, read_made


@operation
def remake(
    like: str | Path,
    output: str | Path | None = None,
    model: str | Path | None = None,
    *,
    changes: Mapping[str, Any] | None = None,
    given: Given | None = None,
    weaker: str | Path | None = None,
    text: str | Path | None = None,
    batch: int | None = None,
    save_stages: str | Path | None = None,
    accelerate: bool | None = None,
    memory: str | int | None = None,
    overwrite: bool = False,
    device: str | torch.device = "cpu",
) -> Events[list[Record]]:
    """Makes the clip of the file `like` again, at `output`, by default beside it.

    `changes` are values of the request's fields that take the place of those that the file names; `given` and `weaker`
    that of the files and of the weaker model that it was made from, which must be there as they were otherwise.
    The model is looked for by the name that the file has for it: here, among the shipped ones, and beside the file;
    `model` says where it is. Where its hash is another the work is refused, unless `model` chose it; where libraries
    or the machine are others that is noted, since bits may then be too. `memory` is as in `generate`.
    Raises `ValueError` for what cannot be made.
    """
    like, made = Path(like), read_made(like)
    output = like.with_name(f"{like.stem}-again{like.suffix}") if output is None else Path(output)
    video_output(output, overwrite=overwrite, sources=[like])  # what is made again must have a name of its own
    if isinstance(made.get("base"), dict):
        raise ValueError(
            f"{like} was made on a pipeline of diffusers ({str(made['base'].get('folder'))[:80]}); generate it anew"
            " with --base, the same prompt and the same seed"
        )
    request = _request(like, made, changes)
    found = _model(like, made) if model is None else find(model)
    cascade = load_cascade(found, device)
    cascade = cascade if text is None else cascade.with_text(text)
    same = is_of(made.get("model_sha256"), cascade)
    if not same and model is None:
        raise ValueError(
            f"{like} was made by a model {made.get('model')!r} with other weights or settings than the one that is"
            " here; say where that model is, or choose this one, with --model"
        )
    now = provenance(cascade, made.get("model") if same else model, device)
    if not same:
        yield Note(f"{like} was made by another model than {now['model']}: this is another clip")
    if others := changed(made, now):
        yield Note(f"{like} was made elsewhere ({'; '.join(others)}): the clip may differ in its last bits")
    accelerate = bool(made.get("accelerate")) if accelerate is None else accelerate
    batch = batch or 1
    if made.get("batch") and batch == 1:
        yield Note(f"{like} was made in a batch of {made['batch']}: alone it may differ in its last bits")
    if given is None and isinstance(made.get("given"), dict):
        given = Given.from_record(made["given"], like.parent)
    if weaker is None and isinstance(made.get("weaker"), dict):
        weaker = _model(like, made["weaker"])
        if not is_of(made["weaker"].get("model_sha256"), load_cascade(weaker)):
            raise ValueError(f"{like} was guided by another model than {weaker}; say where that is with --guidance")
    now |= {"accelerate": True} if accelerate else {}
    how = Making(
        made_with=now,
        given=given,
        weaker=weaker,
        batch=batch,
        save_stages=save_stages,
        accelerate=accelerate,
        memory=size_of(memory),
        overwrite=overwrite,
        sources=(like, found),
    )
    records = yield from make(request, output, cascade, how)
    return records


def _request(like: Path, made: Mapping[str, Any], changes: Mapping[str, Any] | None) -> Request:
    try:
        return from_record(made["request"], changes)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{like} cannot be made again: {error}") from None


def _model(like: Path, made: Mapping[str, Any]) -> Path:
    """Where the model is that a file names."""
    called = str(made.get("model"))
    for place in (called, like.parent / Path(called).name):
        try:
            return find(place)
        except ValueError:
            continue
    raise ValueError(f"{like} was made by a model {called!r}, which is not here; say where it is with --model")
