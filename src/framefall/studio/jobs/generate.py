"""Clips of a prompt, with their scores where these are asked for."""

from framefall.progress import Events
from framefall.runs.evaluation.evaluate import assess
from framefall.studio.answers import GenerateResult
from framefall.studio.jobs.clips import judged, made, scores
from framefall.studio.jobs.work import Work
from framefall.studio.schemas import Generate


def run(asked: Generate, work: Work) -> Events[GenerateResult]:
    """Makes the clips."""
    clips = yield from made(work, asked, asked.seed, asked.count)
    rows, found = [], {}
    if asked.report:
        assessment = yield from assess.inside(work.folder / "clips")
        rows, found = assessment.rows, {one.name: one for one in assessment.clips}
    if asked.report or asked.tracks:
        for number, clip in enumerate(clips):
            path = work.folder / "clips" / clip.name
            one = found.get(clip.name)
            known = None if one is None else one.tracks
            clips[number] = judged(work, clip, path, one, known, tracks=asked.tracks, sheet=asked.report)
    return GenerateResult(clips=clips, scores=scores(rows))
