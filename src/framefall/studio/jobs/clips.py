"""Clips of a model for a job, and what can be said of finished clips."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from framefall.cascade.cascade import Cascade, SegmentStep
from framefall.cascade.lengths import frame_counts
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.data.media.sheet import contact_sheet
from framefall.evaluate.metrics.observed import ObservedClip
from framefall.evaluate.metrics.suite import METRICS, ClipScores, ScoreRow
from framefall.evaluate.report.real_video import real_video
from framefall.jsonable import json_text, jsonable
from framefall.progress import Event, Events
from framefall.runs.evaluation.marks import look
from framefall.runs.generation.generate import Record, generate
from framefall.runs.generation.given import Given
from framefall.studio.answers import Clip, Interval, Mark, Score
from framefall.studio.jobs.work import Progressed, Work
from framefall.studio.schemas import Setting
from framefall.tracking.trajectory import Tracks


def made(work: Work, setting: Setting, seed: int, count: int, side: str = "") -> Events[list[Clip]]:
    """Makes clips into a folder of the job, and lists them, and those of their stages, as outputs."""
    cascade = load_cascade(work.place.model(setting.model), work.device)
    use = setting.use
    request = Request(
        prompt=setting.prompt or None,
        seed=seed,
        count=count,
        frames=setting.frames,
        seconds=setting.seconds,
        quality=setting.quality,
        until=setting.until,
        guidance=setting.guidance,
        strength=use.strength,
        loop=use.loop,
        prompts_at=tuple((one.second, one.prompt or None) for one in use.prompts_at),
    )
    given = Given(
        images=tuple((work.upload(one.upload), one.second) for one in use.images),
        video=work.upload(use.video) if use.video else None,
        extend=use.extend,
        end=work.upload(use.end) if use.end else None,
        mask=work.upload(use.mask) if use.mask else None,
    )
    if use.strength < 1 and use.video is None:
        raise ValueError(f"a strength of {use.strength:g} needs a video to begin from, got none; give one")
    folder = work.folder / "clips" / side
    stages = work.folder / "stages" / side
    run = generate.inside(
        request,
        folder / "clip.mp4",
        cascade,
        given=given,
        candidates=setting.candidates,
        save_stages=stages,
        device=work.device,
    )
    records = yield from _staged(run, cascade, request, side)
    names = [stage.name for stage in cascade.up_to(setting.until)]
    return [_listed(work, record, number, names, stages, seed, side) for number, record in enumerate(records)]


def _listed(work: Work, record: Record, number: int, names: Sequence[str], stages: Path, seed: int, side: str) -> Clip:
    path, about = Path(record.path), {"clip": number} | ({"side": side} if side else {})
    called = f"{side}-{path.name}" if side else path.name
    ids = {}
    for name in names[:-1]:
        part = stages / f"{path.stem}-{name}{path.suffix}"
        ids[name] = work.output(part, f"{Path(called).stem}-{name}{part.suffix}", stage=name, **about)
    video = work.output(path, called, stage=names[-1], **about)
    return Clip(
        name=path.name,
        video=video,
        stages={**ids, names[-1]: video},
        frames=record.frames,
        fps=record.fps,
        width=record.width,
        height=record.height,
        seed=seed,
        seconds=record.seconds,
        unknown="" if record.doubt is None else record.doubt.sentence,
    )


def _staged(run: Events[list[Record]], cascade: Cascade, request: Request, side: str) -> Events[list[Record]]:
    """The events with how much of each stage's frames is done, clip by clip."""
    stages = cascade.up_to(request.until)
    totals = dict(zip((stage.name for stage in stages), frame_counts(stages, request), strict=True))
    clip, begun = 0, False
    while True:
        try:
            event: Event = next(run)
        except StopIteration as end:
            records: list[Record] = end.value
            return records
        yield event
        if not isinstance(event, SegmentStep) or event.stage is None:
            continue
        name, frames = event.stage.name, event.frames
        if name == stages[0].name and frames.start == 0 and event.done == 1:
            clip, begun = clip + begun, True
        total = totals[name] or frames.stop
        done = (frames.start + len(frames) * event.done / (event.total or 1)) / max(total, frames.stop)
        several = f", clip {clip + 1} of {request.count}" if request.count > 1 else ""
        what = f"{side + ': ' if side else ''}frames {frames.start} to {frames.stop - 1} of {total}{several}"
        yield Progressed(name, what, event.done, event.total, min(1.0, done))


def judged(
    work: Work, clip: Clip, path: Path, scores: ClipScores | None, known: Tracks | None, *, tracks: bool, sheet: bool
) -> Clip:
    """The clip with its scores, the frames that they complain of, its tracks and its contact sheet.

    `known` are the clip's tracks, if measuring it has found them.
    """
    looked = look(path, known)
    about: dict[str, Any] = {"clip": int(path.stem.rpartition("-")[2]) if path.stem.rpartition("-")[2].isdigit() else 0}
    found: dict[str, Any] = {"marks": [Mark(**vars(one)) for one in looked.marks]}
    if tracks:
        target = work.folder / "tracks" / f"{path.stem}-tracks.json"
        target.parent.mkdir(exist_ok=True)
        target.write_text(json_text(drawable(looked.clip)))
        found["tracks"] = work.output(target, stage="tracks", **about)
    if sheet:
        target = work.folder / "sheets" / f"{path.stem}.png"
        contact_sheet(looked.frames, target, looked.fps)
        found["sheet"] = work.output(target, stage="sheet", **about)
    if scores is not None:
        found |= {"scores": jsonable(scores.scores), "reasons": scores.reasons}
    return clip.model_copy(update=found)


def drawable(clip: ObservedClip) -> dict[str, Any]:
    """Tracks as a page draws them over the frames: places in pixels of a picture `width` wide, and what happens.

    Of a crowd, or of patches of footage, nothing is said to happen: they hide each other all the time.
    """
    tracks = clip.tracks
    return {
        "width": tracks.width,
        "height": tracks.height,
        "fps": tracks.fps,
        "paths": [
            {"frames": one.frames.tolist(), "places": one.position.round(2).tolist(), "size": one.size}
            for one in tracks.objects
        ],
        "events": [
            {"kind": one.kind, "frame": one.frame, "path": one.track, "explained": one.explained}
            for one in tracks.events
            if one.kind != "contact" and clip.separate
        ],
    }


def scores(rows: Sequence[ScoreRow]) -> list[Score]:
    """Rows of a table as they are answered."""
    return [
        Score(
            metric=row.metric,
            about=METRICS[row.metric].description,
            **jsonable(
                {
                    "value": row.value,
                    "low": row.low if row.n > 1 else None,
                    "high": row.high if row.n > 1 else None,
                    "floor": row.floor,
                    "per_clip": row.per_clip,
                }
            ),
            n=row.n,
            better=row.better,
            unit=row.unit,
            real_video=_typical(row.metric),
        )
        for row in rows
    ]


def _typical(metric: str) -> Interval | None:
    found = real_video().metrics.get(metric)
    return None if found is None else Interval(value=found.value, low=found.low, high=found.high, n=found.n)
