"""SIGKILL at any window of a long video: the same call goes on from those that were finished, to the same file.

    python tests/batteries/long_videos.py [KILLS]      prints a JSON report; exit code 1 if a promise is broken

A child generates a video in tens of windows a stage with a toy cascade, writes a line for each step and each finished
window, and is killed after some of them. It is started again until the video is whole; every third video is given up
for another one of the same name. After each kill at most one window may be made a second time, the file must be that
of a run that nobody killed, and nothing else may be left in its folder.

The controls: the finished windows taken away before the run goes on, so that all of them are made again; and windows
kept under one name for all requests, so that a video is the beginning of one and the end of another.
"""

import json
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from children import SERVER, Child
from report import Report

from framefall import publish
from framefall.cascade.cascade import Cascade, CascadeConfig, SegmentStep
from framefall.cascade.kept import keeping
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import load_cascade, save
from framefall.cascade.stage import Stage
from framefall.models.registry import build
from framefall.recipes.registry import RECIPES
from framefall.runs.generation import generate as runs

SECONDS = 8
STEPS = 10  # for each second, of all stages
SEEDS = (1, 2)
PATIENCE = 600.0  # seconds for a child to be done; it needs a few, and minutes where others want the same cores
Window = tuple[str, int]  # of a stage, from a frame on


