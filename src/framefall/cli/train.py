"""`framefall train`: a cascade on a folder of videos, or on a simulated world."""

import json as jsonlib
import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from framefall.cli.console import bar, open_source, say
from framefall.cli.options import Device, Json, device_of


def train(
    source: Annotated[
        str, typer.Argument(help="A folder of videos, images and captions; or a world: fall, occluder, ..., all.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="MODEL", help="The folder of the trained cascade.")],
    recipe: Annotated[
        str, typer.Option(metavar="NAME", help="nano, pico, worlds, micro; vdm, imagen_video, sora_like, gen1_like.")
    ] = "nano",
    stage: Annotated[str, typer.Option(metavar="NAME|all", help="The stage to train.")] = "all",
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of each stage.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Minutes in all, shared among the stages.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an earlier run stopped.")] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: stages.base.batch=8.")
    ] = None,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Train a cascade on a folder of videos, or on a simulated world.

    framefall train my_clips -o my_model --minutes 30

    Checkpoints, logs (JSON lines, TensorBoard) and strips of samples go to MODEL.training.
    """
    from framefall import ranks
    from framefall.config import override
    from framefall.recipes.presets import RECIPES
    from framefall.recipes.systems import SYSTEMS
    from framefall.runs.train import train_cascade

    known = {**RECIPES, **SYSTEMS}
    if recipe not in known:
        raise ValueError(f"recipe must be one of {', '.join(known)}; got {recipe!r}")
    chosen = override(known[recipe](), settings or [])
    ranks.join()
    clips = open_source(source, chosen.data)
    stages = list(chosen.stages) if stage == "all" else [stage]
    run = train_cascade(
        chosen, clips, output, stages=stages, steps=steps, minutes=minutes, resume=resume, device=device_of(device)
    )
    last: dict[str, Any] = {}
    with bar(total=100.0, unit="%") as shown:
        for progress in run:
            shown.set_description(f"{progress.stage} step {progress.step}")
            shown.set_postfix_str(f"loss {progress.loss:.4f}, {progress.rate:.1f} clips/s")
            shown.update(100.0 * progress.progress - shown.n if progress.progress * 100 > shown.n else 0.0)
            if progress.progress >= 1.0:
                shown.reset(total=100.0)
            if progress.note:
                shown.write(progress.note, file=sys.stderr)
            finite = math.isfinite(progress.loss)  # JSON has no word for another number
            last[progress.stage] = {"steps": progress.step, "loss": progress.loss if finite else None}
    say(f"{output} is trained; its logs, checkpoints and sample strips are in {output}.training")
    if json and ranks.rank() == 0:
        report = getattr(clips, "report", None)
        skipped = [vars(one) for one in report.skipped] if report else []
        print(jsonlib.dumps({"model": str(output), "stages": last, "skipped": skipped}, indent=2))
    ranks.leave()
