"""SIGKILL aimed at the workers of a Ray cluster, and a node taken away: every clip is there, once, as it is made here.

    python tests/batteries/ray_kills.py [CLIPS]      prints a JSON report; exit code 1 if a promise is broken

A cluster of two nodes on this machine, each with a core, prepares a folder of small videos and makes a clip for each
of as many prompts. A worker that is at work is killed for every twenty clips, half of them while a file is written, and
in the middle of it one node goes with all that it has. The folders must then hold, by hash, the files of a run of this
process alone, each once, and nothing else; and what is said must be what is said here.

The control has Ray's same retries and the writer everybody writes first: a new name for each result.
"""

import contextlib
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from long_videos import toy
from report import Report

from framefall import publish
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import save
from framefall.data.media.writer import write
from framefall.progress import Events, Note, Stepped
from framefall.runs.generation.prompts import generate_each
from framefall.runs.on_ray import spread
from framefall.runs.prepare import prepare

PATIENCE = 3.0  # seconds for a worker to be at work, before others are waited for
_NODE = {"num_cpus": 1, "object_store_memory": 100 << 20}
_OWN = {"lock", "used", "prepared.json"}  # say where the source is, and nothing about clips
_SECONDS = re.compile(r" \([^()]* s\)$")  # that each stage took


