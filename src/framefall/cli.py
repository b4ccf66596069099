"""The command line. It reads arguments, calls `recipes`, and says what happened; heavy imports wait for a command.

Progress goes to stderr, results to stdout. Exit codes: 0 done, 1 failed, 2 bad usage.
"""

import json as jsonlib
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from framefall.console import bar, keep_memory, open_folder, open_source, say, watch, watched

if TYPE_CHECKING:
    from framefall.recipes.generation import Record

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="Framefall: video diffusion cascades. Make clips, train on your own, and measure what comes out.",
)

SHIPPED = "pico"
Model = Annotated[
    str, typer.Option("--model", metavar="NAME|FOLDER", help="A shipped model or a trained one's folder.")
]
Out = Annotated[
    Path, typer.Option("--output", "-o", metavar="OUT", help="Where to: .mp4 .webm .mkv .gif .npy, or a folder of PNG.")
]
Seed = Annotated[int, typer.Option(help="The same seed makes the same video.")]
Quality = Annotated[Literal["fast", "best"], typer.Option(help="Few steps, or more of them.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto.")]


@app.command()
def generate(
    prompt: Annotated[
        str | None, typer.Argument(help="What to show; without it the model makes what it likes.")
    ] = None,
    output: Out = Path("out.mp4"),
    model: Model = SHIPPED,
    seed: Seed = 0,
    count: Annotated[int, typer.Option(min=1, help="How many clips; they are numbered.")] = 1,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Frames of a clip [default: what the model was made for].")
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Pixels of a clip, for a model trained with buckets.")
    ] = None,
    quality: Quality = "best",
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Stop after this stage.")] = None,
    numbers: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Numbers to condition on, for a model trained with some.")
    ] = None,
    save_stages: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep every stage's clip as well.")] = None,
    accelerate: Annotated[
        bool, typer.Option("--accelerate", help="Run the base by OpenVINO, if installed: for many clips.")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Also write a contact sheet (.png) and scores (.json), and print them.")
    ] = False,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Make new clips from a prompt.

    framefall generate "people walk across a square" -o walk.mp4 --seed 7
    """
    from framefall.cascade.checkpoint import load_cascade
    from framefall.recipes import generation

    if report and output.suffix.lower() in (".npy", ".png"):
        raise ValueError(f"--report reads the clip back and puts a .png beside it, got {output.name}; try .mp4")
    cascade = load_cascade(model, _device(device))
    if size:
        cascade = cascade.sized(*_size(size))
    if accelerate:
        cascade = generation.accelerate(cascade)
    records, tables = [], []
    for index, path in enumerate(generation.numbered(output, count)):
        made_with = generation.provenance(model, seed, quality, prompt)
        record = generation.generate(
            cascade,
            prompt,
            path,
            seed=seed,
            clip=str(index),
            frames=frames,
            quality=quality,
            until=until,
            numbers=_numbers(numbers),
            save_stages=save_stages,
            made_with=made_with,
            watch=watch,
        )
        records.append(record)
        say(_made(record))
        if report:
            text, values = generation.report(path)
            if not json:
                print(text, end="")
            tables.append(values)
            say(f"contact sheet {path.with_suffix('.png')}, scores {path.with_suffix('.json')}")
    if json:
        values = {"clips": [vars(record) for record in records]}
        print(jsonlib.dumps(values | ({"reports": tables} if report else {}), indent=2))


@app.command()
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
    from framefall.recipes.training import train_cascade

    known = {**RECIPES, **SYSTEMS}
    if recipe not in known:
        raise ValueError(f"recipe must be one of {', '.join(known)}; got {recipe!r}")
    chosen = override(known[recipe](), settings or [])
    ranks.join()
    clips = open_source(source, chosen.data)
    stages = list(chosen.stages) if stage == "all" else [stage]
    run = train_cascade(
        chosen, clips, output, stages=stages, steps=steps, minutes=minutes, resume=resume, device=_device(device)
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


@app.command()
def upscale(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A video, an image, or a folder of frames.")],
    output: Out,
    space: Annotated[int, typer.Option(min=1, help="Times the height and width.")] = 4,
    time: Annotated[int, typer.Option(min=1, help="Times the frames a second.")] = 4,
    model: Model = SHIPPED,
    seed: Seed = 0,
    quality: Quality = "fast",
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Make a real video longer in frames, sharper in space, or both.

    framefall upscale clip.mp4 -o large.mp4 --time 1
    """
    from framefall.cascade.checkpoint import load_cascade
    from framefall.recipes import generation

    cascade = load_cascade(model, _device(device))
    made_with = generation.provenance(model, seed, quality)
    record = generation.upscale(
        cascade, source, output, space=space, time=time, seed=seed, quality=quality, made_with=made_with, watch=watch
    )
    say(_made(record))
    if json:
        print(jsonlib.dumps(vars(record), indent=2))