def run(count: int, folder: Path, seed: int = 0, seconds: int = SECONDS) -> Report:
    """Row 17: `count` kills, and more where too few of them have met a window that was being made."""
    least = max(1, count // 4)

    def more() -> bool:
        return kills < count or (under_way < least and kills < 4 * count)

    draw, began = random.Random(seed), time.monotonic()
    video = Video(folder, seconds)
    whole = {one: video.unbroken(one) for one in SEEDS}
    broken, under_way, again, kills, turn = list[str](), 0, 0, 0, 0
    while more():
        chosen, turn = SEEDS[turn % 2], turn + 1
        before, given_up = Counter[Window](), False
        while not given_up:
            lines = video.killed(chosen, draw.randint(1, video.steps // 3) if more() else None)
            twice = [one for one in begun(lines) if before[one]]
            again = max(again, len(twice))
            broken += [f"kill {kills}: {len(twice)} windows made again: {twice[:5]}"] if len(twice) > 1 else []
            before.update(begun(lines))
            if video.ended:
                break
            kills += 1
            under_way += bool(begun(lines)) and lines[-1].endswith("step")
            broken += [f"kill {kills}: a file under the final name"] if video.path.exists() else []
            given_up = turn % 3 == 0 and more()
        if not given_up:
            broken += video.wrong(whole[chosen])
    controls = [video.forgotten(draw), video.mixed(whole, draw)]
    return Report(
        name="a long video goes on after any kill",
        promise="a kill costs a long video one window at most; it ends as the file of an unbroken run, nothing is left",
        row=17,
        tried=kills,
        held=kills - min(kills, len(broken)),
        window="a kill while a window is made",
        hits=under_way,
        least_hits=least,
        control="the finished windows taken away; windows that are not told apart by their request",
        control_tried=len(controls),
        control_broke=sum(controls) if all(controls) else 0,
        broken=tuple(broken),
        figures={"windows made again by a kill, at most": again, "seconds": round(time.monotonic() - began, 1)},
    )


@dataclass
class Video:
    """One that is made by children, of which the last one's lines are read."""

    folder: Path
    seconds: int
    ended: bool = False
    swept: bool = True  # it came to its own end
    starts: int = 0
    path: Path = field(init=False)
    model: Path = field(init=False)

    def __post_init__(self) -> None:
        self.path, self.model = self.folder / "out" / "long.mp4", self.folder / "model"
        self.path.parent.mkdir(parents=True)
        if not self.model.exists():
            save(toy(), self.model)

    @property
    def steps(self) -> int:
        """Those of the whole video."""
        return STEPS * self.seconds

    def unbroken(self, seed: int) -> str:
        """The hash of the file of a run that nobody kills."""
        self.killed(seed, None)
        digest = publish.sha256(self.path)
        self.path.unlink()
        return digest

    def killed(self, seed: int, lines: int | None, naive: bool = False) -> list[str]:
        """Starts or goes on, and kills after so many lines; what the child wrote."""
        self.starts += 1
        log = self.folder / f"log-{self.starts}"
        log.touch()
        told = (str(self.model), str(self.path), str(log), seed, self.seconds, naive)
        child = SERVER.Process(target=child_of, args=told)
        child.start()
        killed = _until(child, log, lines)
        child.kill()
        child.join()
        # a kill may come when the file has its name already: what is left then goes with the next run of that name
        self.ended, self.swept = not killed or self.path.exists(), not killed
        return log.read_text().splitlines()

    def wrong(self, expected: str) -> list[str]:
        """What of a finished video is not as it must be; it is removed."""
        found = [] if publish.sha256(self.path) == expected else ["the file is another"]
        self.path.unlink()
        left = [path.name for path in self.path.parent.iterdir()] if self.swept else []
        return found + [f"left: {name}" for name in left]

    def forgotten(self, draw: random.Random) -> bool:
        """The control without kept windows: whether more than one is made again."""
        lines = self.killed(SEEDS[0], draw.randint(self.steps // 2, self.steps * 3 // 4))
        self._forget()
        before = begun(lines)
        again = len(before & begun(self.killed(SEEDS[0], None)))
        self.path.unlink()
        return again > 1

    def mixed(self, whole: dict[int, str], draw: random.Random) -> bool:
        """The control that keeps windows under one name: whether the second video is not its own."""
        self.killed(SEEDS[0], draw.randint(self.steps // 2, self.steps * 3 // 4), naive=True)
        self.killed(SEEDS[1], None, naive=True)
        digest = publish.sha256(self.path)
        self.path.unlink()
        return digest not in whole.values()

    def _forget(self) -> None:
        for path in self.path.parent.glob(".*/*.npy"):
            path.unlink()


def toy() -> Cascade:
    """The toy recipe with random weights, which make something else of each seed, and short segments."""
    import torch

    stages = []
    for name, recipe in RECIPES["micro"]().stages.items():
        config = recipe.stage
        if config.task.kind == "spatial_sr":
            config = replace(config, task=replace(config.task, at_once=6))
        generator, backbone = torch.Generator().manual_seed(1), build(config.backbone).eval()
        for parameter in backbone.parameters():
            size = 0.3 if parameter.ndim == 1 else parameter[0].numel() ** -0.5
            torch.nn.init.normal_(parameter, std=size, generator=generator)
        stages.append(Stage(name=name, config=config, backbone=backbone))
    config = CascadeConfig(name="toy", stages={stage.name: stage.config for stage in stages})
    return Cascade(config=config, stages=tuple(stages))


def begun(lines: list[str]) -> set[Window]:
    """The windows of which a step was done."""
    words = [line.split() for line in lines]
    return {(stage, int(frame)) for stage, frame, what in words if what in ("step", "made")}


def child_of(model: str, path: str, log: str, seed: int, seconds: int, naive: bool) -> None:
    """What a child does: a line for each step, and one for each window that was made or was there."""
    import torch  # not before framefall: it says how torch's threads wait

    torch.set_num_threads(1)
    if naive:
        runs.keeping = lambda output, key: keeping(output, "0" * 64)  # type: ignore[attr-defined]
    with open(log, "a", buffering=1) as stream:
        for event in runs.generate.events(Request(seed=seed, seconds=seconds), path, load_cascade(model)):
            if isinstance(event, SegmentStep) and event.stage is not None:
                what = "there" if event.step is None else "step" if event.video is None else "made"
                print(event.stage.name, event.frames.start, what, file=stream)
        print("end 0 end", file=stream)


def _until(child: Child, log: Path, lines: int | None) -> bool:
    """Waits for steps and windows that the child made; false if it ended."""
    last = time.monotonic() + PATIENCE
    while time.monotonic() < last:
        text = log.read_bytes()
        if lines is not None and text.count(b" step\n") + text.count(b" made\n") >= lines:
            time.sleep(random.Random(len(text)).uniform(0, 0.005))
            return child.is_alive() and b"end 0 end" not in log.read_bytes()
        if not child.is_alive():
            return False
        time.sleep(0.001)
    raise AssertionError("the child does nothing")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as _place:
        _found = run(int(sys.argv[1]) if len(sys.argv) > 1 else 20, Path(_place))
    print(json.dumps(_found.json(), indent=1))
    sys.exit(0 if _found.passed else 1)
