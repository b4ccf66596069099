"""All that a run needs to go on as if it had never stopped: one published folder a checkpoint.

`tensors.safetensors` holds weights, averaged weights and optimiser states, `state.json` the numbers. Of a network that
is split among ranks each writes its rows to a file of its own, `tensors-00002-of-00004.safetensors`, one file's rows
after the other's; any number of ranks goes on from them, each reading the rows that it keeps now.
The position in the data is the step itself: data order is a function of it.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from framefall import bounded, publish, ranks
from framefall.cascade.saved.checkpoint import stored, writable
from framefall.cascade.saved.formats import upgrade_stage
from framefall.cascade.saved.tensors import check_tensors, read_tensors
from framefall.config import from_dict, to_dict
from framefall.models import keys
from framefall.train.optim import AveragedWeights
from framefall.train.recipe import StageRecipe
from framefall.train.sharding import Rows, is_split, local, rows


@dataclass
class State:
    """Where a run is. The only mutable thing in the loop beside the tensors."""

    step: int = 0
    minutes: float = 0.0  # of training, over all its sessions
    bad_steps: int = 0  # that were not finite, one after another
    skipped: list[dict[str, Any]] = field(default_factory=list)  # steps that were not finite, and their clips


@dataclass(frozen=True)
class Run:
    """What a checkpoint is made of."""

    network: nn.Module
    average: AveragedWeights
    optimizers: list[Optimizer]
    state: State
    identity: dict[str, Any]  # recipe, data and versions: a checkpoint of another run is refused


def save(folder: Path, run: Run, keep: int) -> Path:
    """Publishes checkpoint `folder/STEP` and then removes all but the newest `keep`; every rank must ask.

    Ranks that keep rows each write their own. Where one cannot, nothing is published, and all of them say so.
    """
    path = folder / f"{run.state.step:08d}"
    parts = ranks.world_size() if is_split(run.network) else 1
    if ranks.rank() == 0:
        with publish.folder(path) as partial:
            _write(partial, path, run, parts)
        earlier = sorted(
            one for one in _checkpoints(folder) if one.name <= path.name
        )  # a damaged later one counts for nothing
        for old in earlier[: -max(2, keep)]:
            shutil.rmtree(old, ignore_errors=True)
    elif parts > 1:
        _write(None, path, run, parts)
    ranks.barrier()
    return path


def _write(partial: Path | None, path: Path, run: Run, parts: int) -> None:
    """Writes this rank's part of a checkpoint into the folder that rank 0 has made for it."""
    partial = Path(ranks.gather(str(partial))[0]) if parts > 1 else partial
    assert partial is not None
    failed: Exception | None = None
    try:
        tensors = _tensors(run)
        with writable(path, sum(one.nbytes for one in tensors.values())):
            file = partial / (f"tensors-{ranks.rank() + 1:05d}-of-{parts:05d}.safetensors" if parts > 1 else _ALL)
            save_file(tensors, file)
            publish.sync(file)
            if ranks.rank() == 0:
                (partial / "state.json").write_text(json.dumps(_numbers(run), indent=1))
    except Exception as error:
        failed = error
    others = ranks.gather("" if failed is None else str(failed)) if parts > 1 else []
    if failed is not None:
        raise failed
    for rank, why in enumerate(others):
        if why:
            raise RuntimeError(f"rank {rank} could not write its part of the checkpoint: {why}")


def restore(folder: Path, run: Run) -> list[str]:
    """Fills `run` from the newest checkpoint that is whole; says which damaged ones it passed over.

    Also says when the run goes on with another number of threads: sums are then split elsewhere, and the last
    digits may differ from those of an unbroken run.
    """
    passed = []
    publish.sweep(folder)
    for path in sorted(_checkpoints(folder), reverse=True):
        try:
            publish.verify(path)
            numbers = bounded.read_json(path / "state.json", bounded.TABLE)
            _check_identity(numbers, run.identity, path)
            _fill(run, read(path, _kept(run)), numbers, path)
        except publish.Corrupt as error:
            passed.append(str(error))
            continue
        if (threads := torch.get_num_threads()) != numbers.get("threads", threads):
            passed.append(
                f"{path} was made with {numbers['threads']} threads, now there are {threads}: last digits may differ"
            )
        return passed
    return passed


