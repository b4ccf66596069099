"""A long video and an endless one: memory, joins, light and objects second by second, and how fast it streams.

    python -m framefall.bench.uses.long_video < job.json

makes one video in a process of its own and answers what memory it took, in JSON.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from framefall import memory
from framefall.bench.speed import timing
from framefall.bench.uses.cases import window_edges
from framefall.bench.uses.continuity import Frames, join_ratio, light
from framefall.cascade.cascade import Cascade
from framefall.cascade.request import Quality, Request
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.cascade.uses import Canvas
from framefall.data.media.decode import decode
from framefall.evaluate.worldbench.benchmark import Case, Protocol, cases
from framefall.metric import interval
from framefall.progress import finish
from framefall.runs.generation.generate import generate
from framefall.runs.generation.given import Given, knowing
from framefall.runs.generation.stream import stream
from framefall.tracking.known_scene import KnownScene
from framefall.tracking.tracker import track
from framefall.video import from_pixels, to_frames
from framefall.worlds.captions.sentences import describe

SCENARIOS = ("pendulum", "billiards")  # nothing leaves the picture in them, however long they last
GIVEN = 3  # frames of the base
SHORT = 3.0  # seconds of the video that memory is compared with
BLOCK = 10  # seconds: over so many joins are told from chance
LIMITS = {"brightness": 0.02, "saturation": 0.05, "join": 1.1, "memory": 1.1}


@dataclass(frozen=True, kw_only=True)
class Job:
    """A video to make: it goes on after the frames in a `.npy` file."""

    model: str
    prompt: str
    given: str
    seconds: float
    output: str
    quality: Quality = "best"
    seed: int = 0

    @property
    def request(self) -> Request:
        """As it is asked for."""
        return Request(self.prompt, seconds=self.seconds, quality=self.quality, seed=self.seed)


@dataclass(frozen=True, kw_only=True)
class Second:
    """A second of a video: mean luma, saturation, and how many objects a frame shows (the median)."""

    brightness: float
    saturation: float
    objects: float


def made_apart(job: Job) -> dict[str, float]:
    """Makes the video in a fresh process: `mib`, the most memory it had, and `mib_before` it began.

    Its own peak is read: what the system counts for a child begins with what the parent had.
    """
    command = [sys.executable, "-m", __name__]
    said = subprocess.run(command, input=json.dumps(asdict(job)), capture_output=True, text=True)
    if said.returncode:
        raise RuntimeError(f"a video of {job.seconds:g} s failed: {said.stderr.strip().splitlines()[-1:]}")
    answer: dict[str, float] = json.loads(said.stdout.splitlines()[-1])
    return answer


def long_videos(model: str, count: int, seconds: float, seed: int, quality: Quality, version: int) -> dict[str, Any]:
    """`count` videos that go on from the first frames of worlds; see `uses_bench` for what is in the answer."""
    cascade = load_cascade(model)
    rows = list[dict[str, Any]]()
    for case in long_cases(cascade, count, seed, version):
        with TemporaryDirectory() as place:
            rows.append(_one(cascade, model, case, seconds, quality, Path(place)))
    answer: dict[str, Any] = {"seconds": seconds, "short_seconds": SHORT, "clips": len(rows)}
    answer |= {name: interval([row[name] for row in rows]) for name in rows[0] if name not in ("fails", "series")}
    answer["fails"] = {name: _failing([row["fails"][name] for row in rows]) for name in rows[0]["fails"]}
    answer["series"] = [row["series"] for row in rows]
    return answer


def long_cases(cascade: Cascade, count: int, seed: int, version: int) -> list[Case]:
    """Held-out scenes whose objects stay, in turns, at the size and rate of the finished clip."""
    canvas = Canvas.of(cascade)
    each = -(-count // len(SCENARIOS))
    protocol = Protocol(
        clips=each, frames=GIVEN * canvas.step, fps=canvas.fps, size=canvas.sizes[-1][0], seed=seed, version=version
    )
    rows = [list(cases(replace(protocol, scenarios=(one,)), "id")) for one in SCENARIOS]
    return [rows[index % len(rows)][index // len(rows)] for index in range(count)]


def _one(cascade: Cascade, model: str, case: Case, seconds: float, quality: Quality, folder: Path) -> dict[str, Any]:
    canvas = Canvas.of(cascade)
    given, prompt = to_frames(canvas.fit(case.video)), describe(case.log.scene)
    np.save(folder / "given.npy", given)
    job = Job(
        model=model,
        prompt=prompt,
        given=str(folder / "given.npy"),
        seconds=seconds,
        output=str(folder / "long.mkv"),
        quality=quality,
        seed=case.protocol.seed,
    )
    short = made_apart(replace(job, seconds=min(SHORT, seconds), output=str(folder / "short.mkv")))
    long = made_apart(job)
    frames = np.stack([frame.pixels for frame in decode(job.output)])  # what lies in it is without loss
    request = finish(knowing(job.request, Given(video=given), cascade))
    return {
        "mib": long["mib"],
        "short_mib": short["mib"],
        "memory": long["mib"] / short["mib"],
        "memory_above_start": (long["mib"] - long["mib_before"]) / (short["mib"] - short["mib_before"]),
        **judged(frames, canvas.fps, window_edges(cascade, request), case.known, len(case.log.scene.bodies)),
    }


def judged(frames: Frames, fps: float, joins: Sequence[int], scene: KnownScene, objects: int) -> dict[str, Any]:
    """What a long video is worth: its joins, and its last second beside its first."""
    length = max(1, round(fps))
    parts = [frames[at : at + length] for at in range(0, len(frames) - length + 1, length)]
    told = [second(part, fps, scene) for part in parts]
    first, last = told[0], told[-1]
    blocks = [
        join_ratio(
            frames[start : start + BLOCK * length], [j - start for j in joins if start < j < start + BLOCK * length]
        )
        for start in range(0, len(frames), BLOCK * length)
    ]
    drifts = {
        name: [drift(getattr(first, name), getattr(one, name)) for one in told] for name in ("brightness", "saturation")
    }
    fails: dict[str, int | None] = {name: _first([abs(one) > LIMITS[name] for one in drifts[name]]) for name in drifts}
    fails["objects"] = _first([one.objects != first.objects for one in told])
    block = _first([one > LIMITS["join"] for one in blocks])
    fails["join"] = None if block is None else block * BLOCK
    return {
        "join": join_ratio(frames, joins),
        **{f"{name}_drift": abs(each[-1]) for name, each in drifts.items()},
        "objects_true": float(objects),
        "objects_first": first.objects,
        "objects_last": last.objects,
        "objects_kept": float(last.objects == first.objects),
        "fails": fails,
        "series": {
            **{
                name: [round(getattr(one, name), 4) for one in told] for name in ("brightness", "saturation", "objects")
            },
            f"join_by_{BLOCK}_seconds": blocks,
        },
    }


def second(frames: Frames, fps: float, scene: KnownScene) -> Second:
    """What a second shows, before the scene's own picture without bodies and to a camera that is still."""
    scene = replace(scene, objects=None, camera=np.zeros((len(frames), 2)))
    found = track(from_pixels(frames).permute(3, 0, 1, 2)[None], fps, scene=scene)
    shown = np.zeros(len(frames))
    for one in found.objects:
        shown[one.frames] += 1
    return Second(
        **dict(zip(("brightness", "saturation"), light(frames), strict=True)), objects=float(np.median(shown))
    )


