"""Few-step distillation of a trained model's stage: from a model and clips to a model that needs few calls."""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from framefall import publish, ranks
from framefall.cascade.alone import alone
from framefall.cascade.cascade import Cascade
from framefall.cascade.saved import checkpoint
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import Sampling
from framefall.config import override, to_json
from framefall.data.clip import Clip
from framefall.data.folder import Folder, FolderConfig
from framefall.data.loader import Source
from framefall.models.experts import TELLABLE, retold
from framefall.noise import Key
from framefall.progress import Event, Events, Note, operation
from framefall.recipes.registry import RECIPES
from framefall.runs.sources import open_source
from framefall.runs.training import preflight
from framefall.runs.training.strips import draw_strips
from framefall.train import objective
from framefall.train.distillation import LOSSES, converted, student
from framefall.train.held_out import held_out
from framefall.train.loop import Budget, TrainingStep, train_stage
from framefall.train.recipe import FEW, Distillation, Recipe, StageRecipe
from framefall.video import Video

METHODS = tuple(LOSSES)
STEPS = 1500  # when neither steps nor minutes are given
# learning rates, as a share of training's: the student begins as its teacher, which higher ones undo (docs/log.md)
MUON, ADAM = 0.05, 0.1
LOOKED_AT = 8  # clips that student and teacher are compared on at the end


@dataclass(frozen=True, kw_only=True)
class Distilled:
    """What distilling has made, and how near few steps of it come to the teacher's many."""

    model: str  # the folder of the cascade; logs, checkpoints and strips of samples lie in MODEL.training
    stage: str
    method: str
    steps: int = 0  # of training, over all sessions and rounds
    # by the number of sampling steps: RMS distance, in -1..1, from the teacher's own many-step samples of the same
    # noise and captions; of the student, and of the teacher at so few steps
    distances: dict[int, tuple[float, float]] = field(default_factory=dict)

    def said(self) -> str:
        """The whole in a sentence."""
        lines = [f"{steps} steps {mine:.3f} ({theirs:.3f})" for steps, (mine, theirs) in self.distances.items()]
        near = "; distance from many steps of the teacher (of so few of the teacher): " + ", ".join(lines)
        return f"{self.model} makes its {self.stage} in few steps" + (near if lines else "")


@operation
def distill(
    model: str | Path,
    output: str | Path,
    source: str | Path | Folder | Source | None = None,
    *,
    method: str = "flow_map",
    stage: str = "base",
    steps: int | None = None,
    minutes: float | None = None,
    resume: bool = False,
    settings: Sequence[str] = (),
    device: str | torch.device = "cpu",
) -> Events[Distilled]:
    """Distils a stage of a trained model and publishes the whole model at `output`.

    `flow_map` makes weights that are good at 1, 2, 4, ... 32 steps and take the guidance scale as an input;
    `progressive` (Salimans and Ho 2022) halves the steps in rounds down to a fixed number. `source` is what to learn
    on, by default the world that the model was trained on. `settings` change the recipe, as `--set` does:
    `batch=8`, `distillation.ramp_steps=100`, `data.looks=1`. What a run needs to go on lies in
    `OUTPUT.training/STAGE`.
    """
    output, cascade = Path(output), alone(load_cascade(model, device))
    if output.exists() and output.resolve() == checkpoint.find(model).resolve():
        raise ValueError(f"{output} is the model that is to be distilled; choose another name for what becomes of it")
    recipe = recipe_for(cascade, stage, method, settings)
    teacher, part = cascade.stage(stage), recipe.stages[stage]
    assert part.distillation is not None
    every = rounds(part)
    own_minutes = None if minutes is None else minutes / len(every)
    budget = Budget(steps=STEPS if steps is None and minutes is None else steps, minutes=own_minutes)
    source = source_of(cascade, stage) if source is None else source
    runs = output.with_name(output.name + ".training")
    preflight.check_places(output, runs, source)
    with preflight.one_writer(output, runs, [stage]):
        preflight.check_free(output, runs, [stage], resume, ["", *(folder for folder, _ in every)])
        preflight.check_space(recipe, [stage], runs)
        if isinstance(source, str | Path):
            source = yield from open_source.inside(source, recipe.data)
        training = source.split("train")
        yield from map(Note, preflight.check_source(recipe, [stage], training))
        recipe, mirroring = preflight.unmirrored(recipe, [stage], training, runs)
        yield from map(Note, mirroring)
        part = recipe.stages[stage]
        assert part.distillation is not None
        every = rounds(part)
        done, first = 0, teacher
        for folder, own in every:
            made, run_folder = None, runs / stage / folder
            for event in _round(first, recipe, own, training, budget, run_folder):
                if isinstance(event, Stage):
                    made = event
                    continue
                if isinstance(event, TrainingStep):
                    done = max(done, event.step)
                yield event
            assert made is not None
            first = made
        if ranks.rank() == 0:
            _publish(cascade, model, first, part.distillation, recipe, output)
            yield Note("comparing few steps of the student with many of the teacher")
        ranks.barrier()
        distances = compared(teacher, first, part, held_out(source, part, recipe.seed, LOOKED_AT).clips, recipe.seed)
        return Distilled(model=str(output), stage=stage, method=method, steps=done, distances=distances)


