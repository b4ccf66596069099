"""The library's events as a studio tells them: progress, losses, notes, and previews of what a stage believes."""

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from framefall.cascade.cascade import SegmentStep
from framefall.progress import Event, Note, Stepped
from framefall.studio.answers import PREVIEW, LossPoint, Preview, Progress
from framefall.studio.jobs.work import Progressed, Shown, Work
from framefall.train.held_out import HeldOutLoss
from framefall.train.loop import TrainingStep
from framefall.video import Video, to_frames

OFTEN = 0.1  # seconds between two words of progress
PREVIEWS = 0.3  # seconds between two previews of a stage
STAYS = 5.0  # seconds in which a page that was told of a preview can still take it
LOSSES = 0.002  # of a stage's budget between two points of its curve
SHOWN = 32  # frames of a preview
SIDE = 256  # pixels of it


class Narrator:
    """Tells the queue of one attempt what happens; of what comes too often, some."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._said, self._shown, self._began = dict[str, float](), dict[str, float](), dict[str, tuple[float, float]]()
        self._losses: dict[str, float] = {}
        self._previews: dict[str, deque[tuple[float, str, Path]]] = {}
        self._count, self._staged = 0, False

    def tell(self, event: Event) -> None:
        """One event."""
        if isinstance(event, SegmentStep):
            self._preview(event)
            if not self._staged:
                self._progress(event.what.partition(",")[0], event.what, event.done, event.total, None)
        elif isinstance(event, Progressed):
            self._staged = True
            self._progress(event.stage, event.what, event.step, event.steps, event.done)
        elif isinstance(event, TrainingStep):
            self._loss(event.stage, event.step, float(event.done), event.loss)
            self._progress(event.stage, event.what, event.step, None, float(event.done))
        elif isinstance(event, Stepped):
            done = float(event.done) / event.total if event.total else None
            self._progress(event.what.partition(",")[0], event.what, event.done, event.total, done)
        elif isinstance(event, Note):
            self._work.queue.say(self._work.job, "note", {"text": self._work.place.public(event.text)})
            if isinstance(event, HeldOutLoss):
                point = LossPoint(
                    stage=event.stage,
                    step=event.step,
                    done=self._losses.get(event.stage, 0.0),
                    loss=_finite(event.loss),
                    held_out=True,
                )
                self._work.queue.say(self._work.job, "loss", point.model_dump())
        elif isinstance(event, Shown):
            self._work.queue.add(self._work.job, event.file)

    def _progress(self, stage: str, what: str, step: float, steps: float | None, done: float | None) -> None:
        now = time.monotonic()
        last = done is not None and done >= 1
        if now - self._said.get(stage, 0.0) < OFTEN and not last:
            return
        self._said[stage] = now
        began, at = self._began.setdefault(stage, (now, done or 0.0))
        if done is not None and done < at:  # the next clip of several
            self._began[stage] = began, at = now, done
        eta = (now - began) * (1 - done) / (done - at) if done is not None and done > at else None
        told = Progress(stage=stage, what=what, step=step, steps=steps, done=done, eta=eta)
        self._work.queue.say(self._work.job, "progress", told.model_dump(), "")

    def _loss(self, stage: str, step: int, done: float, loss: float) -> None:
        if done - self._losses.get(stage, -1.0) >= LOSSES or done >= 1:
            self._losses[stage] = done
            point = LossPoint(stage=stage, step=step, done=done, loss=_finite(loss))
            self._work.queue.say(self._work.job, "loss", point.model_dump())

    def _preview(self, event: SegmentStep) -> None:
        if event.stage is None or event.step is None or not _is_picture(event):
            return
        name, now, last = event.stage.name, time.monotonic(), event.video is not None
        if now - self._shown.get(name, 0.0) < PREVIEWS and not last:
            return
        self._count += 1
        path = self._work.folder / f"preview-{name}-{self._count}.webp"
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = _small(event.step.x0)
        draw(frames, path, event.stage.config.shape.fps)
        stored = self._work.stored(path, kind=PREVIEW)
        about = Preview(
            stage=name,
            step=event.step.index + 1,
            steps=event.step.total,
            url=f"/api/files/{stored.id}",
            width=frames[0].width,
            height=frames[0].height,
            frames=len(frames),
        )
        kept = self._previews.setdefault(name, deque())
        kept.append((now, stored.id, path))
        _, old, gone = kept.popleft() if now - kept[0][0] > STAYS else (now, None, None)
        self._work.queue.show(self._work.job, name, stored, about.model_dump(), old)
        if gone:
            gone.unlink(missing_ok=True)
        self._shown[name] = time.monotonic()


def draw(frames: list[Image.Image], path: Path, fps: float) -> None:
    """An animated WebP."""
    gap = max(20, round(1000 / fps))
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=gap, loop=0, quality=75, method=0)


def _small(video: Video) -> list[Image.Image]:
    pixels = to_frames(torch.nan_to_num(video[:1].float()))[:SHOWN, ..., :3]
    return list(_pictures(pixels[..., 0] if pixels.shape[-1] < 3 else pixels))


def _pictures(pixels: Any) -> Iterator[Image.Image]:
    for frame in pixels:
        picture = Image.fromarray(frame)
        if max(picture.size) > SIDE:
            picture.thumbnail((SIDE, SIDE))
        yield picture


def _is_picture(event: SegmentStep) -> bool:
    """Whether what a step believes in is pixels: in the midst of a latent stage it is latents."""
    assert event.stage is not None
    return event.stage.codec.autoencoder is None or event.video is not None


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None
