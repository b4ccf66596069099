"""What there is to train on: a folder of videos or of fields, a simulated world, or a folder or world prepared."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from framefall.data.cached import prepared, store
from framefall.data.cached.store import Store
from framefall.data.clip import Clip
from framefall.data.fields.folder import is_fields, open_fields
from framefall.data.fields.folder import summary as field_summary
from framefall.data.folder import Folder, FolderConfig, collect, ingest
from framefall.data.media.frame import readable
from framefall.data.summary import MOST, summary
from framefall.data.window import Window
from framefall.noise import Key
from framefall.progress import Each, Events, Note, Stepped, operation
from framefall.worlds.captions.grammar import PARAPHRASES
from framefall.worlds.captions.sentences import describe, numbers
from framefall.worlds.render.renderer import RENDERER, View, render
from framefall.worlds.scenarios.registry import SCENARIOS
from framefall.worlds.scenarios.solids import SOLID_SCENARIOS
from framefall.worlds.state import StateLog, frame_times
from framefall.worlds.world import World, open_world

NUMERIC = 0.25  # of the captions say gravity and speed as numbers
_ORDER = 2  # of the examples; part of the fingerprint
ON_A_BODY = 0.75  # of the crops have a body in the middle: an even share would see little else than the wall


@operation
def open_source(
    source: str | Path, config: FolderConfig, most: int | None = MOST, *, each: Each | None = None
) -> "Events[Folder | WorldSource]":
    """What to train on: a folder if there is one of that name, prepared or not, or else a world.

    Its notes say what it was taken as; of what is left out in a folder `most` are named, or all. Raises `ValueError`
    where there is neither, and where nothing in a folder can be used. Files are decoded here, or wherever `each` does.
    """
    if prepared.is_prepared(source):
        opened = open_prepared(Path(source), config)
        if isinstance(opened, Folder):
            yield Note(summary(_name(source), opened, most))
        return opened
    if is_fields(source):
        opened_fields = open_fields(source, config)
        yield Note(field_summary(_name(source), opened_fields, most))
        return opened_fields
    there = Path(source).exists()
    if there or not names_a_world(str(source)):
        if there and names_a_world(str(source)):
            yield Note(f"{source} is taken as the folder of that name, and not as a simulated world: it is there")
        outcomes = []
        for outcome in ingest(source, config, each):
            outcomes.append(outcome)
            yield Stepped(len(outcomes), outcome.total, "reading files")
        folder = collect(source, iter(outcomes), config)
        yield Note(summary(_name(source), folder, most))
        return folder
    kept = Store(store.root(config.cache), store.limit(config.cache_gb))
    world = WorldSource(open_world(str(source)), size=config.size, fps=config.fps, looks=config.looks, store=kept)
    yield Note(f"{source} is taken as a simulated world: no folder of that name is here")
    return world


def open_prepared(path: Path, config: FolderConfig) -> "Folder | WorldSource":
    """What `framefall prepare` has made; a `ValueError` if that is unfinished, damaged or for another recipe."""
    about = prepared.read_about(path)
    if not about["finished"]:
        command = f"framefall prepare {about['source']} -o {path}"
        raise ValueError(f"{path} must be wholly prepared, and was stopped before; go on with: {command}")
    prepared.check_settings(path, about, config)
    if about["kind"] == "folder":
        opened: Folder | WorldSource = prepared.load_folder(path, about["shots"])
    else:
        world = World(**{**about["world"], "scenarios": tuple(about["world"]["scenarios"])})
        opened = WorldSource(world, size=config.size, fps=config.fps, looks=config.looks, store=Store(path))
    if opened.fingerprint != about["fingerprint"]:
        raise ValueError(f"{path} must be prepared by this version of Framefall, was by another; prepare it again")
    return opened


def _name(source: str | Path) -> str:
    return readable(Path(source).name or source)


def names_a_world(text: str) -> bool:
    """Whether one of the names in it is a scenario's, or it says `all`."""
    names = {name.strip() for name in re.split("[:@]", text)[0].split(",")}
    return bool(names & {*SCENARIOS, *SOLID_SCENARIOS, "all"})


@dataclass(frozen=True)
class WorldSource:
    """A world behind the interface of a folder; its validation side is the `id` split of the same world."""

    world: World
    size: int = 256  # height of the picture that crops are cut from
    fps: float = 24.0  # frames a second before any stride
    looks: int = 4  # different moments, crops and captions of each example, before they repeat
    store: Store | None = None  # where clips are kept once they are made; None: nowhere

    @property
    def fingerprint(self) -> str:
        """The world's hash, with what decides on its pixels and on their order."""
        return f"{self.world.fingerprint}-{self.size}-{self.fps:g}-{self.looks}-{_ORDER}-{RENDERER}"

    @property
    def names(self) -> Sequence[str]:
        """The world, its split, its size, and its version if that is not the first."""
        rest = f"{self.world.split}/{self.world.size}" + (f"@{self.world.version}" if self.world.version > 1 else "")
        return [f"worlds:{name}/{rest}" for name in self.world.scenarios]

    def split(self, name: Literal["train", "validation", "all"]) -> "WorldSource":
        """The world itself, or for `validation` its unseen examples of the same kind."""
        return replace(self, world=replace(self.world, split="id")) if name == "validation" else self

    def streams(self, window: Window, seed: int) -> tuple["WorldStream", "WorldStream | None"]:
        """Every example once an epoch: in turn while looks are new, then shuffled; and single frames of them."""
        images = WorldStream(self, replace(window, frames=1), seed) if window.frames > 1 else None
        return WorldStream(self, window, seed), images

    def validation(self, window: Window, count: int, seed: int) -> list[Clip]:
        """The first `count` clips of the first epoch."""
        stream = WorldStream(self, window, seed)
        return [stream.clip(position) for position in range(min(count, self.world.size))]