def run(count: int, folder: Path, seed: int = 0) -> Report:
    """`count` clips prepared, and as many generated."""
    began, broken, figures = time.monotonic(), list[str](), dict[str, Any]()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    save(toy(), folder / "model")
    _videos(folder / "videos", count)
    words = {"prepare": [], "generate": []}, {"prepare": [], "generate": []}  # said here, and by Ray
    for name, work in _works(folder, count, "here", None).items():
        words[0][name] = [*_notes(work)]
    with cluster() as nodes:
        killer = Killer(nodes, random.Random(seed), folder / "ray")
        strikes = max(1, count // 40)
        for name, work in _works(folder, count, "ray", "ray").items():
            words[1][name] = [*_notes(killer.at(work, count, strikes, remove=name == "generate"))]
        figures |= {"kills": killer.kills, "nodes removed": killer.removed}
        with spread("ray") as each:
            assert each is not None
            control = Killer(nodes, random.Random(seed), folder / "naive")
            numbers = range(max(6, count // 10))
            done = (Stepped(one + 1, None, "") for one in each(partial(naive, folder / "naive"), numbers))
            for _ in control.at(done, len(numbers), strikes, aimed=False):
                pass
    for name in ("prepare", "generate"):
        here, there = (_hashes(folder / place / name) for place in ("here", "ray"))
        broken += [f"{name}: {line}" for line in differences(here, there)]
        if [_plain(one, folder) for one in words[0][name]] != [_plain(one, folder) for one in words[1][name]]:
            broken.append(f"{name}: it says other things on Ray than here")
    listed = [json.loads(line) for line in (folder / "ray" / "generate" / "a.jsonl").read_text().splitlines()]
    if [one["number"] for one in listed] != list(range(count)) or len({one["sha256"] for one in listed}) != count:
        broken.append("the listing has not each clip once")
    if killer.kills < 2 * strikes or not killer.removed:
        broken.append(f"only {killer.kills} workers were killed, and {killer.removed} nodes removed")
    made = _hashes(folder / "naive")
    expected = {str(number): str(number) for number in numbers}
    return Report(
        name="work on Ray loses and doubles nothing",
        promise="workers are killed and a node goes: every clip is there once, as it is made here",
        tried=2 * count,
        held=2 * count - min(2 * count, len(broken)),
        window="a kill while a file is written",
        hits=killer.inside,
        least_hits=killer.kills // 4,
        control="the same retries, and a writer that gives each result a new name",
        control_tried=len(numbers),
        control_broke=len(differences(expected, made)),
        broken=tuple(broken),
        figures=figures | {"seconds": round(time.monotonic() - began, 1)},
    )


@contextlib.contextmanager
def cluster() -> Iterator[Any]:
    """Two nodes with a core each, and one without that has the cluster's books, at `$RAY_ADDRESS` in the block."""
    from ray.cluster_utils import Cluster

    head = {**_NODE, "num_cpus": 0, "include_dashboard": False}
    before, nodes = os.environ.get("RAY_ADDRESS"), Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(2):
            nodes.add_node(wait=False, **_NODE)
        nodes.wait_for_nodes(120)
        os.environ["RAY_ADDRESS"] = nodes.address
        yield nodes
    finally:
        os.environ.pop("RAY_ADDRESS", None)
        if before is not None:
            os.environ["RAY_ADDRESS"] = before
        nodes.shutdown()


class Killer:
    """Ends workers of a cluster, and one of its nodes, while work is done there."""

    def __init__(self, nodes: Any, draw: random.Random, writes: Path) -> None:
        self.nodes, self.draw, self.writes = nodes, draw, writes
        self.kills = self.inside = self.removed = 0

    def at(self, work: Any, total: int, strikes: int, remove: bool = False, aimed: bool = True) -> Iterator[Any]:
        """The events of a work, a worker killed after some of them."""
        moments = sorted(self.draw.sample(range(1, total), min(strikes, total - 1)))
        middle, before = len(moments) // 2, self.kills
        for event in work:
            yield event
            if isinstance(event, Stepped) and moments and event.done >= moments[0] and self._kill(aimed):
                moments.pop(0)
                if remove and self.kills - before == middle + 1:
                    self._remove()

    def _remove(self) -> None:
        """A node with a core, with all that it has: not the one that this process is connected to."""
        import ray

        own, head = ray.get_runtime_context().get_node_id(), self.nodes.head_node
        other = next(one for one in self.nodes.list_all_nodes() if one is not head and one.node_id != own)
        self.nodes.remove_node(other, allow_graceful=False)
        self.removed += 1

    def _kill(self, aimed: bool) -> bool:
        """Ends one that is at work, every second time one that writes a file; false where nobody is for a while."""
        aimed, last = aimed and self.kills % 2 == 0, time.monotonic() + PATIENCE
        while time.monotonic() < last:
            if victims := [one for one in self._at_work() if not aimed or self._writing(one)]:
                victim = self.draw.choice(victims)
                inside = self._writing(victim)
                os.kill(victim, signal.SIGKILL)  # its number is nobody else's before its parent has missed it
                self.kills += 1
                self.inside += inside
                return True
            time.sleep(0.001)
        return False

    def _at_work(self) -> list[int]:
        """The processes of our nodes that do a part."""
        raylets = {info.process.pid for node in self.nodes.list_all_nodes() for info in node.all_processes["raylet"]}
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, IndexError):
                parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
                if parent in raylets and (place / "cmdline").read_bytes().startswith(b"ray::_part"):
                    found.append(int(place.name))
        return found

    def _writing(self, process: int) -> bool:
        """Whether a process has a file under a partial name."""
        return any(f"-{process}-" in path.name for path in self.writes.rglob(".*.partial-*"))


def differences(wanted: dict[str, str], found: dict[str, str]) -> list[str]:
    """What of the results is not there once, by what they hold."""
    here, there = Counter(wanted.values()), Counter(found.values())
    lost, more = here - there, there - here
    return [*(f"{digest[:12]} is lost" for digest in lost), *(f"{digest[:12]} is there too often" for digest in more)]


def naive(folder: Path, number: int) -> int:
    """The control: a result under a name of its own each time, and then something else to do."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / uuid.uuid4().hex).write_text(str(number))
    time.sleep(0.5)
    return number


def _works(folder: Path, count: int, place: str, on: Any) -> dict[str, Events[Any]]:
    prompts = Request(tuple(f"a ball {number}" for number in range(count)), seed=1)
    out = folder / place / "generate" / "a.mp4"
    return {
        "prepare": prepare.events(folder / "videos", folder / place / "prepare", "micro", stages=["base"], on=on),
        "generate": generate_each.events(prompts, out, folder / "model", device="cpu", on=on),
    }


def _videos(folder: Path, count: int) -> None:
    """Small videos of noise, each another."""
    folder.mkdir()
    for number in range(count):
        frames = np.random.default_rng(number).integers(0, 255, (8, 32, 32, 3), np.uint8)
        write(folder / f"{number:03d}.mp4", [frames], 12.0)


def _notes(events: Any) -> Iterator[str]:
    return (event.text for event in events if isinstance(event, Note))


def _plain(text: str, folder: Path) -> str:
    """What is said, but for how long it took, and where."""
    return _SECONDS.sub("", text).replace(str(folder / "ray"), str(folder / "here"))


def _hashes(folder: Path) -> dict[str, str]:
    """All files below a folder, partial ones too; of the control, what they say."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in _OWN:
            number = path.read_text() if folder.name == "naive" else publish.sha256(path)
            found[path.relative_to(folder).as_posix()] = number
    return found


if __name__ == "__main__":
    clips = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as place:
        result = run(clips, Path(place))
    print(json.dumps(result.json(), indent=2))
    sys.exit(0 if result.passed else 1)
