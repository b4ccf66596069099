"""`framefall train`: a cascade on a folder of videos, or on a simulated world."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from framefall.cli.console import say, watched
from framefall.cli.options import Device, Json, device_of

if TYPE_CHECKING:
    from framefall.runs.training.train import Trained


def train(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder of videos and captions; shards, tables, a URL (docs/sources.md); a world: all, fall, ..."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="MODEL", help="The folder of the trained cascade.")],
    recipe: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="nano, pico, gen1_pico, worlds, micro; vdm, imagen_video, sora_like, gen1_like."
        ),
    ] = "nano",
    stage: Annotated[str, typer.Option(metavar="NAME|all", help="The stage to train.")] = "all",
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of each stage.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Minutes in all, shared among the stages.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an earlier run stopped.")] = False,
    init: Annotated[
        str | None, typer.Option(metavar="NAME|FOLDER", help="Start from this model's weights instead of fresh ones.")
    ] = None,
    lora: Annotated[
        int, typer.Option(min=0, metavar="RANK", help="Learn a LoRA beside the weights of --init; MODEL is its folder.")
    ] = 0,
    text: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Let this text encoder read the captions (docs/text.md), and not MiniLM."),
    ] = None,
    together: Annotated[
        str | None,
        typer.Option(
            "--ranks", metavar="STAGE=N,...", help="Under torchrun: stages at the same time, each by so many processes."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: stages.base.batch=8.")
    ] = None,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Train a cascade on a folder of videos, or on a simulated world.

    The stages are trained one after another, and MODEL is published after each. Checkpoints, logs (JSON lines,
    TensorBoard) and strips of samples go to MODEL.training; a run that was stopped or killed goes on with --resume as
    if it had not been. Under torchrun the ranks share every batch, or the stages (docs/many_machines.md). What is
    decoded, drawn and encoded on the way is kept in a cache ($FRAMEFALL_CACHE) of at most 20 GB ($FRAMEFALL_CACHE_GB);
    what `framefall prepare` has made is a source too.

    Before the first step it says what the budget buys, and what to change where that cannot make a picture; after a
    tenth, and at the end, whether it is enough. --set data.holdout=0.1 keeps clips back to measure on.

    \b
    Examples:
      framefall train my_clips -o my_model --minutes 30
      framefall train my_clips -o my_model --minutes 30 --resume
      framefall train my_clips -o mine --recipe worlds --stage base --init worlds --minutes 60
      framefall train my_clips -o my_lora --recipe pico --stage base --init pico --lora 8 --minutes 10
      framefall train projectile,occluder -o physics --recipe worlds --stage base --steps 20000
      framefall train my_clips -o wide --set stages.base.stage.task.buckets=auto --set stages.base.batch=8
    """
    from framefall import ranks
    from framefall.config import override
    from framefall.jsonable import json_text
    from framefall.runs.training.train import named
    from framefall.runs.training.train import train as run

    chosen = override(named(recipe), settings or [])
    shares = _shares(together, stage, json)
    with ranks.joined():
        names = list(shares)[ranks.divide(list(shares.values()))] if shares else stage
        trained = watched(
            run.events(
                source,
                output,
                chosen,
                stages=None if names == "all" else [names],
                steps=steps,
                minutes=minutes,
                resume=resume,
                init=init,
                lora=lora,
                text=text,
                device=device_of(device),
            )
        )
        if ranks.rank() == 0:
            say(f"{trained.said()}; logs, checkpoints and sample strips are in {output}.training")
        if json and ranks.rank() == 0:
            stages = {name: _stage(trained, name) for name in trained.steps}
            skipped = [{"path": path, "reason": reason} for path, reason in trained.skipped.items()]
            found = {"model": trained.model, "stages": stages, "skipped": skipped, "enough": trained.enough}
            print(json_text(found | {"said": trained.said()}), end="")


def _shares(text: str | None, stage: str, json: bool) -> dict[str, int]:
    """How many processes train each stage; nothing where all train one after another."""
    if text is None:
        return {}
    shares = dict(part.partition("=")[::2] for part in text.split(","))
    if len(shares) != text.count(",") + 1 or not all(count.isdigit() for count in shares.values()):
        raise ValueError(f"--ranks must be like base=2,temporal_sr=1,spatial_sr=1, got {text!r}")
    if stage != "all" or json:
        other = "--json" if json else "--stage"
        raise ValueError(f"--ranks says which stages are trained and by whom, got {other} too; leave that out")
    return {name: int(count) for name, count in shares.items()}


def _stage(trained: "Trained", name: str) -> dict[str, Any]:
    """What is known of a stage's training."""
    held_out, verdict = trained.held_out.get(name), trained.verdicts.get(name)
    found = {"steps": trained.steps[name], "loss": trained.losses[name], "held_out_loss": held_out}
    return found | {"trend": trained.trends.get(name), "verdict": verdict}
