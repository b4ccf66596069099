"""`framefall evaluate`: scores of clips."""

from pathlib import Path
from typing import Annotated, Any

import typer

from framefall.cli.console import say, watched
from framefall.cli.options import Device, Quality, Seed, device_of


def evaluate(
    clips: Annotated[Path, typer.Argument(help="A folder of videos, or one video.")],
    reference: Annotated[Path | None, typer.Option(help="Real videos of the same names, to compare with.")] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME|FOLDER", help="Score this model's super-resolution on the clips."),
    ] = None,
    blame: Annotated[
        bool, typer.Option("--blame", help="With --model: what each stage adds, and which one is to blame.")
    ] = False,
    training: Annotated[
        Path | None, typer.Option(metavar="CLIPS", help="With --reference: are the clips copies of these?")
    ] = None,
    rival: Annotated[
        Path | None, typer.Option(metavar="CLIPS", help="Other clips to rank these against, metric by metric.")
    ] = None,
    validate: Annotated[
        bool, typer.Option("--validate", help="Which metrics can be trusted on this one video? Damages it to see.")
    ] = False,
    count: Annotated[int, typer.Option(min=1, help="With --model: how many pieces of the clips to score.")] = 16,
    quality: Quality = "fast",
    seed: Seed = 0,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the scores as JSON; - prints them instead.")
    ] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write a page with plots and clips.")] = None,
    device: Device = "auto",
) -> None:
    """Score clips, or a model's stages on them, with 95% intervals.

    framefall evaluate my_clips --reference real_clips --html report.html
    """
    from framefall.runs import diagnose as diagnosis
    from framefall.runs import evaluate as assessment

    meta: dict[str, Any] = {"clips": str(clips), "seed": seed}
    if html and (model or validate):
        raise ValueError("--html is for scores of clips; leave out --model and --validate, or take --json")
    if validate:
        text, said = diagnosis.validated(watched(diagnosis.validate(str(clips), seed)), meta)
    elif training is not None:
        if reference is None:
            raise ValueError("--training needs --reference: held-out real clips say how near is too near")
        text, said = diagnosis.remembered(clips, training, reference, seed, meta)
    elif model is not None:
        from framefall.cascade.checkpoint import load_cascade
        from framefall.data.folder import FolderConfig, open_folder

        if clips.is_file():
            raise ValueError(f"with --model the clips must be a folder, got the file {clips}; give its folder")
        cascade = load_cascade(model, device_of(device))
        folder, meta = open_folder(clips, FolderConfig()), meta | {"model": model, "quality": quality}
        if blame:
            text, said = diagnosis.blamed(cascade, folder, count, seed, quality, meta)
        else:
            from framefall.evaluate.report.table import table, to_json

            rows = assessment.assess_superres(cascade, folder, clips=count, seed=seed, quality=quality)
            text, said = to_json(rows, meta), table(rows)
    else:
        result = watched(assessment.assessing(clips, reference, workers=2))
        for name, reason in result.skipped:
            say(f"skipped {name}: {reason}")
        other = watched(assessment.assessing(rival, reference, workers=2)) if rival else None
        ranking = diagnosis.ranked(result, other, (clips.name, rival.name)) if rival and other else []
        text, said = diagnosis.scored(result, meta, ranking)
        if html:
            from framefall.runs.pages import write_page

            write_page(result, clips, html, reference, ranking)
            say(f"{html} is a page that needs nothing else")
    print(text if json == Path("-") else said, end="")
    if json and json != Path("-"):
        from framefall import publish

        with publish.file(json) as partial:
            partial.write_text(text)