def reached(folder: Path, identity: dict[str, Any]) -> State:
    """Where the newest whole checkpoint would go on from; refuses one of another run, as `restore` does."""
    for path in sorted(_checkpoints(folder), reverse=True):
        try:
            publish.verify(path)
        except publish.Corrupt:
            continue
        numbers = bounded.read_json(path / "state.json", bounded.TABLE)
        _check_identity(numbers, identity, path)
        return State(**numbers["state"])
    return State()


@dataclass(frozen=True)
class Averaged:
    """The averaged weights of a run's newest whole checkpoint, and where the run was."""

    tensors: dict[str, Tensor]
    step: int
    minutes: float  # of training, over all sessions


def averaged(folder: Path) -> Averaged:
    """What a model made of the run would hold now; raises `ValueError` where no checkpoint is whole."""
    for path in sorted(_checkpoints(folder), reverse=True):
        try:
            publish.verify(path)
            tensors = read(path)
        except publish.Corrupt:
            continue
        state = bounded.read_json(path / "state.json", bounded.TABLE)["state"]
        found = {name.removeprefix("average."): one for name, one in tensors.items() if name.startswith("average.")}
        return Averaged(found, state["step"], state["minutes"])
    raise ValueError(f"{folder} must hold a whole checkpoint, found none; train for longer than one is saved")


def read(path: Path, kept: Mapping[str, Rows] = MappingProxyType({})) -> dict[str, Tensor]:
    """The tensors of a checkpoint under today's names; of those in `kept` these rows alone.

    Raises `Corrupt` where a file is missing or damaged, or a tensor has not as many rows as it must.
    """
    found: dict[str, list[Tensor]] = {}
    ends: dict[str, int] = {}
    for file in _files(path):
        for name, tensor in _today(read_tensors(file)).items():
            own, begin = kept.get(_owner(name)) if tensor.ndim else None, ends.get(name, 0)
            ends[name] = begin + (len(tensor) if tensor.ndim else 0)
            if own is not None:  # a copy, or else all rows would stay in memory
                tensor = tensor[max(0, own.first - begin) : max(0, own.last - begin)].clone()
            found.setdefault(name, []).append(tensor)
    for name, own in ((name, kept.get(_owner(name))) for name in ends):
        if own is not None and ends[name] and ends[name] != own.all:
            raise publish.Corrupt(f"{path}: {name} must have {own.all} rows, has {ends[name]}: restore it from a copy")
    return {name: parts[0] if len(parts) == 1 else torch.cat(parts) for name, parts in found.items()}


_ALL = "tensors.safetensors"


def _files(path: Path) -> list[Path]:
    """A checkpoint's files of tensors, in the order of the rows that they hold."""
    files = sorted(path.glob("tensors-*-of-*.safetensors"))
    wanted = [f"tensors-{part + 1:05d}-of-{len(files):05d}.safetensors" for part in range(len(files))]
    if [one.name for one in files] != wanted:
        raise publish.Corrupt(f"{path} lacks some of its files of tensors: restore it from a copy")
    return files or [path / _ALL]


