"""C++ of this package, compiled once for a machine, and never missed where it cannot be.

A source is compiled at its first use into the user's cache, under a name made of the source, the compiler's flags and
the processor's abilities. Without a compiler, or with FRAMEFALL_NO_KERNEL=1 in the environment, there is no library,
and whoever asked takes another way.
"""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import torch

from framefall import publish

LANES = 16  # of a vector in the sources
_FLAGS = ("-O3", "-march=native", "-std=c++17", "-fno-math-errno", "-ffp-contract=fast", "-shared", "-fPIC", "-pthread")
_HERE = Path(__file__).parent
_HEADER = _HERE / "vectors.h"


def is_read() -> bool:
    """Whether a compiler or an engine reads the network instead of running it: it knows plain torch alone."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined]


def has(source: str, *defines: str) -> bool:
    """Whether there is a library of a source, and it is wanted."""
    return os.environ.get("FRAMEFALL_NO_KERNEL") != "1" and library(source, *defines) is not None


# a compiler takes the answer as it is: what `torch.compiler.assume_constant_result` says, which would load the compiler
has._dynamo_marked_constant = True  # type: ignore[attr-defined]


@lru_cache
def library(source: str, *defines: str) -> ctypes.CDLL | None:
    """The library of `source.cpp` with macros such as "WIDTH=4"; None where there is no compiler, or it fails."""
    compiler = shutil.which(os.environ.get("CXX") or "g++") or shutil.which("c++") or shutil.which("clang++")
    if compiler is None or sys.platform == "win32":
        return None
    written = _HERE / f"{source}.cpp"
    flags = (*_FLAGS, *(f"-D{define}" for define in defines))
    named = "\n".join((written.read_text(), _HEADER.read_text(), *flags, compiler, _abilities()))
    cache = Path(os.environ.get("FRAMEFALL_CACHE") or Path.home() / ".cache" / "framefall")
    target = cache / "kernels" / f"{source}-{hashlib.sha256(named.encode()).hexdigest()[:20]}.so"
    try:
        if not target.exists():
            with publish.file(target) as partial:
                command = [compiler, *flags, "-o", str(partial), str(written)]
                subprocess.run(command, check=True, capture_output=True, timeout=120)
        return ctypes.CDLL(str(target))
    except (OSError, subprocess.SubprocessError, RuntimeError):  # no home, no compiler's luck, not for this processor
        return None


def _abilities() -> str:
    """What the processor can do: a cache may be shared by machines that differ."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    said = [line for line in lines if line.startswith(("flags", "Features", "model name"))]
    return "\n".join((platform.machine(), platform.processor(), *sorted(set(said))))
