"""`framefall evaluate`: scores of clips."""

from pathlib import Path
from typing import Annotated

import typer

from framefall.cli.console import say, watched
from framefall.cli.options import Json, On, Overwrite


def evaluate(
    clips: Annotated[Path, typer.Argument(metavar="CLIPS", help="A folder of videos, or one video.")],
    reference: Annotated[
        Path | None,
        typer.Option(metavar="CLIPS", help="Real videos: compared one by one where the names agree, and as sets."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="CLIPS", help="Other clips, to say metric by metric which set is better.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write report.html (plots, clips to look at, failures) and scores.json there."
        ),
    ] = None,
    overwrite: Overwrite = False,
    on: On = None,
    json: Json = False,
) -> None:
    """Score clips: clips in, report out.

    Every metric that needs no model: how much it flickers, moves, stutters and stays itself, and which laws of physics
    its objects break. What cannot be measured on a clip says so. Several clips have 95% intervals; one clip has none.

    With --reference, real videos give what real video scores itself, fidelity clip by clip where two files have one
    name, and from 16 clips on the distances between the sets. Clips that differ in size, rate or length are brought
    down to the smaller, the slower, the shorter, by time, and that is said on stderr.

    \b
    Examples:
      framefall evaluate clip.mp4
      framefall evaluate generated --reference real --report report
      framefall evaluate ours --against theirs --json
      framefall evaluate generated --reference real --on ray

    An ensemble of fields (.nc, .zarr with members) is scored against what came, --reference, by CRPS, spread against
    skill and rank histogram, beside persistence.

    See also: framefall diagnose, for a model's stages, copies of training clips, and which metrics to trust.
    """
    from framefall.data.fields.folder import is_fields
    from framefall.jsonable import json_text
    from framefall.runs.evaluation.evaluate import assess

    facts = {"clips": str(clips), "reference": str(reference) if reference else None}
    if is_fields(clips):
        from framefall.runs.evaluation.forecast import assess_forecasts

        if reference is None or against is not None or report is not None:
            raise ValueError("forecasts of fields are scored against what came: give --reference and nothing else")
        found = watched(assess_forecasts.events(clips, reference))
        print(json_text(found.values(**facts)) if json else str(found), end="")
        return
    written = None
    if report is not None:
        from framefall.runs.evaluation.pages import report_files

        written = report_files(report, overwrite=overwrite, sources=[one for one in (clips, reference, against) if one])
    result = watched(assess.events(clips, reference, against, workers=2, on=on))
    if written is not None:
        from framefall.runs.evaluation.pages import write_report

        for path in write_report(result, clips, written, reference):
            say(f"{path} is written")
    print(json_text(result.values(**facts)) if json else str(result), end="")