def _today(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a file, weights and their averages under the names that they have today."""
    found = {name: one for name, one in tensors.items() if name.startswith("optimizer.")}
    for part in ("network.", "average."):
        own = {name.removeprefix(part): one for name, one in tensors.items() if name.startswith(part)}
        found |= {part + name: one for name, one in keys.upgrade(own).items()}
    return found


def _owner(name: str) -> str:
    """What a tensor is split like: itself, or the weight that a state of an optimiser is of."""
    return ".".join(name.split(".", 3)[:3]) if name.startswith("optimizer.") else name


def _kept(run: Run) -> dict[str, Rows]:
    """Which rows this rank keeps of what is split."""
    found = {f"network.{name}": rows(one) for name, one in run.network.state_dict().items()}
    found |= {f"average.{name}": rows(one) for name, one in run.average.tensors.items()}
    for index, one in enumerate(run.optimizers):
        weights = (weight for group in one.param_groups for weight in group["params"])
        found |= {f"optimizer.{index}.{number}": rows(weight) for number, weight in enumerate(weights)}
    return {name: one for name, one in found.items() if one is not None}


def _checkpoints(folder: Path) -> list[Path]:
    return [path for path in folder.glob("[0-9]*") if path.is_dir()]


def _tensors(run: Run) -> dict[str, Tensor]:
    """What this rank writes: its rows of what is split, and rank 0 all else."""
    tensors = {f"network.{name}": tensor for name, tensor in run.network.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in run.average.tensors.items()}
    for index, one in enumerate(run.optimizers):
        for number, values in one.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{number}.{name}": torch.as_tensor(value) for name, value in values.items()}
    own = {name: local(one) for name, one in tensors.items() if ranks.rank() == 0 or rows(one) is not None}
    return stored(own, torch.float32, "a checkpoint")


def _numbers(run: Run) -> dict[str, Any]:
    return {
        "identity": run.identity,
        "threads": torch.get_num_threads(),
        "state": vars(run.state),
        "updates": run.average.updates,
        "optimizers": [_plain(one) for one in run.optimizers],
    }


def _plain(one: Optimizer) -> list[dict[str, Any]]:
    """The optimiser's groups as JSON: rates and coefficients."""
    groups: list[dict[str, Any]] = one.state_dict()["param_groups"]
    return groups


def _fill(run: Run, tensors: dict[str, Tensor], numbers: dict[str, Any], path: Path) -> None:
    weights, averages = (
        {name.removeprefix(part): one for name, one in tensors.items() if name.startswith(part)}
        for part in ("network.", "average.")
    )
    here = {name: local(one) for name, one in run.network.state_dict().items()}
    for found_here in (weights, averages):
        check_tensors(found_here, here, str(path))
    with torch.no_grad():
        for name, weight in here.items():
            weight.copy_(weights[name])
        for name, mean in run.average.tensors.items():
            local(mean).copy_(averages[name])
    run.average.updates = numbers["updates"]
    for index, one in enumerate(run.optimizers):
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith(f"optimizer.{index}."):
                _, _, number, key = name.split(".", 3)
                state.setdefault(int(number), {})[key] = tensor
        groups = [
            {**new, **old}
            for new, old in zip(one.state_dict()["param_groups"], numbers["optimizers"][index], strict=True)
        ]
        one.load_state_dict({"state": state, "param_groups": groups})
        for parameter, values in one.state.items():
            for key, value in values.items():
                if value.shape == local(parameter).shape:
                    # files know no strides, and fused kernels walk both memories side by side
                    values[key] = torch.empty_like(parameter)
                    local(values[key]).copy_(value)
    for name, value in numbers["state"].items():
        setattr(run.state, name, value)


def _check_identity(numbers: dict[str, Any], identity: dict[str, Any], path: Path) -> None:
    found = _completed(numbers["identity"], identity)
    for name, value in identity.items():
        if difference := _difference(name, found.get(name), value):
            raise ValueError(
                f"{path} belongs to another run: {difference}; train under another name, or with the old settings"
            )


def _completed(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The identity in an older checkpoint, with the settings that recipes have had since, as they are by default."""
    try:
        recipe = {**old["recipe"], "stage": upgrade_stage(old["recipe"]["stage"])}
        whole = to_dict(from_dict(StageRecipe, recipe))
    except (KeyError, ValueError):  # no recipe, or one with settings that are gone
        return old
    recipe = {name: value for name, value in whole.items() if name in new["recipe"]}
    recipe["stage"] = {name: value for name, value in whole["stage"].items() if name in new["recipe"]["stage"]}
    return {**old, "recipe": recipe}


def _difference(name: str, old: object, new: object) -> str | None:
    """The first place where two trees of plain values differ, in words."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = (_difference(f"{name}.{key}", old.get(key), new.get(key)) for key in {**old, **new})
        return next((one for one in found if one), None)
    return None if old == new else f"{name} was {_short(old)}, now it is {_short(new)}"


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) < 80 else text[:77] + "..."
