"""Rank, world size, and what ranks tell each other; each of them does nothing in a single process."""

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from framefall import heartbeat

_beating: list[heartbeat.Heartbeat] = []  # of this process, while it is one of several
_group: list[dist.ProcessGroup] = []  # whom this process trains with, where the run is divided


def rank() -> int:
    """The number of this process among those of the run, or of its group, from 0."""
    return dist.get_rank(group()) if dist.is_initialized() else 0


def world_size() -> int:
    """How many processes the run has, or the group of this one."""
    return dist.get_world_size(group()) if dist.is_initialized() else 1


def join() -> None:
    """Joins the other processes when torchrun started this one; otherwise nothing happens."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))  # one GPU each, or all share the first
        named: Any = dist  # whose names its types do not have
        store, own, count = next(named.rendezvous("env://"))
        # torchrun's store outlives a restart: without a name for each attempt a rank may be told a dead one's address
        store = named.PrefixStore(f"framefall/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
        backend = "nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, store=store, rank=own, world_size=count)
        _beating.append(heartbeat.Heartbeat(rank(), world_size()))


def leave(failed: str | None = None) -> None:
    """Leaves the group again, if there is one; the others are told what this rank `failed` of."""
    while _beating:
        _beating.pop().end(failed)
    _group.clear()
    if dist.is_initialized():
        dist.destroy_process_group()


def divide(sizes: Sequence[int]) -> int:
    """Divides the ranks into groups of these sizes, in their order, and says which group this one is in.

    From then on a rank knows those of its group alone. Raises `ValueError` where the sizes are not all ranks.
    """
    if sum(sizes) != world_size() or min(sizes) < 1:
        given = " + ".join(map(str, sizes))
        raise ValueError(f"groups must have all {world_size()} processes and each at least one, got {given}")
    own, mine, first = rank(), 0, 0
    for index, size in enumerate(sizes if world_size() > 1 else ()):
        made = dist.new_group(range(first, first + size))  # each rank takes part in making each of them
        if first <= own < first + size:
            mine = index
            _group.append(made)
        first += size
    return mine


def group() -> dist.ProcessGroup:
    """Whom this process trains with."""
    found = _group[0] if _group else dist.group.WORLD
    assert found is not None
    return found


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """One of the ranks for the length of the block. Where another is dead or frozen the process ends with its name."""
    join()
    try:
        yield
    except BaseException as error:
        if _beating and _broke(error):  # one that is dead is soon known by name, and that is said instead
            time.sleep(heartbeat.LIMIT + 5 * heartbeat.EVERY)
        leave(" ".join(str(error).split()) or type(error).__name__)
        raise
    if _beating:
        dist.barrier()  # nobody leaves whom another still waits for
    leave()


def _broke(error: BaseException) -> bool:
    """Whether a message to the others did not come through."""
    words = ("gloo", "nccl", "connection", "store")
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    )


def barrier() -> None:
    """Waits until every rank is here."""
    if dist.is_initialized():
        dist.barrier(group())


def average_(tensors: Iterable[Tensor]) -> None:
    """Replaces each tensor by its mean over ranks, in one message of float32, or float64 if one tensor is."""
    tensors = list(tensors)
    if world_size() == 1 or not tensors:
        return
    wide = torch.float64 if any(tensor.dtype == torch.float64 for tensor in tensors) else torch.float32
    flat = torch.cat([tensor.detach().reshape(-1).to(wide) for tensor in tensors])
    dist.all_reduce(flat, group=group())
    flat /= world_size()
    for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.detach().copy_(mean.view_as(tensor))


def gather(text: str) -> list[str]:
    """What every rank says, in their order."""
    if world_size() == 1:
        return [text]
    data = torch.tensor(list(text.encode()), dtype=torch.uint8, device=_device())
    size = torch.tensor([len(data)], device=data.device)
    sizes = [torch.empty_like(size) for _ in range(world_size())]
    dist.all_gather(sizes, size, group=group())
    longest = max(int(one) for one in sizes)
    texts = [data.new_empty(longest) for _ in sizes]
    dist.all_gather(texts, torch.nn.functional.pad(data, (0, longest - len(data))), group=group())
    return [bytes(one[: int(size)].tolist()).decode() for one, size in zip(texts, sizes, strict=True)]


def agree(values: list[float]) -> list[float]:
    """Rank 0's values on every rank: for decisions that all must take alike."""
    if world_size() == 1:
        return values
    tensor = torch.tensor(values, dtype=torch.float64, device=_device())
    dist.broadcast(tensor, group=group(), group_src=0)
    return [float(value) for value in tensor]


def all_of(true: bool) -> bool:
    """Whether it is true on every rank."""
    if world_size() == 1:
        return true
    tensor = torch.tensor([float(true)], device=_device())
    dist.all_reduce(tensor, dist.ReduceOp.MIN, group=group())
    return bool(tensor)


def _device() -> str:
    """Where messages lie: nccl carries nothing that lies on the CPU."""
    return "cuda" if dist.get_backend() == "nccl" else "cpu"