@dataclass(frozen=True)
class WorldStream:
    """The endless sequence of a world's clips under a window. Mirroring is never done: captions say left and right."""

    source: WorldSource
    window: Window
    seed: int

    @property
    def examples(self) -> int:
        """Distinct clips: each scene as often as it is looked at anew."""
        return self.source.world.size * self.source.looks

    @property
    def fingerprint(self) -> str:
        """Names the clips by what decides on them."""
        window = self.window
        rate = window.fps or self.source.fps / window.strides[0]
        shape = f"{window.frames}x{window.height}x{window.width}"
        return f"{self.source.fingerprint}/{shape}/{rate:g}/{window.view}/{self.seed}"

    @property
    def nbytes(self) -> int:
        """Bytes of a clip's pixels."""
        return 3 * self.window.frames * self.window.height * self.window.width

    def number(self, position: int) -> int:
        """The example at a position: number `look * size + index` is a look at scene `index`."""
        world = self.source.world
        epoch, place = divmod(position, world.size)
        if epoch < self.source.looks:  # a world is random by itself: in turn, clips can be made ahead of need
            return position
        return epoch % self.source.looks * world.size + _shuffled(self.seed, epoch, place, world.size)

    def in_order(self, position: int) -> bool:
        """Whether positions are numbers there: as long as all is new."""
        return position < self.examples

    def clip(self, position: int) -> Clip:
        """The clip at a position of the endless sequence."""
        return self.example(self.number(position))

    def example(self, number: int) -> Clip:
        """One look at one scene."""
        look, index = divmod(number, self.source.world.size)
        log = _log(self.source.world, index)
        draw = Key(self.seed, "world", f"{log.scene.key}#{look}")
        times, fps = self._times(log, draw)
        view = self._view(log, float(times[len(times) // 2]), draw)
        pixels = render([log], [times], view)[0].numpy()
        paraphrase = draw.named("paraphrase").integer(PARAPHRASES)
        caption = describe(log.scene, paraphrase, numeric=draw.named("numeric").uniform() < NUMERIC)
        truth = {"log": log, "times": times}
        return Clip(pixels, caption, numbers(log.scene), fps, f"{log.scene.key}#{look}", truth)

    def _times(self, log: StateLog, draw: Key) -> tuple[np.ndarray, float]:
        """The frames' moments: at the window's rate, from a random one of the frames that leave room."""
        fps = self.window.fps or self.source.fps / self.window.strides[0]
        frames = round(log.scene.seconds * fps) + 1
        if self.window.frames > frames:
            needed = (self.window.frames - 1) / fps
            raise ValueError(
                f"a window of {self.window.frames} frames at {fps:g} a second needs {needed:g} s and a scene lasts"
                f" {log.scene.seconds:g} s; take fewer frames, a higher rate, or the horizon split"
            )
        start = draw.named("start").integer(frames - self.window.frames + 1)
        return frame_times(self.window.frames, fps, start), float(fps)

    def _view(self, log: StateLog, moment: float, draw: Key) -> View:
        """The whole picture, cut to the window's shape around its middle; or a crop of it at full size."""
        height, width, aspect = self.window.height, self.window.width, log.scene.width
        if self.window.view == "whole":
            scale = max(height, math.ceil(width / aspect))
            return View(height, width, scale, (scale - height) // 2, max(0, round(scale * aspect) - width) // 2)
        full = self.source.size, round(self.source.size * aspect)
        if height > full[0] or width > full[1]:
            raise ValueError(
                f"crops of {width}x{height} must fit into a picture of {full[1]}x{full[0]};"
                " take a larger `size` (--set data.size=...) or a smaller window"
            )
        where = draw.named("row").uniform(), draw.named("column").uniform()
        top, left = (
            int(part * (whole - side + 1)) for part, whole, side in zip(where, full, (height, width), strict=True)
        )
        if draw.named("aim").uniform() < ON_A_BODY:
            body = log.scene.bodies[draw.named("body").integer(len(log.scene.bodies))]
            x, y = (
                log.tracks[body.name].at(np.array([moment])).position[0, :2] - _corner(log, moment)
            ) * self.source.size
            shake = (where[0] - 0.5) * height / 2, (where[1] - 0.5) * width / 2
            top = min(max(0, round(self.source.size - y + shake[0] - height / 2)), full[0] - height)
            left = min(max(0, round(x + shake[1] - width / 2)), full[1] - width)
        return View(height, width, self.source.size, top, left)


def _corner(log: StateLog, moment: float) -> np.ndarray:
    """Where the picture's lower left corner is at a moment."""
    camera = log.scene.camera
    return np.asarray(camera.start) + moment * np.asarray(camera.velocity)


@lru_cache(maxsize=64)  # for whoever asks for a few clips again and again: strips of samples
def _log(world: World, index: int) -> StateLog:
    return world.log(index)


def _shuffled(seed: int, epoch: int, place: int, size: int) -> int:
    """A permutation of `range(size)` that needs no table: place -> factor * place + shift."""
    key = Key(seed, "world order")
    factor = 1 + key.integer(size, epoch, 0)
    while math.gcd(factor, size) > 1:
        factor += 1
    return (factor * place + key.integer(size, epoch, 1)) % size