def drift(first: float, last: float) -> float:
    """The relative change; of what was nothing, its own amount."""
    return (last - first) / first if first > 1e-3 else last - first


def streaming(model: str, rounds: int = 3, seed: int = 0) -> dict[str, Any]:
    """Seconds of work for a second of endless video in `fast`, after the first chunk, a window of frames a round.

    `ratio_real_time` is of wall time: at most 1 keeps up with whoever watches. On a machine that is busy with other
    things `cpu_over_threads`, CPU time over the threads that it may use, says what would be left.
    """
    cascade = load_cascade(model)
    canvas = Canvas.of(cascade)
    chunks = stream(Request("a large red ball falls and bounces on the floor", seed=seed), cascade)
    next(chunks)
    wall, cpu = list[float](), list[float]()
    for _ in range(rounds):
        began, worked, frames = time.perf_counter(), time.process_time(), 0
        while frames < canvas.window:
            frames += len(next(chunks))
        wall.append((time.perf_counter() - began) * canvas.fps / frames)
        cpu.append((time.process_time() - worked) * canvas.fps / frames)
    return {
        "model": model,
        "fps": canvas.fps,
        "size": canvas.sizes[-1],
        "threads": torch.get_num_threads(),
        "wall_seconds_a_second": timing.spread(wall),
        "cpu_seconds_a_second": timing.spread(cpu),
        "cpu_over_threads": float(np.median(cpu)) / torch.get_num_threads(),
        "ratio_real_time": float(np.median(wall)),
    }


def _first(failing: Sequence[bool]) -> int | None:
    return next((place for place, fails in enumerate(failing) if fails), None)


def _failing(seconds: Sequence[int | None]) -> dict[str, Any]:
    """In which share of clips something fails, and the earliest second at which it does."""
    found = [one for one in seconds if one is not None]
    return {"share": interval([float(one is not None) for one in seconds]), "first_second": min(found, default=None)}


def main() -> None:
    """Makes the job on the standard input."""
    job = Job(**json.load(sys.stdin))
    given = np.load(job.given)
    before = memory.resident()
    memory.forget_peak()
    generate(job.request, job.output, job.model, given=Given(video=given))
    peak = memory.peak()
    found = {"mib_before": before, "mib": peak}
    print(json.dumps({name: float("nan") if value is None else value / 2**20 for name, value in found.items()}))


if __name__ == "__main__":
    main()
