"""Works offline and installs nothing: import, train, generate, evaluate and serve in a process that has no network.

    python tests/batteries/offline.py [ROUNDS]      prints a JSON report; exit code 1 if a promise is broken

A child and all that it starts are put into a network of their own that leads nowhere but to themselves (a namespace of
Linux), whose counters tell of every way out that anybody looks for, from whatever language. An audit hook in every
Python process tells who it was; where no such network can be had, it is the only witness, and the report says so. The
home folder is empty at first and must be so in the end, and the installed packages must be those that were there.

The controls do in the same child what must be seen: open a URL, look up a name, connect from C in another process, and
put a package into the home folder.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a program it finds its neighbours too
from report import Report

from cases.drawing import clip, pictures

# command lines, one after the other in one process, after all public names were imported
STEPS = (
    "train {source} -o {model} --recipe micro --steps 1 --stage base",
    "generate a_ball_falls -o {out}/clip.mp4 --model {model} --until base",
    "evaluate {out}/clip.mp4 --report {out}/report",
)
SOURCES = ("{clips}", "uniform:40", "{clips}")
CONTROLS = {
    "a URL": "import urllib.request; urllib.request.urlopen('http://192.0.2.1/', timeout=2)",
    "a name": "import socket; socket.getaddrinfo('framefall.invalid', 80)",
    "a connection from C": (
        "import ctypes, subprocess, sys; subprocess.run([sys.executable, '-S', '-c', '''"
        "import ctypes; c = ctypes.CDLL(None); c.connect(c.socket(2, 1, 0), bytes([2,0,0,9,8,8,8,8])+bytes(8), 16)"
        "'''])"
    ),
    "a package in the home folder": (
        "import pathlib; (pathlib.Path.home() / '.local/lib/new-1.0.dist-info').mkdir(parents=True)"
    ),
}
# connections that find no way out, and datagrams, which a name server of this machine would get as well
COUNTERS = ("Ip:OutNoRoutes", "Ip6OutNoRoutes", "Udp:OutDatagrams", "Udp6OutDatagrams")


@dataclass(frozen=True)
class Seen:
    """What a child tried, as far as the witnesses saw it."""

    tried: int  # connections and datagrams, by the kernel's count
    events: tuple[str, ...]  # of the audit hook
    new: tuple[str, ...]  # files in the home folder, and packages
    code: int
    said: str
    kernel: bool  # whether the kernel counted

    @property
    def nothing(self) -> bool:
        """Whether nobody saw anything."""
        return not (self.tried or self.events or self.new)


def run(count: int, folder: Path, seed: int = 0) -> Report:
    """Row 32: all steps, `count` times over, of a folder of clips and of a simulated world in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    clip(folder / "clips" / "a red square.mp4", pictures(48))
    broken, seconds, kernel = list[str](), time.monotonic(), True
    for turn in range(count):
        names = {"model": folder / f"model-{turn}", "out": folder / f"out-{turn}", "clips": folder / "clips"}
        source = SOURCES[turn % len(SOURCES)].format(**names)
        steps = [words.format(source=source, **names).split() for words in STEPS]
        seen = watched(_STEPS.format(steps=steps, home=str(folder / f"studio-{turn}")), folder)
        kernel = seen.kernel
        fault = [] if seen.nothing else [f"{seen.tried} connections", *seen.events, *seen.new]
        fault += [] if seen.code == 0 else [f"exit code {seen.code}: {seen.said}"]
        broken += [f"round {turn}: {', '.join(fault)}"] if fault else []
    controls = {name: code for name, code in CONTROLS.items() if kernel or "C" not in name}
    red = [name for name, code in controls.items() if not watched(code, folder).nothing]
    return Report(
        name="works offline and installs nothing",
        promise="import, training, sampling, evaluation and the studio connect to nothing; no package or file is new",
        row=32,
        tried=count * len(names_of_steps()),
        held=(count - len(broken)) * len(names_of_steps()),
        control="a URL, a name, a connection from C, a package in the home folder",
        control_tried=len(controls),
        control_broke=len(red) if len(red) == len(controls) else 0,
        broken=tuple(broken),
        figures={
            "counted by the kernel": kernel,
            "steps": names_of_steps(),
            "seconds": round(time.monotonic() - seconds, 1),
        },
    )


