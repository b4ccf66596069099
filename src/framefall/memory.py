"""Memory of this machine: how much is free, how much this process has, and how people write a size."""

import contextlib
import ctypes
import gc
import math
import os
import re
import sys
from pathlib import Path

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def size_of(text: str | float | None) -> int | None:
    """Bytes of "4GB", "512 MB" or a number of bytes; none of none. Raises `ValueError` for anything else."""
    if text is None:
        return None
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", str(text), re.IGNORECASE)
    size = float(found[1]) * _UNITS[found[2].lower()] if found else math.nan
    if not 0 < size < 1 << 60:
        raise ValueError(f"memory must be given like 4GB or 512MB, got {text!r}")
    return int(size)


def free() -> int:
    """Bytes that may be taken: what the system has to give, and what the control group of this process still allows."""
    known = [os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for line in _text("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            known = [int(line.split()[1]) << 10]
    limit, used = _text("/sys/fs/cgroup/memory.max"), _text("/sys/fs/cgroup/memory.current")
    if limit.isdigit() and used.isdigit():
        cached = re.search(r"^inactive_file (\d+)$", _text("/sys/fs/cgroup/memory.stat"), re.MULTILINE)
        known.append(int(limit) - int(used) + (int(cached[1]) if cached else 0))
    return max(0, min(known))


def used() -> int:
    """Bytes of memory that this process has now; 0 where the system does not say."""
    pages = _text("/proc/self/statm").split()
    return int(pages[1]) * os.sysconf("SC_PAGE_SIZE") if len(pages) > 1 else 0


def written(size: float) -> str:
    """Bytes as people read them."""
    return f"{size / 2**30:.1f} GB" if size >= 0.95 * 2**30 else f"{size / 2**20:.0f} MB"


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def give_back_at_once(least: int = 1 << 20) -> None:
    """Has freed blocks of `least` bytes go back to the system at once, where the C library can (glibc).

    Left alone it keeps blocks of up to 32 MB for later, in pieces that do not fit: up to twice of what is in use.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, least)


_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h


def resident() -> int | None:
    """Bytes this process has in memory, on Linux; freed memory is given back first."""
    if not _STATUS.exists():
        return None
    _trim()
    return _status("VmRSS")


def forget_peak() -> None:
    """Begins to measure `peak` anew."""
    if _STATUS.exists():
        _trim()
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> int | None:
    """The most bytes this process had in memory since `forget_peak`, on Linux."""
    return _status("VmHWM") if _STATUS.exists() else None


_STATUS = Path("/proc/self/status")


def _trim() -> None:
    gc.collect()
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)


def _status(key: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024
