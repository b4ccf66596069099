"""A process that keeps one network and times a pass of it whenever it is asked.

    python -m framefall.bench.speed.worker NAME FRAMES SIZE [PEERS]

First it answers what the network is; then to each line "forward float32", "train bfloat16" and so on, what the pass
took. Every answer is a line of JSON. Packages that cannot live in one process can so be compared, in turns.
"""

import json
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import nn

from framefall import memory
from framefall.bench.speed import timing
from framefall.bench.speed.contestants import CONTESTANTS, Call, open_peers

WORK = ("forward", "train")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Worker:
    """Such a process, as seen by who asks. It ends when the block does."""

    def __init__(self, name: str, frames: int, size: int, peers: Path | None = None) -> None:
        self.name = name
        command = [sys.executable, "-m", __name__, name, str(frames), str(size), *([str(peers)] if peers else [])]
        pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nowhere, text=True)
        try:
            self.about = self._answer()
        except BaseException:
            self.close()
            raise

    def run(self, work: str, dtype: str) -> dict[str, Any]:
        """`seconds` of CPU time of one pass, and the peak of memory above the imports in `mib`."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{work} {dtype}\n")
        self._process.stdin.flush()
        return self._answer()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                if "error" in answer:
                    raise RuntimeError(f"{self.name}: {answer['error']}")
                return answer
        raise RuntimeError(f"{self.name} ended without an answer (exit code {self._process.wait()})")


def one_pass(network: nn.Module, call: Call, work: str, dtype: torch.dtype) -> None:
    """A forward pass without gradients; or, to train, one with them, the mean square against noise, and backward."""
    network.train(work == "train")
    with torch.set_grad_enabled(work == "train"), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        made = call()
        loss = (made.float() - torch.randn(made.shape)).square().mean() if work == "train" else None
    if loss is not None:
        loss.backward()
        for parameter in network.parameters():
            parameter.grad = None


def main(name: str, frames: str, size: str, peers: str | None = None) -> None:
    """Answers the questions on the standard input until it ends."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if peers:
        open_peers(Path(peers))
    network, call = _answered(lambda: CONTESTANTS[name].make(int(frames), int(size)))
    held = sum(one.numel() * one.element_size() for one in network.parameters())
    resident = memory.resident()
    imports = None if resident is None else resident - held
    weights = sum(one.numel() for one in network.parameters())
    _say({"parameters": weights, "gflops": _answered(lambda: timing.flops(call)) / 1e9})
    for line in sys.stdin:
        work, dtype = line.split()
        _answered(partial(_timed, network, call, work, DTYPES[dtype], imports))


def _timed(network: nn.Module, call: Call, work: str, dtype: torch.dtype, imports: int | None) -> None:
    memory.forget_peak()
    seconds = timing.cpu_seconds(lambda: one_pass(network, call, work, dtype))
    most = memory.peak()
    _say({"seconds": seconds, "mib": None if most is None or imports is None else (most - imports) / 2**20})


def _answered(job: Any) -> Any:
    try:
        return job()
    except Exception as error:
        _say({"error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]})
        raise SystemExit(1) from error


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