def recipe_for(cascade: Cascade, stage: str, method: str = "flow_map", settings: Sequence[str] = ()) -> Recipe:
    """How a stage of a model is distilled: on examples as of the recipe whose network it has, at lower rates.

    Raises `ValueError` for an unknown stage or method, and for a network that cannot be distilled so.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}")
    teacher = cascade.stage(stage)
    own, data = examples_of(cascade, stage)
    sampling = teacher.config.best
    distillation = Distillation(
        method="flow_map" if method == "flow_map" else "progressive",
        teacher=digest(teacher),
        sampling=sampling,
        steps=32 if method == "flow_map" else FEW,
    )
    optim = replace(
        own.optim,
        muon_lr=MUON * own.optim.muon_lr,
        adam_lr=ADAM * own.optim.adam_lr,
        warmup_steps=20,
        cooldown=0.3,
    )
    part = replace(own, stage=teacher.config, image_share=0.0, optim=optim, distillation=distillation)
    plain = Recipe(name=f"{method}-{cascade.config.name}", stages={stage: part}, data=data)
    known = ("data.", "seed=", "workers=", "save_", "strip_", "keep=", "compile=", "weights=", "stages.")
    full = [one if one.startswith(known) else f"stages.{stage}.{one}" for one in settings]
    changed: Recipe = override(plain, full)
    part = changed.stages[stage]
    assert part.distillation is not None
    part = replace(part, stage=student(teacher.config, part.distillation))
    return replace(changed, stages={stage: part})


def examples_of(cascade: Cascade, stage: str) -> tuple[StageRecipe, FolderConfig]:
    """How a stage's examples are made and its clips read: as in the first recipe, or that of the model's name, whose
    stage has this network, distilled or not; of no recipe's, at the model's own size and rate.
    """
    config, last = cascade.stage(stage).config, cascade.stages[-1].config.shape
    network = config.backbone
    taught = retold(network, flow_map=False, baked_guidance=None) if isinstance(network, TELLABLE) else network
    for name in sorted(RECIPES, key=lambda name: name != cascade.config.name):
        recipe = RECIPES[name]()
        if stage in recipe.stages and recipe.stages[stage].stage.backbone in (network, taught):
            return recipe.stages[stage], recipe.data
    return StageRecipe(stage=config, flip=False), FolderConfig(size=last.height, fps=last.fps)


def source_of(cascade: Cascade, stage: str = "base") -> str:
    """The world that a stage was trained on, as `framefall train` takes it; a `ValueError` where it was none.

    The model's card says it of each stage; where there is none, what is said of the whole model counts.
    """
    part = cascade.card.stages.get(stage) if cascade.card is not None else None
    sources = part.sources if part is not None and part.sources else cascade.config.trained_on
    found = [re.fullmatch(r"worlds:([a-z_,]+)(?:/train/|:)(\w+)(@\d+)?(?:, .*)?", one) for one in sources]
    worlds = [one for one in found if one is not None]
    rest = {(one[2], one[3] or "") for one in worlds}
    if not worlds or len(worlds) < len(found) or len(rest) > 1:
        on = "; ".join(sources) or "nothing that it says"
        raise ValueError(f"a source of clips must be given, {cascade.config.name} was trained on {on}; --source CLIPS")
    ((size, version),) = rest
    names = dict.fromkeys(name for one in worlds for name in one[1].split(","))
    return f"{'all' if 'all' in names else ','.join(names)}:{size}{version}"


def rounds(part: StageRecipe) -> list[tuple[str, StageRecipe]]:
    """The folder and the recipe of each training in a row: one, or one for each time that the steps are halved."""
    settings = part.distillation
    assert settings is not None
    if settings.method == "flow_map":
        return [("", part)]
    counts = [settings.steps * 2**more for more in reversed(range(settings.rounds))]
    return [(f"{count}-steps", replace(part, distillation=replace(settings, steps=count))) for count in counts]


def compared(
    teacher: Stage,
    made: Stage,
    part: StageRecipe,
    clips: Sequence[Clip],
    seed: int,
) -> dict[int, tuple[float, float]]:
    """`Distilled.distances` on some clips' captions."""
    settings = part.distillation
    assert settings is not None
    steps = (1, 2, 4, 8) if settings.method == "flow_map" else (settings.steps,)
    usual, few = replace(settings.sampling, sampler="euler"), made.config.fast
    target = _samples(teacher, clips, seed, replace(usual, steps=32))
    found = {}
    for count in steps:
        pairs = (made, replace(few, steps=count)), (teacher, replace(usual, steps=count))
        mine, theirs = (float((_samples(one[0], clips, seed, one[1]) - target).square().mean().sqrt()) for one in pairs)
        found[count] = mine, theirs
    return found