def watched(code: str, folder: Path) -> Seen:
    """Runs code in a child without a network, and tells what it tried."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        home, log, hook = (Path(place) / name for name in ("home", "log", "hook"))
        home.mkdir()
        hook.mkdir()
        (hook / "sitecustomize.py").write_text(_HOOK.format(log=str(log)))
        free = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
        environment = {name: value for name, value in os.environ.items() if name not in free}
        environment |= {"HOME": str(home), "FRAMEFALL_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = os.pathsep.join([str(hook), *filter(None, sys.path)])
        before = packages()
        done = subprocess.run(
            [sys.executable, "-c", _ALONE, code, str(Path(place) / "counted")],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        counted = Path(place) / "counted"
        tried = int(counted.read_text() or -1) if counted.exists() else -1
        new = sorted(str(path.relative_to(home)) for path in home.rglob("*"))
        return Seen(
            tried=max(0, tried),
            events=tuple(sorted(set(log.read_text().splitlines()))) if log.exists() else (),
            new=(*new, *sorted(packages() - before)),
            code=done.returncode,
            said=done.stderr[-300:],
            kernel=tried >= 0,
        )


def names_of_steps() -> list[str]:
    """What is done in a round."""
    return ["import", "studio", *(words.split()[0] for words in STEPS)]


def packages() -> set[str]:
    """The installed ones with their versions, as the folders of their metadata are called."""
    return {found.stem for place in map(Path, sys.path) for found in place.glob("*.*-info")}


# a network of its own with nothing in it but the machine itself, as on any machine that is offline
_ALONE = f"""
import ctypes, fcntl, os, socket, struct, sys
library, new_network, new_user = ctypes.CDLL(None), 0x40000000, 0x10000000
alone = library.unshare(new_network) == 0 or library.unshare(new_network | new_user) == 0
if alone:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14s", b"lo", 0x41, b""))  # SIOCSIFFLAGS: up and running

def counted():
    found = {{}}
    lines = open("/proc/net/snmp").read().splitlines()
    for names, values in zip(lines[::2], lines[1::2]):
        kind, *names = names.split()
        found.update(zip((kind + name for name in names), map(int, values.split()[1:])))
    if os.path.exists("/proc/net/snmp6"):
        found.update((name, int(value)) for name, value in map(str.split, open("/proc/net/snmp6")))
    return sum(found.get(name, 0) for name in {COUNTERS!r})

child = os.fork()
if not child:
    exec(sys.argv[1], {{"__name__": "__main__"}})
    sys.exit(0)
_, status = os.waitpid(child, 0)
with open(sys.argv[2], "w") as stream:
    stream.write(str(counted()) if alone else "-1")
sys.exit(os.waitstatus_to_exitcode(status))
"""

_STEPS = """
import os, re, signal, sys, urllib.request
import framefall
for name in framefall.__all__:
    getattr(framefall, name)
from framefall.cli import main

def run(*words):
    sys.argv = ["framefall", *words]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise

read, write = os.pipe()
studio = os.fork()  # it has done the imports
if not studio:
    os.dup2(write, 2)
    try:
        run("studio", "--port", "0", "--no-open", "--home", {home!r})
    finally:
        os._exit(0)
os.close(write)
try:
    address = next(found[0] for line in os.fdopen(read) if (found := re.search(r"http://\\S+", line)))
    client = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
    assert b"<html" in client.open(address, timeout=60).read()
    client.addheaders = [("Authorization", "Bearer " + address.partition("token=")[2])]
    assert b"pico" in client.open(address.partition("?")[0] + "api/models", timeout=60).read()
finally:
    os.kill(studio, signal.SIGTERM)
    os.waitpid(studio, 0)

for step in {steps!r}:
    run(*step)
"""

# in every Python process: who looks up a name or connects elsewhere than to this machine
_HOOK = """
import sys
_HERE = ("127.0.0.1", "localhost", "::1", b"127.0.0.1", b"localhost", None)
def _audit(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        if len(arguments) < 2 or not isinstance(arguments[1], tuple) or arguments[1][0] in _HERE:
            return
    elif event not in ("socket.getaddrinfo", "socket.gethostbyname") or arguments[0] in _HERE:
        return
    with open({log!r}, "a") as stream:
        print(event, *arguments[:2], file=stream)
sys.addaudithook(_audit)
"""


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as _place:
        _found = run(int(sys.argv[1]) if len(sys.argv) > 1 else 1, Path(_place))
    print(json.dumps(_found.json(), indent=1))
    sys.exit(0 if _found.passed else 1)
