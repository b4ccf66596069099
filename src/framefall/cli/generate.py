"""`framefall generate`: new clips from a prompt."""

import json as jsonlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from framefall.cli.console import say, watched
from framefall.cli.options import (
    Context,
    Device,
    Json,
    Memory,
    Model,
    On,
    Out,
    Overwrite,
    Quality,
    Seed,
    device_of,
    guidance_of,
    image_of,
    numbers_of,
    prompts_of,
    size_of,
    was_given,
)
from framefall.weights import DEFAULT, FILMED

if TYPE_CHECKING:
    from framefall.runs.evaluation.clip_report import Beside


def generate(
    context: Context,
    prompt: Annotated[
        str | None, typer.Argument(help="What to show; without it the model makes what it likes.")
    ] = None,
    output: Out = Path("out.mp4"),
    model: Model = DEFAULT,
    prompts: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A clip for each line of a text file; numbered, and listed in OUT.jsonl."),
    ] = None,
    on: On = None,
    base: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help=f"Let a text-to-video pipeline of diffusers make the first clip; --model is by default {FILMED} then.",
        ),
    ] = None,
    lora: Annotated[Path | None, typer.Option(metavar="FOLDER", help="A LoRA that was trained on the model.")] = None,
    text: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The text encoder that the model was trained with (docs/text.md)."),
    ] = None,
    seed: Seed = 0,
    count: Annotated[int, typer.Option(min=1, help="How many clips; they are numbered.")] = 1,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Frames of a clip [default: what the model was made for].")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="The length of a clip instead of its frames.")] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Pixels of a clip, for a model trained with buckets.")
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option(metavar="F[@S]", help="Show this image, at second S (0 by default); give it again for others."),
    ] = None,
    video: Annotated[Path | None, typer.Option(metavar="F", help="A video to go on from, or to change.")] = None,
    extend: Annotated[
        Literal["before", "after", "both"] | None, typer.Option(help="Make what comes before or after --video.")
    ] = None,
    end: Annotated[Path | None, typer.Option(metavar="F", help="A video or image that the clip ends with.")] = None,
    mask: Annotated[
        Path | None, typer.Option(metavar="F", help="Make --video anew where this image or video is white.")
    ] = None,
    strength: Annotated[
        float, typer.Option(help="Below 1: draw --video again, so far away from it (0.3 a little, 0.8 a lot).")
    ] = 1.0,
    structure: Annotated[
        Path | None,
        typer.Option(metavar="F", help="Put things where they are in this video, for a model that is told structure."),
    ] = None,
    structure_kind: Annotated[
        Literal["edges", "mask"] | None,
        typer.Option(help="--structure holds these already: take it as it is."),
    ] = None,
    structure_blur: Annotated[
        int, typer.Option(min=0, max=7, help="How roughly to follow --structure: 0 exactly, 7 hardly.")
    ] = 0,
    content: Annotated[
        Path | None,
        typer.Option(metavar="F", help="Let it look like this image or video, for a model that is told content."),
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Let the clip end where it begins.")] = False,
    prompt_at: Annotated[
        list[str] | None,
        typer.Option(metavar='"S PROMPT"', help='Another prompt from second S on, as "3 it bounces"; repeatable.'),
    ] = None,
    quality: Quality = "fast",
    guidance: Annotated[
        str | None,
        typer.Option(
            metavar="SCALE|NAME=VALUE,...",
            help="How strongly the prompt pulls: 1 not at all beyond the model itself. Or more settings, see above.",
        ),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Stop after this stage.")] = None,
    numbers: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...|F", help="Numbers to condition on, or a file with a line of them for each frame."
        ),
    ] = None,
    save_stages: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep every stage's clip as well.")] = None,
    accelerate: Annotated[
        bool, typer.Option("--accelerate", help="Run the base by OpenVINO, if installed: for many clips.")
    ] = False,
    batch: Annotated[
        int, typer.Option(min=1, help="Clips that are made together: faster with small networks, equal up to rounding.")
    ] = 1,
    candidates: Annotated[
        int,
        typer.Option(min=1, help="Small clips that the base draws for each; the best is made whole, see above."),
    ] = 1,
    like: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Make this generated clip again; other options change what it says."),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Also write a contact sheet (.png) and scores (.json), and print them.")
    ] = False,
    memory: Memory = None,
    overwrite: Overwrite = False,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Make new clips from a prompt.

    The base stage draws a short, small clip from noise; the stages above it make it long, smooth and sharp. The same
    prompt, seed, model and quality make the same file. The file says in its tags that it is generated, and how; --like
    reads these tags and makes the clip again, bit for bit with the same versions on the same machine. What takes long
    says before it begins how long, and how much memory; if it is ended, the same command goes on with a long clip, and
    with what is not there yet of --prompts.

    \b
    Settings of --guidance (1, or off, is none; what is not named stays as the model has it):
      scale=2.5           how strongly the prompt pulls (classifier-free guidance)
      interval=0.1:0.9    diffusion times at which guidance acts
      rescale=0.7         share of the inflated contrast that is given back (costs edges)
      threshold=99.5      dynamic thresholding: this percentile becomes black or white
      oscillate=1:4       a low scale at every second step, after the first 4
      temporal_scale=1.2  frames go together, beyond the model itself
      history_scale=1.3   frames follow from the given ones, beyond the model itself
      structure_scale=1.5 things lie as in --structure, beyond the model itself
      content_scale=1.5   it looks like --content, beyond the model itself
      reconstruction_scale=1  of a model that cannot be told what is known: led to it by a gradient
      weaker=MODEL        away from a weaker model of its kind (autoguidance)
      weaker_scale=1.5    how far

    \b
    Examples:
      framefall generate "a large red ball falls and bounces" -o ball.mp4 --seed 4
      framefall generate "a blue box slides down a ramp" -o box.mp4 --count 4 --quality best
      framefall generate "two large red balls fall" -o two.mp4 --candidates 8
      framefall generate --prompts prompts.txt -o clips/out.mp4
      framefall generate --prompts prompts.txt -o clips/out.mp4 --on ray
      framefall generate "a ball falls" -o after.mp4 --video start.mp4 --extend after --seconds 8
      framefall generate "a ball falls" -o between.mp4 --image a.png --image b.png@2.5
      framefall generate "a green ball swings" -o swing.mp4 --guidance scale=4,threshold=99.5
      framefall generate -o mine.webm --model my_model --seconds 4 --report
      framefall generate "a cup turns" -o cup.mp4 --base my_wan --quality best
      framefall generate "a cup of clay" -o clay.mp4 --model my_gen1 --structure cup.mp4 --content clay.png
      framefall generate --like ball.mp4 -o again.mp4
      framefall generate --like ball.mp4 -o other.mp4 --seed 8
    """
    from framefall.cascade.request import Request
    from framefall.runs.generation.generate import generate as make
    from framefall.runs.generation.generate import numbered
    from framefall.runs.generation.given import Given
    from framefall.runs.generation.remake import remake

    if like is not None and not was_given(context, "output"):
        output = like.with_name(f"{like.stem}-again{like.suffix}")
    if report and output.suffix.lower() in (".npy", ".png", ".nc", ".nc4", ".zarr", ".tif", ".tiff"):
        raise ValueError(f"--report reads the clip back and puts a .png beside it, got {output.name}; try .mp4")
    settings, weaker = guidance_of(guidance)
    asked: dict[str, Any] = {
        "prompt": prompt,
        "seed": seed,
        "count": count,
        "frames": frames,
        "seconds": seconds,
        "size": size_of(size),
        "quality": quality,
        "guidance": settings,
        "until": until,
        "numbers": numbers_of(numbers),
        "strength": strength,
        "loop": loop,
        "prompts_at": prompts_of(prompt_at or []),
    }
    if prompts is not None:
        if weaker is not None:
            raise ValueError(f"--prompts takes no weaker model, got {weaker}; leave one out")
        shared: dict[str, Any] = {"lora": lora, "accelerate": accelerate, "memory": memory, "overwrite": overwrite}
        shared |= {"device": None if device == "auto" else device if on else device_of(device), "on": on}
        _each(context, prompts, asked, output, model, shared, json)
        return
    if on is not None:
        raise ValueError(f"--on {on} shares the clips of --prompts, got no such file; give one, or leave --on out")
    told: dict[str, Any] = {"structure": structure, "structure_blur": structure_blur, "content": content}
    told |= {"structure_kind": structure_kind or ""}
    images = tuple(map(image_of, image or []))
    given = Given(images=images, video=video, extend=extend, end=end, mask=mask, **told)
    how: dict[str, Any] = {
        "text": text,
        "batch": batch,
        "candidates": candidates,
        "weaker": weaker,
        "save_stages": save_stages,
        "device": device_of(device),
    }
    how |= {"memory": memory, "overwrite": overwrite}
    reports: list[Beside] = []
    if report:
        from framefall.runs.evaluation.clip_report import beside
        from framefall.runs.evaluation.clip_report import report as judge

        read = [*given.files, *([] if like is None else [like])]
        reports = beside(numbered(output, count), overwrite=overwrite, sources=read)
    if base is not None:
        from framefall.runs.generation.on_pipeline import generate_on

        named = ["image", "video", "extend", "end", "mask", "structure", "content"]
        named += ["save_stages", "accelerate", "batch", "candidates", "like", "lora", "text"]
        if unfit := next((name for name in named if was_given(context, name)), None):
            option = unfit.replace("_", "-")
            raise ValueError(f"--base takes no --{option}: a pipeline makes a clip of a prompt alone; leave one out")
        if settings is not None and settings.keys() == {"scale"} and weaker is None:
            asked["guidance"] = settings["scale"]
        above = model if was_given(context, "model") else FILMED
        run = generate_on.events(
            Request(**asked), output, base, above, memory=memory, overwrite=overwrite, device=device_of(device)
        )
    elif like is None:
        if strength < 1 and video is None:
            raise ValueError(f"--strength {strength:g} needs a video to begin from, got none; give one with --video")
        run = make.events(Request(**asked), output, model, given=given, accelerate=accelerate, lora=lora, **how)
    else:
        if lora is not None:
            raise ValueError("--lora is for new clips, and --like makes one again; merge it, and name it with --model")
        changes = {name: value for name, value in asked.items() if was_given(context, _OPTIONS.get(name, name))}
        chosen = model if was_given(context, "model") else None
        how["accelerate"] = accelerate if was_given(context, "accelerate") else None
        if how.pop("candidates") > 1:
            raise ValueError("--candidates is for new clips, and --like makes one again; leave one of them out")
        run = remake.events(like, output, chosen, changes=changes, given=None if given.empty else given, **how)
    records, tables = watched(run), []
    for record, into in zip(records, reports, strict=False):
        path = Path(record.path)
        table, values = judge(path, into)
        if not json:
            print(table, end="")
        tables.append(values)
        say(f"contact sheet {path.with_suffix('.png')}, scores {path.with_suffix('.json')}")
    if json:
        made = {"clips": [asdict(record) for record in records]}
        print(jsonlib.dumps(made | ({"reports": tables} if report else {}), indent=2))


def _each(
    context: Context, file: Path, asked: dict[str, Any], output: Path, model: str, how: dict[str, Any], json: bool
) -> None:
    """A clip for each line of a file."""
    from framefall.cascade.request import Request
    from framefall.runs.generation.prompts import generate_each, read_prompts

    if unfit := next((name for name in _ALONE if was_given(context, name)), None):
        what = "prompt beside it" if unfit == "prompt" else f"--{unfit.replace('_', '-')}"
        raise ValueError(f"--prompts takes no {what}: each line is a clip of its own; leave one out")
    request = Request(**asked | {"prompt": read_prompts(file)})
    lines = watched(generate_each.events(request, output, model, **how))
    if json:
        print(jsonlib.dumps({"clips": [asdict(line) for line in lines]}, indent=2))


# what says of one clip how it is made
_ALONE: tuple[str, ...] = (
    "prompt",
    "count",
    "numbers",
    "image",
    "video",
    "extend",
    "end",
    "mask",
    "strength",
    "base",
    "batch",
    "candidates",
    "like",
)
_ALONE += ("save_stages", "report", "structure", "structure_kind", "structure_blur", "content", "text")
_OPTIONS = {"prompts_at": "prompt_at"}  # fields of a request whose options have other names