def _samples(stage: Stage, clips: Sequence[Clip], seed: int, sampling: Sampling) -> Video:
    """What a stage makes of the clips' captions, and of the stage below's view of them."""
    video, low = stage.task.example(objective.stack(clips, stage.device))
    rates = torch.tensor([clip.fps for clip in clips])
    condition = stage.condition([clip.caption for clip in clips], frames=video.shape[2], fps=rates)
    keys, size = [Key(seed, "distilled", clip.key) for clip in clips], (video.shape[-2], video.shape[-1])
    *_, last = stage.sample(condition, low, size, range(video.shape[2]), keys, sampling)
    return last.x.float()


def _round(
    teacher: Stage, recipe: Recipe, part: StageRecipe, source: Folder | Source, budget: Budget, run_folder: Path
) -> Iterator[Event | Stage]:
    """One training, up to its end; the student comes last."""
    recipe = replace(recipe, stages={teacher.name: part})
    made = converted(teacher, part, recipe.seed)
    if ranks.rank() == 0:
        run_folder.mkdir(parents=True, exist_ok=True)
        publish.sweep(run_folder)
        with publish.file(run_folder / "recipe.json") as partial:
            partial.write_text(to_json(recipe))
    teacher.backbone.requires_grad_(False)
    strip = _strip(recipe, source, run_folder)
    assert part.distillation is not None
    loss = LOSSES[part.distillation.method](teacher)
    yield from train_stage(made, recipe, source, budget, run_folder, strip=strip, loss=loss)
    yield made


def _strip(recipe: Recipe, source: Folder | Source, run_folder: Path) -> Callable[[Stage, int], None]:
    def strip(stage: Stage, step: int) -> None:
        path = run_folder / "samples" / f"{step:08d}.png"
        draw_strips(stage, recipe.stages[stage.name], source, path, recipe.seed, step)

    return strip


def _publish(
    cascade: Cascade, model: str | Path, made: Stage, settings: Distillation, recipe: Recipe, output: Path
) -> None:
    """The model with the distilled stage in place of its own; the others keep their files to the byte."""
    config = replace(
        cascade.config,
        name=output.name,
        distilled_from=f"{cascade.config.name} ({made.name} by {settings.method}, weights {settings.teacher[:12]})",
    )
    dtype = torch.bfloat16 if recipe.weights == "bfloat16" else torch.float32
    checkpoint.with_stage(output, made.name, made, config, dtype, start=model)


def digest(stage: Stage) -> str:
    """SHA-256 of a stage's weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(stage.backbone.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
