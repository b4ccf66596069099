"""Commands that train: a cascade, or several ways to fuse frames side by side."""

import json as jsonlib
import math
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from framefall.cli.console import bar, open_source, say, watched
from framefall.cli.options import Device, Json, Seed, device_of


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


def compare(
    source: Annotated[str, typer.Argument(help="A folder of videos, images and captions; or a world.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where tables and pictures go.")] = Path(
        "comparison"
    ),
    fusion: Annotated[
        str, typer.Option(metavar="LIST", help="per_frame, conv3d, temporal, sparse, joint: some of them.")
    ] = "per_frame,conv3d,temporal,sparse,joint",
    minutes: Annotated[float, typer.Option(min=0.01, help="Minutes of training, of all together.")] = 10.0,
    equal: Annotated[
        Literal["flops", "minutes", "steps"], typer.Option(help="What each way is given the same of.")
    ] = "flops",
    size: Annotated[int, typer.Option(min=8, help="Pixels a side of the clips.")] = 32,
    count: Annotated[int, typer.Option(min=2, help="Held-out clips, and samples of each way.")] = 16,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Train one network with several ways to fuse frames across time, on your clips, and measure them side by side.

    framefall compare my_clips --fusion per_frame,temporal --minutes 20
    """
    from framefall.data.folder import FolderConfig
    from framefall.runs.compare import Contest, table
    from framefall.runs.compare import compare as contend

    names = tuple(name.strip() for name in fusion.split(","))
    contest = Contest(fusions=names, minutes=minutes, equal=equal, size=size, clips=count, seed=seed)
    if output.exists() and any(output.iterdir() if output.is_dir() else [output]):
        raise ValueError(f"{output} is not empty; choose another folder with -o, or remove it")
    clips = open_source(source, FolderConfig(size=max(64, size), fps=24.0))
    answer = watched(contend(clips, contest, output))
    print(jsonlib.dumps(answer, indent=2) if json else table(answer), end="\n" if json else "")
    say(f"{output} has compare.png, samples.png and compare.json")
