"""What a process gives up before it reads a stranger's file: other files, the network, other programs, writing.

Linux alone: no new files by Landlock, no sockets and programs by a filter of system calls, nothing written by a limit
on the size of files. What the kernel does not offer is left out; `enter` says what is on.
"""

import contextlib
import ctypes
import os
import platform
import struct
import sys
import sysconfig
from collections.abc import Callable

try:
    import resource
except ImportError:  # a system that has no limits of a process
    resource = None  # type: ignore[assignment]

_DECODERS = ("PIL", "av", "cv2", "numpy")
PROTECTIONS = ("no_new_privileges", "no_files", "no_network_or_programs", "no_writing", "no_core")


def enter() -> dict[str, bool]:
    """Gives it all up, for good, in this process and all that it starts: {protection: whether it is on}."""
    steps: dict[str, Callable[[], bool]] = dict(
        zip(PROTECTIONS, (_no_new_privileges, _no_files, _no_calls, _no_writing, _no_core), strict=True)
    )
    if not sys.platform.startswith("linux"):
        return dict.fromkeys(steps, False)
    return {name: step() for name, step in steps.items()}


def limit_memory(extra: int) -> None:
    """From now on at most `extra` bytes of address space beyond what this process has."""
    if resource is not None and sys.platform.startswith("linux"):
        with open("/proc/self/statm", "rb") as stream:
            pages = int(stream.read().split()[0])
        _most(resource.RLIMIT_AS, pages * resource.getpagesize() + extra)


def limit_time(seconds: int) -> None:
    """Ends this process when it has computed for longer from now on."""
    if resource is not None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        _most(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + seconds)


def _most(limit: int, value: int) -> None:
    hard = resource.getrlimit(limit)[1]
    resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _no_new_privileges() -> bool:
    return _prctl(38, 1, 0, 0, 0) == 0


def _no_files() -> bool:
    """Landlock: what is open stays open; nothing else can be opened, made, linked or removed.

    But for the folders of Python's libraries, which are read: they load parts of themselves when these are needed.
    """
    version = _call(444, None, 0, 1)
    if version < 1:
        return False
    files = (1 << (13 if version == 1 else 14 if version == 2 else 15 if version < 5 else 16)) - 1
    network = 3 if version >= 4 else 0  # binding and connecting TCP
    scope = 3 if version >= 6 else 0  # abstract sockets and signals of others
    rules = struct.pack("<QQQ", files, network, scope)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = _call(444, ctypes.c_char_p(rules), len(rules), 0)
    if ruleset < 0:
        return False
    for library in _libraries():
        with contextlib.suppress(OSError):
            folder = os.open(library, os.O_RDONLY | os.O_DIRECTORY)
            rule = struct.pack("<Qi", _READ, folder)
            _call(445, ruleset, 1, ctypes.c_char_p(rule), 0)
            os.close(folder)
    done = _call(446, ruleset, 0) == 0
    os.close(ruleset)
    return done


def _libraries() -> set[str]:
    """The folders of Python's libraries: this environment's, and those that what decodes has come from.

    They are others where it was installed by `pip install --user`, or in an environment below this one.
    """
    own = [path for name, path in sysconfig.get_paths().items() if name.endswith("lib")]
    files = [getattr(sys.modules.get(name), "__file__", None) for name in _DECODERS]
    return {os.path.realpath(path) for path in (*own, *(os.path.dirname(os.path.dirname(one)) for one in files if one))}


def _no_calls() -> bool:
    """A filter of system calls: those below fail as not permitted."""
    found = _CALLS.get(platform.machine())
    if found is None:
        return False
    audit, numbers = found[0], [int(number) for number in found[1].split()]
    refuse = len(numbers) + 1
    program = [(0x20, 0, 0, 4), (0x15, 1, 0, audit), (0x06, 0, 0, 0x00050001), (0x20, 0, 0, 0)]
    if audit == 0xC000003E:  # the same calls by other numbers
        program += [(0x35, refuse, 0, 0x40000000)]
    program += [(0x15, refuse - 1 - place, 0, number) for place, number in enumerate(numbers)]
    program += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050001)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in program))
    about = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(program), ctypes.addressof(code)))
    return _prctl(22, 2, ctypes.addressof(about), 0, 0) == 0


def _no_writing() -> bool:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    return True


def _no_core() -> bool:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return True


def _prctl(*arguments: int) -> int:
    return int(ctypes.CDLL(None, use_errno=True).prctl(*map(ctypes.c_ulong, arguments)))


def _call(number: int, *arguments: object) -> int:
    """A system call; these have the same number on every machine."""
    return int(ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *arguments))


_READ = 0b1100  # files and folders

# by machine: its name in the kernel's audit, and the numbers of: socket, connect, bind, listen, accept, accept4,
# execve, execveat, ptrace, process_vm_readv, process_vm_writev, kill, tkill, tgkill, open_by_handle_at, mount, unshare,
# setns, bpf, perf_event_open, add_key, request_key, keyctl, userfaultfd, io_uring_setup
_CALLS = {
    "x86_64": (
        0xC000003E,
        b"41 42 49 50 43 288 59 322 101 310 311 62 200 234 304 165 272 308 321 298 248 249 250 323 425",
    ),
    "aarch64": (
        0xC00000B7,
        b"198 203 200 201 202 242 221 281 117 270 271 129 130 131 265 40 97 268 280 241 217 218 219 282 425",
    ),
}
