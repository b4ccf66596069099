"""Worlds as plain folders that any other tool can read: a video and a JSON file a clip."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from framefall import bounded, outputs
from framefall.config import from_json, to_dict
from framefall.data.media.writer import WRITERS, VideoWriter, video_output
from framefall.noise import Key
from framefall.progress import Events, Note, Stepped, operation
from framefall.worlds.captions.grammar import PARAPHRASES
from framefall.worlds.captions.sentences import describe, numbers
from framefall.worlds.engines.registry import simulate
from framefall.worlds.render import solids
from framefall.worlds.render.renderer import View, render
from framefall.worlds.render.truth import body_truth, render_truth
from framefall.worlds.scene import Scene
from framefall.worlds.state import StateLog, frame_times
from framefall.worlds.violations.registry import VIOLATIONS, applicable, break_physics
from framefall.worlds.world import World

TWINS = "twins"  # the violation that stands for: one of those that apply, another one each clip


@dataclass(frozen=True, kw_only=True)
class WorldFormat:
    """How the clips of a world are written."""

    frames: int | None = None  # as many as the scene lasts
    fps: float = 24.0
    size: int = 64  # the height; a scene says how wide it is
    suffix: str = ".mp4"
    masks: bool = False  # also .npz files of masks, depth order and optical flow
    overwrite: bool = False  # files that Framefall did not make, or that somebody has changed since

    def __post_init__(self) -> None:
        if self.frames is not None and self.frames < 1:
            raise ValueError(f"frames must be at least 1, got {self.frames}")
        if not 8 <= self.size <= 4096:
            raise ValueError(f"size must be from 8 to 4096 pixels, got {self.size}; try 64 or 256")
        if not 0 < self.fps <= 1000:
            raise ValueError(f"fps must be above 0 and at most 1000, got {self.fps}; try 24")
        if self.suffix not in WRITERS:
            known = ", ".join(suffix or "'' (a folder of PNG)" for suffix in WRITERS)
            raise ValueError(f"the kind of file must be one of {known}; got {self.suffix!r}")


@dataclass(frozen=True)
class Written:
    """One clip that lies on disk."""

    path: str
    caption: str
    violation: str = ""
    note: str = ""  # what should be known of the file


def read_scene(path: str | Path) -> Scene:
    """A scene from its JSON file, checked by the schema; a bad one is refused in one sentence."""
    try:
        text = bounded.read(path)
    except OSError as error:
        raise ValueError(f"the scene file {path} cannot be read ({error.strerror}); give a JSON file") from None
    return from_json(Scene, text, str(path))


@operation
def write_scene(
    scene: Scene, folder: str | Path, form: WorldFormat, origin: str | Path | None = None
) -> Events[list[Written]]:
    """Simulates one scene of the user's own and writes it as `FOLDER/NAME.mp4` and `.json`.

    `origin` is the file that it was read from, which is never replaced.
    """
    name = scene.key.replace("/", "-") or "scene"
    _check(Path(folder), [name], form, origin)
    written = _write(Path(folder), name, simulate(scene), form, 0)
    if written.note:
        yield Note(written.note)
    yield Stepped(1, 1, "clips")
    return [written]


@operation
def write_world(
    world: World, folder: str | Path, form: WorldFormat, *, count: int, start: int = 0, violation: str | None = None
) -> Events[list[Written]]:
    """Examples `start` .. `start + count` of a world: a clip each, and beside it its broken twin if one is asked for.

    `NAME.json` holds the caption and numbers under the keys that `framefall train` reads, all captions, the state of
    every body in every frame, and the state log that the clip was rendered from.
    """
    if violation and violation != TWINS and violation not in VIOLATIONS:
        raise ValueError(f"a violation must be {TWINS} or one of {', '.join(VIOLATIONS)}; got {violation!r}")
    names = {index: f"{world.scenario_of(index)}-{world.split}-{index:06d}" for index in range(start, start + count)}
    _check(Path(folder), names.values(), form)
    written: list[Written] = []
    said = False
    for index, name in names.items():
        log = world.log(index)
        written.append(_write(Path(folder), name, log, form, index))
        broken = _broken(log, violation, index) if violation else None
        if broken is not None:
            written.append(_write(Path(folder), f"{name}.{broken.violation}", broken, form, index))
        if written[-1].note and not said:
            said = True
            yield Note(f"{written[-1].note} (so are others)" if count > 1 else written[-1].note)
        yield Stepped(index - start + 1, count, "clips")
    return written


def _check(folder: Path, names: Iterable[str], form: WorldFormat, origin: str | Path | None = None) -> None:
    """Refuses files that must not be replaced, before the first clip is made."""
    videos = [folder / f"{name}{form.suffix}" for name in names]
    beside = [one.with_suffix(suffix) for one in videos for suffix in (".json", ".npz")[: 1 + form.masks]]
    sources = [] if origin is None else [origin]
    if form.suffix:
        outputs.files([*videos, *beside], overwrite=form.overwrite, sources=sources)
        return
    outputs.files(beside, overwrite=form.overwrite, sources=sources)
    for video in videos:
        video_output(video, overwrite=form.overwrite, sources=sources)


def _broken(log: StateLog, violation: str, index: int) -> StateLog | None:
    """The twin; nothing where no violation applies and any would have done."""
    key = Key(0, "violation", log.scene.key)
    if violation != TWINS:
        return break_physics(log, violation, key)
    names = applicable(log)
    return break_physics(log, names[index % len(names)], key) if names else None


def _write(folder: Path, name: str, log: StateLog, form: WorldFormat, index: int) -> Written:
    frames = form.frames or round(log.scene.seconds * form.fps) + 1
    times = frame_times(frames, form.fps)
    view = View(form.size, round(form.size * log.scene.width), form.size)
    path = folder / f"{name}{form.suffix}"
    pixels = render([log], [times], view)[0].permute(1, 2, 3, 0).numpy()
    captions = [describe(log.scene, paraphrase) for paraphrase in range(PARAPHRASES)]
    caption = captions[index % PARAPHRASES]
    tags = {} if path.suffix == ".npy" else {"comment": caption}  # which would lie in a file beside it, as the log does
    with VideoWriter(path, form.fps, tags, overwrite=form.overwrite) as writer:
        writer.add(pixels)
    values = {
        "caption": caption,
        "numbers": [float(value) for value in numbers(log.scene)],
        "captions": captions,
        "numeric_caption": describe(log.scene, 0, numeric=True),
        "fps": form.fps,
        "frames": frames,
        "height": view.height,
        "width": view.width,
        "attributes": asdict(log.scene.attributes),
        "truth": body_truth(log, times),
        "log": to_dict(log),
    }
    with outputs.file(folder / f"{name}.json", overwrite=form.overwrite).writing() as partial:
        partial.write_text(json.dumps(values) + "\n")
    if form.masks:
        arrays = outputs.file(folder / f"{name}.npz", overwrite=form.overwrite)
        with arrays.writing() as partial, open(partial, "wb") as stream:
            np.savez_compressed(stream, **_pixel_truth(log, times, view))
    return Written(str(path), caption, log.violation, writer.note)


def _pixel_truth(log: StateLog, times: np.ndarray, view: View) -> dict[str, Any]:
    """Masks, depth order and flow of a flat scene; with depth, the body and the distance at each pixel."""
    if log.scene.engine == "mujoco":
        names = np.array([body.name for body in log.scene.bodies])
        body = solids.masks(log, times, view).astype(np.int16)
        return {"things": names, "body": body, "depth": solids.depths(log, times, view).astype(np.float32)}
    seen = render_truth(log, times, view)
    return {
        "things": np.array([*(b.name for b in log.scene.bodies), *(f.name for f in log.scene.fixtures)]),
        "visible": _bytes(seen.visible.numpy()),
        "full": _bytes(seen.full.numpy()),
        "thing": seen.thing.numpy().astype(np.int16),
        "flow": seen.flow.numpy().astype(np.float16),
    }


def _bytes(matte: np.ndarray) -> np.ndarray:
    return np.round(255 * matte).astype(np.uint8)
