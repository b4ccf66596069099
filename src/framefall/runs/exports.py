"""A cascade's networks as files that run without Framefall: ONNX, OpenVINO or torch.export, stage by stage."""

import importlib.util
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from framefall import outputs
from framefall.cascade.cascade import Cascade
from framefall.cascade.saved.checkpoint import find, load_cascade
from framefall.cascade.saved.graphs import FORMATS, TOLERANCE, Example, Format, Run, example, program, walked
from framefall.cascade.stage import Stage
from framefall.models.engine import tensors_of
from framefall.models.experts import ExpertsConfig
from framefall.outputs import FolderKind
from framefall.progress import Events, Note, Stepped, operation
from framefall.video import Video

ABOUT = "export.json"
EXPORT = FolderKind("an export", needs=ABOUT)
TURNS = 3  # calls of each network, of which the fastest counts


@dataclass(frozen=True, kw_only=True)
class ExportedStage:
    """A stage's file, and how near and how fast its network is."""

    file: str
    inputs: list[str]  # by their names in `Condition`, beside x_t and t
    free_sizes: bool  # whether any number of frames and any size goes in; any number of clips does
    distance: float  # the largest difference of x0 from ours, of two clips
    ours_ms: float  # a call of one clip, in float32, the fastest of some
    theirs_ms: float


@dataclass(frozen=True, kw_only=True)
class Export:
    """A folder of exported networks."""

    folder: str
    format: str
    stages: dict[str, ExportedStage]


@operation
def export(
    model: str | Path | Cascade,
    output: str | Path,
    format: str = "onnx",
    *,
    prompt: str | None = None,
    overwrite: bool = False,
) -> Events[Export]:
    """Publishes a folder with a file for each stage, `export.json`, and a walk of each stage to try it on.

    `STAGE.npz` has the inputs of a walk of the stage (the states of the prompt's tokens, what the stage is shown of the
    one below) and where ours ends. A network further than `TOLERANCE` from ours is not published. Raises `ValueError`
    for an unknown format, or one whose packages are not installed.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}; got {format!r}")
    form = FORMATS[format]
    if missing := [name for name in form.packages if importlib.util.find_spec(name) is None]:
        raise ValueError(f"--format {format} needs {', '.join(missing)}: pip install 'framefall[export]'")
    read = [] if isinstance(model, Cascade) else [find(model)]
    place = outputs.folder(output, EXPORT, overwrite=overwrite, sources=read)
    cascade = model if isinstance(model, Cascade) else load_cascade(model)
    stages: dict[str, ExportedStage] = {}
    described: dict[str, object] = {}
    with place.writing() as partial:
        below: Video = torch.zeros(1, cascade.stages[0].config.shape.channels, 1, 8, 8)
        for done, stage in enumerate(cascade.stages):
            yield Stepped(done, len(cascade.stages), f"{stage.name} as {format}")
            tried = example(stage, below, prompt)
            file = f"{stage.name}.{form.suffix}"
            names = ("x_t", "t", *tensors_of(tried.condition))
            run, distance, reason = _written(stage, tried, form, names, partial / file)
            if reason:
                yield Note(f"{stage.name} takes clips of {tuple(tried.start.shape[2:])} alone ({reason})")
            if not distance <= TOLERANCE:
                raise RuntimeError(
                    f"{stage.name} as {format} differs from ours by {distance:.2g}, and at most {TOLERANCE:g} is"
                    " allowed: nothing is published; try another format"
                )
            clip = walked(stage, tried)
            np.savez(partial / f"{stage.name}.npz", allow_pickle=False, **{**tried.arrays(), "clip": clip.numpy()})
            ours, theirs = _timed(stage, tried, run)
            stages[stage.name] = ExportedStage(
                file=file,
                inputs=list(names[2:]),
                free_sizes=not reason,
                distance=distance,
                ours_ms=ours,
                theirs_ms=theirs,
            )
            described[stage.name] = {**asdict(stages[stage.name]), **_described(stage, tried)}
            below = clip if stage.config.latent is None else below  # latents are no pixels
        (partial / ABOUT).write_text(json.dumps({"format": format, "prompt": prompt, "stages": described}, indent=1))
    return Export(folder=str(output), format=format, stages=stages)


def _written(stage: Stage, tried: Example, form: Format, names: tuple[str, ...], path: Path) -> tuple[Run, float, str]:
    """A stage's network as its runtime loads it, how far it is from ours, and why its sizes are fixed, if they are."""

    def made(free: bool) -> tuple[Run, float]:
        form.write(program(stage, tried, free=free), names, path)
        run = form.load(path, names)
        return run, _distance(stage, tried, run)

    reason = "a graph of two experts is made for one size"  # of others torch proves nothing, after minutes of trying
    if not isinstance(stage.config.backbone, ExpertsConfig):
        try:
            return *made(free=True), ""
        except Exception as error:  # of another's compiler, to which sizes that are fixed are easier
            reason = str(error).strip().partition("\n")[0][:160] or type(error).__name__
    return *made(free=False), reason


def _described(stage: Stage, tried: Example) -> dict[str, object]:
    """What a runner must know: the kind of stage, its rate, and the walk with its noise levels."""
    alpha, sigma = (scale.tolist() for scale in stage.process.scales(tried.times.double()))
    return {
        "kind": stage.task.kind,
        "fps": stage.config.shape.fps,
        "latents": stage.config.latent is not None,
        "times": tried.times.tolist(),
        "alpha": alpha,
        "sigma": sigma,
        "time_a_frame": tried.frames_have_times,
    }


def _distance(stage: Stage, tried: Example, run: Run) -> float:
    """The largest difference of x0 at two clips that the graph was not made with."""
    told = tried.at(0)
    arrays = {name: one.numpy() for name, one in tensors_of(told).items()}
    worst = 0.0
    for time_, scale in ((0.9, 0.8), (0.4, -0.5)):
        x_t = (tried.start * scale).flip(-1).contiguous()
        t = tried.t(time_)
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            ours = stage.x0(x_t, t, told).numpy()
        theirs = run({"x_t": x_t.numpy(), "t": t.numpy(), **arrays})
        worst = max(worst, float(np.abs(ours - theirs).max())) if np.isfinite(theirs).all() else float("inf")
    return worst


def _timed(stage: Stage, tried: Example, run: Run) -> tuple[float, float]:
    """Milliseconds of a call of ours and of theirs, in turns."""
    told, t = tried.at(0), tried.t(0.5)
    given = {**tried.arrays(), "t": t.numpy()}

    def ours() -> None:
        with torch.no_grad():
            stage.x0(tried.start, t, told)

    jobs: list[Callable[[], object]] = [ours, lambda: run(given)]
    best = [float("inf")] * 2
    for _ in range(TURNS):
        for index, job in enumerate(jobs):
            began = time.perf_counter()
            job()
            best[index] = min(best[index], 1000 * (time.perf_counter() - began))
    return best[0], best[1]
