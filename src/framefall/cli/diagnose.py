"""`framefall diagnose`: questions about a model's stages, copies, likelihood, and the metrics themselves."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from framefall.cli.console import watched
from framefall.cli.options import Device, Json, Quality, Seed, device_of

if TYPE_CHECKING:
    from framefall.runs.evaluation.diagnose import Answer

diagnose = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=False,
    help="Ask what is wrong: which stage is to blame, what was copied, what a model expects, what metrics to trust.\n\n"
    "Each answers with a table, or with one JSON object by --json, and has its own --help.",
    epilog="Example: framefall diagnose stages my_model my_clips --json",
)

Count = Annotated[int, typer.Option(min=1, help="Pieces of the clips.")]
TheModel = Annotated[str, typer.Argument(metavar="MODEL", help="A shipped model's name, or a trained one's folder.")]


@diagnose.command()
def stages(
    model: TheModel,
    clips: Annotated[Path, typer.Argument(metavar="CLIPS", help="A folder of real videos.")],
    only: Annotated[
        Literal["superres", "blame"] | None, typer.Option(help="One of the two questions alone [default: both].")
    ] = None,
    count: Count = 16,
    quality: Quality = "fast",
    seed: Seed = 0,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Which stage of a model is to blame for which fault?

    superres: real clips are made small and few and given to the super-resolution stages; PSNR and SSIM beside those of
    linear blending and bicubic, the gain paired clip by clip.

    blame: each stage is given real video, and then what the stage below made. What it adds to its input (flicker,
    jitter, blur, grain, drift, leaps, broken laws) is compared with what a perfect stage adds; who adds more than 98%
    of harmless changes is named, by itself or on generated input only.

    \b
    Examples:
      framefall diagnose stages my_model my_clips
      framefall diagnose stages my_model my_clips --only superres --count 24 --json
    """
    from framefall.cascade.saved.checkpoint import load_cascade
    from framefall.data.folder import FolderConfig, open_folder
    from framefall.runs.evaluation.diagnose import blame, superres

    if clips.is_file():
        raise ValueError(f"the clips must be a folder, got the file {clips}; give its folder")
    cascade = load_cascade(model, device_of(device))
    folder = open_folder(clips, FolderConfig())
    asked = {"superres": superres, "blame": blame}
    answers = {
        name: watched(work.events(cascade, folder, count, seed, quality))
        for name, work in asked.items()
        if only in (None, name)
    }
    facts = {"model": model, "clips": str(clips), "quality": quality, "seed": seed}
    values = {name: one.values for name, one in answers.items()}
    _tell(facts | values, "\n".join(one.text for one in answers.values()), json)


@diagnose.command()
def copies(
    clips: Annotated[Path, typer.Argument(metavar="CLIPS", help="A folder of generated videos.")],
    training: Annotated[Path, typer.Option(metavar="CLIPS", help="The videos that the model was trained on.")],
    held_out: Annotated[
        Path, typer.Option(metavar="CLIPS", help="Real videos it never saw: they say how near is too near.")
    ],
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Are clips copies of training clips?

    Each clip's distance to the nearest training clip, by what is in it and by how it moves, beside that of held-out
    clips; a clip nearer than 95% of those is named with its twin. Mirrored copies count. And the reverse: how much of
    the training and held-out clips does the model reach?

    \b
    Example:
      framefall diagnose copies generated --training my_clips --held-out other_clips
    """
    from framefall.runs.evaluation.diagnose import copies as find

    answer = watched(find.events(clips, training, held_out, seed))
    facts = {"clips": str(clips), "training": str(training), "held_out": str(held_out), "seed": seed}
    _answer(facts, answer, json)


@diagnose.command()
def likelihood(
    model: TheModel,
    stage: Annotated[str, typer.Option(metavar="STAGE", help="The stage that is asked [default: the first].")] = "",
    count: Annotated[int, typer.Option(min=1, help="Pairs of each violation and scenario.")] = 12,
    seed: Seed = 0,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Does a model expect what physics allows?

    Simulated clips and their twins that break one law, matched so that nothing but physics tells them apart: a model
    that understands them finds the valid one easier to denoise. 0% preferred the broken one: it always knows; 50%: it
    does not. Kinds of pairs that foreground alone tells apart are rejected, with the reason.

    \b
    Example:
      framefall diagnose likelihood my_world_model --count 24
    """
    from framefall.cascade.saved.checkpoint import load_cascade
    from framefall.runs.evaluation.diagnose import likelihood as ask

    answer = watched(ask.events(load_cascade(model, device_of(device)), count, seed, stage))
    _answer({"model": model, "seed": seed}, answer, json)


@diagnose.command()
def metrics(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="One video of at least 144 frames.")],
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Which metrics can be trusted on your footage?

    Cuts the clip into segments of a second, damages each in known ways (frames shuffled, frozen, flickering, ...) and
    changes each in ways that nobody would call damage. A metric is trusted for the damage that it sees, if it keeps
    quiet about the rest.

    \b
    Example:
      framefall diagnose metrics street.mp4
    """
    from framefall.runs.evaluation.diagnose import metrics as ask

    _answer({"clip": str(clip), "seed": seed}, watched(ask.events(clip, seed)), json)


def _answer(facts: dict[str, Any], answer: "Answer", json: bool) -> None:
    _tell(facts | answer.values, answer.text, json)


def _tell(values: dict[str, Any], text: str, json: bool) -> None:
    from framefall.jsonable import json_text

    print(json_text(values) if json else text, end="")
