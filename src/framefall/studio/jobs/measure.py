"""Scores of uploaded clips, with the frames that they complain of, their tracks, and the report's page."""

import os
from collections.abc import Sequence
from pathlib import Path

from framefall.data.media import decode as decoder
from framefall.evaluate.metrics.suite import protocol
from framefall.jsonable import jsonable
from framefall.progress import Events, Stepped
from framefall.runs.evaluation.evaluate import assess
from framefall.runs.evaluation.pages import PAGE, SCORES, write_report
from framefall.studio.answers import Clip, MeasureResult
from framefall.studio.jobs.clips import judged, scores
from framefall.studio.jobs.work import Work
from framefall.studio.schemas import Measure


def run(asked: Measure, work: Work) -> Events[MeasureResult]:
    """Measures the clips, one at a time."""
    given = _gathered(work, asked.uploads, work.folder / "measured")
    real = _gathered(work, asked.reference, work.folder / "reference") if asked.reference else {}
    reference = work.folder / "reference" if real else None
    found = yield from assess.inside(work.folder / "measured", reference)
    clips, by_name = [], {one.name: one for one in found.clips}
    for number, (name, upload) in enumerate(given.items()):
        if name not in by_name:
            continue
        path = work.folder / "measured" / name
        info = decoder.probe(path)
        clip = Clip(name=name, video=upload, frames=info.frames, fps=info.fps, width=info.width, height=info.height)
        one = by_name[name]
        known = one.tracks if found.ground is None else None  # on common ground they are another picture's
        clips.append(judged(work, clip, path, one, known, tracks=asked.tracks, sheet=False))
        yield Stepped(number + 1, len(given), "looking for what metrics complain of")
    written = {path.name: path for path in write_report(found, work.folder / "measured", work.folder, reference)}
    return MeasureResult(
        clips=clips,
        scores=scores(found.rows),
        skipped=dict(found.skipped),
        distances=[jsonable(one) for one in found.distances],
        protocol=protocol(),
        page=work.output(written[PAGE]),
        json_file=work.output(written[SCORES]),
    )


def _gathered(work: Work, uploads: Sequence[str], folder: Path) -> dict[str, str]:
    """Puts uploads into a folder under names of their own; gives the upload of each name."""
    folder.mkdir(parents=True)
    names: dict[str, str] = {}
    for upload in uploads:
        path = work.upload(upload)
        name = f"{len(names):02d}{path.suffix}"
        os.link(path, folder / name)
        names[name] = upload
    return names