@app.command()
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
    from framefall.recipes import assessment, diagnosis

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
        from framefall.data.folder import FolderConfig

        if clips.is_file():
            raise ValueError(f"with --model the clips must be a folder, got the file {clips}; give its folder")
        cascade = load_cascade(model, _device(device))
        folder, meta = open_folder(str(clips), FolderConfig()), meta | {"model": model, "quality": quality}
        if blame:
            text, said = diagnosis.blamed(cascade, folder, count, seed, quality, meta)
        else:
            from framefall.evaluate.report import table, to_json

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
            from framefall.recipes.webreport import write_page

            write_page(result, clips, html, reference, ranking)
            say(f"{html} is a page that needs nothing else")
    print(text if json == Path("-") else said, end="")
    if json and json != Path("-"):
        from framefall import publish

        with publish.file(json) as partial:
            partial.write_text(text)


@app.command()
def worlds(
    scene: Annotated[
        str, typer.Argument(metavar="SCENE", help="A scenario, several joined by commas, all, or a scene's JSON file.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="The folder of clips and truth.")],
    count: Annotated[int, typer.Option(min=1, help="How many clips.")] = 1,
    start: Annotated[int, typer.Option(min=0, help="The first example's number.")] = 0,
    split: Annotated[
        str, typer.Option(help="train, id, ood-near, ood-far, comb or horizon; test is id and ood is ood-near.")
    ] = "train",
    frames: Annotated[
        int | None, typer.Option(min=1, help="Frames of a clip [default: as many as the scene lasts].")
    ] = None,
    size: Annotated[int, typer.Option(help="The height in pixels.")] = 64,
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 24.0,
    seed: Annotated[int, typer.Option(help="Another seed is another world.")] = 0,
    suffix: Annotated[
        str, typer.Option("--format", metavar="SUFFIX", help=".mp4, .mkv (lossless), .webm, .gif or .npy.")
    ] = ".mp4",
    violation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Also each clip's twin that breaks physics so; twins takes one that applies."
        ),
    ] = None,
    masks: Annotated[bool, typer.Option("--masks", help="Also masks, depth order and optical flow (.npz).")] = False,
    json: Json = False,
) -> None:
    """Simulate scenes with known truth: videos, captions, and the state of every body in every frame.

    framefall worlds occluder -o clips --count 8 --split id
    """
    from framefall.recipes.worlds import Look, read_scene, write_scene, write_world
    from framefall.worlds.world import open_world

    look = Look(frames=frames, fps=fps, size=size, suffix=suffix, masks=masks)
    if Path(scene).suffix == ".json":
        run = write_scene(read_scene(scene), output, look)
    else:
        split = {"test": "id", "ood": "ood-near"}.get(split, split)
        world = open_world(scene, split=split, size=max(30_000, start + count), seed=seed)
        run = write_world(world, output, look, count=count, start=start, violation=violation)
    written = []
    with bar(total=count, unit=" clips") as shown:
        for one in run:
            written.append(one)
            shown.update(not one.violation)
    say(f"{output} holds {len(written)} clips" + (f", the first: {written[0].caption}" if written else ""))
    if json:
        print(jsonlib.dumps({"clips": [vars(one) for one in written]}, indent=2))


@app.command()
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
    from framefall.recipes.comparison import Contest, table
    from framefall.recipes.comparison import compare as contend

    names = tuple(name.strip() for name in fusion.split(","))
    contest = Contest(fusions=names, minutes=minutes, equal=equal, size=size, clips=count, seed=seed)
    if output.exists() and any(output.iterdir() if output.is_dir() else [output]):
        raise ValueError(f"{output} is not empty; choose another folder with -o, or remove it")
    clips = open_source(source, FolderConfig(size=max(64, size), fps=24.0))
    answer = watched(contend(clips, contest, output))
    print(jsonlib.dumps(answer, indent=2) if json else table(answer), end="\n" if json else "")
    say(f"{output} has compare.png, samples.png and compare.json")


@app.command()
def bench(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="attention, backbones, engines, limits, presets, render, trackers, ..."),
    ],
    model: Annotated[
        str | None, typer.Option(metavar="NAME|FOLDER", help="The model to measure, where a benchmark measures one.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Clips of each kind.")] = 12,
    seconds: Annotated[float, typer.Option(min=0.1, help="For about how long each thing is timed.")] = 5.0,
    peers: Annotated[
        Path | None, typer.Option(metavar="DIR", help="backbones: where the peers were installed; without, says how.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="PNG", help="attention: also draw patterns and costs.")
    ] = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Measure on this machine, side by side, with the spread of every number.

    framefall bench render --json
    """
    from framefall.recipes.benchmarks import BENCHMARKS, Options, lines

    if name not in BENCHMARKS:
        raise ValueError(f"name must be one of {', '.join(BENCHMARKS)}; got {name!r}")
    result = watched(
        BENCHMARKS[name](Options(seconds=seconds, model=model, clips=count, seed=seed, peers=peers, picture=picture))
    )
    print(jsonlib.dumps(result, indent=2) if json else "\n".join(lines(result)))


@app.command()
def verify(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL|CHECKPOINT", help="The folder of a model or a training checkpoint.")
    ],
    json: Json = False,
) -> None:
    """Check a model or checkpoint: every file's hash, the config's schema, every tensor's shape and numbers."""
    from framefall import publish
    from framefall.cascade import checkpoint

    folder = checkpoint.find(model)
    hashes = publish.verify(folder)
    if (folder / checkpoint.CONFIG).exists():
        cascade = checkpoint.load_cascade(folder)
        sizes = {stage.name: checkpoint.parameters(stage.backbone.parameters()) for stage in cascade.stages}
    else:
        tensors = checkpoint.read_tensors(folder / "tensors.safetensors")
        sizes = {"checkpoint": checkpoint.parameters(tensors.values())}
    if json:
        print(jsonlib.dumps({"folder": str(folder), "files": hashes, "parameters": sizes}, indent=2))
    else:
        for name, digest in sorted(hashes.items()):
            print(f"{digest[:16]}  {name}")
        print("whole: " + ", ".join(f"{name} {size / 1e6:.2f} M parameters" for name, size in sizes.items()))


def main() -> None:
    """Runs the command line; every refusal is one sentence."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    keep_memory()
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except _USAGE as error:
        code = _refuse(error.format_message(), 2)
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except (ValueError, OSError, RuntimeError) as error:
        code = _refuse(str(error) or type(error).__name__, 1)
    if code == 130:
        _refuse("stopped; a training run goes on with --resume", code)
    sys.exit(code or 0)


_USAGE: Any = typer.BadParameter.__mro__[1]  # UsageError: of click, or of the one that newer typers carry inside


def _refuse(sentence: str, code: int) -> int:
    print(f"framefall: {' '.join(sentence.split())}", file=sys.stderr)
    return code


def _numbers(text: str | None) -> list[float] | None:
    try:
        return None if text is None else [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"numbers must be given like 1.5,2 and got {text!r}") from None


def _size(text: str) -> tuple[int, int]:
    """Height and width."""
    width, sign, height = text.partition("x")
    if not (sign and width.isdigit() and height.isdigit()):
        raise ValueError(f"size must be given like 256x144, width first, and got {text!r}")
    return int(height), int(width)


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError):
        raise ValueError(f"device must be one this machine has, got {name!r}; try cpu") from None
    return name


def _made(record: "Record") -> str:
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in record.seconds.items())
    size = f"{record.frames} frames of {record.width}x{record.height} at {record.fps:g} a second"
    return f"{record.path}: {size} ({seconds})"
