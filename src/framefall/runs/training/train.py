"""A whole training run: from videos, or a world, to a published cascade, stage after stage."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from framefall import publish, ranks
from framefall.cascade.about import card
from framefall.cascade.cascade import Cascade, CascadeConfig
from framefall.cascade.saved import adapters, checkpoint
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.cascade.stage import Stage
from framefall.config import to_json
from framefall.data.fields.folder import FieldFolder, is_fields
from framefall.data.folder import Folder
from framefall.data.loader import Source
from framefall.models.deeper import begun, unlike
from framefall.models.experts import TELLABLE, retold
from framefall.models.tower import TextTower, Tower, open_tower
from framefall.progress import Events, Note, operation
from framefall.recipes.registry import RECIPES
from framefall.runs.sources import open_source
from framefall.runs.training import estimate, knowledge, preflight
from framefall.runs.training.fields import for_fields
from framefall.runs.training.strips import draw_strips
from framefall.train import resume, sharding
from framefall.train.held_out import CLIPS, FEWEST, HeldOutLoss, held_out, measured
from framefall.train.loop import Budget, TrainingStep, identity, initial, train_stage
from framefall.train.outlook import TENTH, Outlook, Verdict, after_a_tenth, reached
from framefall.train.recipe import Recipe, StageRecipe
from framefall.train.reconstruction import train_autoencoder
from framefall.train.trend import Trend


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What training has made, and whether it is enough. What was measured is by stage, of those that did a step."""

    model: str  # the folder of the cascade; logs, checkpoints and strips of samples lie in MODEL.training
    steps: dict[str, int] = field(default_factory=dict)  # by stage, over all sessions
    losses: dict[str, float] = field(default_factory=dict)  # of each stage's last step
    skipped: dict[str, str] = field(default_factory=dict)  # files that could not be used, with the reason
    held_out: dict[str, float] = field(default_factory=dict)  # the held-out loss of the averaged weights at the end
    trends: dict[str, Trend] = field(default_factory=dict)  # of that loss, where the measurements say
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    @property
    def enough(self) -> bool | None:
        """Whether every stage that was trained does what it is for; None where none was."""
        return all(one.enough for one in self.verdicts.values()) if self.verdicts else None

    def said(self) -> str:
        """The whole in a sentence."""
        if not self.verdicts:
            return f"{self.model} had spent its budget before: nothing was trained"
        because = "; ".join(one.because for one in self.verdicts.values())
        if not all(one.kept_back for one in self.verdicts.values()):
            because += " (measured on clips of the training set: none is held out)"
        if self.enough:
            return f"{self.model} is trained: {because}"
        short = [name for name, one in self.verdicts.items() if not one.enough]
        what = "cannot make a picture yet" if "base" in short else f"{' and '.join(short)} will not do yet"
        return f"{self.model} is written, but {what}: {because}"


@operation
def train(
    source: str | Path | Folder | Source,
    output: str | Path,
    recipe: Recipe | str = "nano",
    *,
    stages: Sequence[str] | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    resume: bool = False,
    init: str | Path | Cascade | None = None,
    lora: int = 0,
    text: str | Path | None = None,
    device: str | torch.device = "cpu",
) -> Events[Trained]:
    """Trains the stages one after another and publishes the model at `output` after each.

    `source` is a folder of videos, the name of a world, or one of these opened. `steps` is for each stage; `minutes`
    are shared among the stages by their `share`. What a run needs to go on lies in `MODEL.training/STAGE`:
    checkpoints, log, TensorBoard, strips of samples. A latent stage's autoencoder comes first, in
    `MODEL.training/STAGE/autoencoder`: as many steps, or half of the stage's minutes. `init` is a model, by its name
    or folder, whose stages of the same names and networks the training starts from instead of fresh weights. With
    `lora` above 0 these weights and all settings of these stages stay, a LoRA of that rank is learnt, and `output` is
    its folder (`Cascade.with_lora`). `text` is the folder of a text tower in the place of MiniLM, which the model then
    names.
    """
    model, recipe = Path(output), named(recipe) if isinstance(recipe, str) else recipe
    start = load_cascade(init) if isinstance(init, str | Path) else init
    tower = None if text is None else open_tower(text)
    recipe = _as_in(start, recipe) if lora and start is not None else recipe
    recipe = recipe if tower is None else _told_by(recipe, tower.about)
    names = list(stages or recipe.stages)
    for name in names:
        if name not in recipe.stages:
            raise ValueError(f"a stage must be one of {', '.join(recipe.stages)}; got {name!r}")
    if lora:
        if start is None:
            raise ValueError("--lora adapts a model that there is, and none is given; name it with --init")
        recipe = replace(recipe, stages={**recipe.stages, **{n: replace(recipe.stages[n], lora=lora) for n in names}})
    shares = budgets(recipe, names, steps, minutes)
    runs = model.with_name(model.name + ".training")
    preflight.check_places(model, runs, source, adapters.ADAPTERS if lora else checkpoint.MODEL)
    with preflight.one_writer(model, runs, names):
        if isinstance(source, str | Path) and is_fields(source):
            source = yield from open_source.inside(source, recipe.data)
        if isinstance(source, FieldFolder):
            recipe, source = for_fields(recipe, source, model, init)
        if not lora:
            preflight.check_model(model, recipe, names)
        preflight.check_free(model, runs, names, resume)
        preflight.check_space(recipe, names, runs)
        if start is not None:
            _check_start(start, recipe, names)
        if isinstance(source, str | Path):
            source = yield from open_source.inside(source, recipe.data)
        training = source.split("train")
        recipe, mirroring = preflight.unmirrored(recipe, names, training, runs)
        notes = [*preflight.check_source(recipe, names, training), *mirroring]
        if lora and start is not None:
            notes.append(f"a LoRA: networks and losses are those of {start.config.name}, all else {recipe.name}'s")
        before = preflight.check_runs(runs, recipe, names, training)
        left = [name for name in names if shares[name].progress(before[name]) < 1.0]
        outlooks = {
            name: estimate.outlook(
                name, recipe, training, shares[name], device, before=before[name], started=start is not None
            )
            for name in left
        }
        estimate.check(recipe, outlooks, minutes)
        remedy = estimate.remedies(
            recipe, list(outlooks.values()), training, minutes=minutes, device=device, init=start
        )
        if ranks.rank() == 0:
            yield from map(Note, [*notes, *estimate.said(recipe, outlooks, remedy)] if left else [])
        found = Trained(model=str(model), skipped=_skipped(source))
        for name in names:
            own = outlooks.get(name)
            clips = own.clips if own else before[name].step * recipe.stages[name].batch
            count = min(CLIPS, max(FEWEST, clips))  # measuring must not outdo training
            events = _train_stage(name, recipe, source, model, runs, shares[name], device, start, count, tower)
            with closing(events):  # before anybody else may write here
                yield from _judged(events, found, own, remedy)
        return found


def budgets(recipe: Recipe, names: Sequence[str], steps: int | None, minutes: float | None) -> dict[str, Budget]:
    """Each stage's own: the steps, or its share of the minutes; the other half is its autoencoder's if it has one."""
    total, found = sum(recipe.stages[name].share for name in names), {}
    for name in names:
        part = recipe.stages[name]
        own = None if minutes is None else minutes * part.share / total
        if own is not None and part.stage.latent is not None:
            own /= 2
        found[name] = Budget(steps=part.steps if steps is None and minutes is None else steps, minutes=own)
    return found


def _judged(
    events: Iterator[TrainingStep | Note], found: Trained, outlook: Outlook | None, remedy: str
) -> Iterator[TrainingStep | Note]:
    """A stage's events, with a verdict after the first tenth of its budget and one at its end, which `found` keeps."""
    first, told = None, False
    measured: HeldOutLoss | None = None
    for event in events:
        yield event
        if isinstance(event, HeldOutLoss):
            measured = event
        if not isinstance(event, TrainingStep):
            continue
        found.steps[event.stage], found.losses[event.stage] = event.step, event.loss
        if outlook is None or event.stage != outlook.stage or ranks.rank():
            continue
        first = event.done if first is None else first
        if not told and first < TENTH <= event.done < 1.0:
            told = True
            real = replace(outlook, done=0, steps=round(event.step / event.done))
            yield Note(after_a_tenth(real, measured, remedy).because)
    if outlook is not None and measured is not None:
        verdict = reached(measured, outlook.kind, measured.step * outlook.batch)
        found.verdicts[outlook.stage], found.held_out[outlook.stage] = verdict, measured.loss
        if measured.trend is not None:
            found.trends[outlook.stage] = measured.trend


def _train_stage(
    name: str,
    recipe: Recipe,
    source: Folder | Source,
    model: Path,
    runs: Path,
    budget: Budget,
    device: str | torch.device,
    start: Cascade | None,
    count: int,
    tower: Tower | None,
) -> Generator[TrainingStep | Note, None, None]:
    """One stage: its autoencoder if it has one, then the stage; at the end the model holds it."""
    part, training = recipe.stages[name], source.split("train")
    stage = initial(name, part, recipe.seed, torch.device(device))
    if tower is not None and part.stage.text is not None:
        stage = stage.told_by(tower)
    if start is not None:
        weights, fresh = (one.backbone.state_dict() for one in (start.stage(name), stage))
        stage.backbone.load_state_dict(begun(weights, fresh, part.stage.backbone))
    if part.lora:
        base = adapters.digest(stage.backbone)
        adapters.attach(stage, part.lora, recipe.seed)
    if ranks.rank() == 0:
        (runs / name).mkdir(parents=True, exist_ok=True)
        for parent in (model.parent, runs / name):  # what killed runs left behind
            publish.sweep(parent)
        with publish.file(runs / name / "recipe.json") as partial:
            partial.write_text(to_json(recipe))
        initially = None if start is None or start.card is None else start.card.stages.get(name)
        knows = card.after(knowledge.known_of(training), initially)
        knowledge.note(knows, runs / name)
    if part.stage.latent is not None:
        yield from train_autoencoder(stage, recipe, training, budget, runs / name / "autoencoder")
    if part.sharding == "full":
        sharding.split(stage.backbone, torch.device(device))
    look = held_out(source, part, recipe.seed, count)
    strip = _strip(recipe, source.split("validation") if look.kept_back else training, runs / name)
    yield from train_stage(stage, recipe, training, budget, runs / name, strip=strip, held_out=look)
    stage = sharding.whole(stage)
    if part.lora:
        if ranks.rank() == 0 and start is not None:
            _publish_lora(model, start.config.name, stage, adapters.Adapter(rank=part.lora, base=base))
    elif ranks.rank() == 0:
        config = CascadeConfig(
            name=model.name,
            stages={one: recipe.stages[one].stage for one in recipe.stages},
            trained_on=list(dict.fromkeys((*(start.config.trained_on if start else ()), *training.names))),
            field=training.described if isinstance(training, FieldFolder) else None,
        )
        dtype = torch.bfloat16 if recipe.weights == "bfloat16" else torch.float32
        step = resume.reached(runs / name / "checkpoints", identity(recipe, name, training)).step
        found = measured(runs / name / "log.jsonl", name, look.kept_back, step)
        knows = knowledge.concluded(knows, found, part.stage.task.kind, step * part.batch)
        checkpoint.with_stage(model, name, stage, config, dtype, knows)
    ranks.barrier()


def _publish_lora(folder: Path, base: str, stage: Stage, adapter: adapters.Adapter) -> None:
    """Publishes a LoRA's folder with this stage's, beside those that are there."""
    stages, tensors = {stage.name: adapter}, {stage.name: adapters.attached(stage.backbone)}
    if folder.exists():
        about, before = adapters.read(folder)
        stages, tensors = about.stages | stages, before | tensors
    with publish.folder(folder) as partial:
        adapters.write(partial, adapters.Adapters(base=base, stages=stages), tensors)


def named(recipe: str) -> Recipe:
    """The recipe of a name."""
    if recipe not in RECIPES:
        raise ValueError(f"recipe must be one of {', '.join(RECIPES)}; got {recipe!r}")
    return RECIPES[recipe]()


def _as_in(model: Cascade, recipe: Recipe) -> Recipe:
    """The recipe with the model's stages, to no others of which a LoRA is added; `_told_by` adds the tower."""
    own = {name: replace(stage, text=None) for name, stage in model.config.stages.items()}
    parts = {name: replace(part, stage=own.get(name, part.stage)) for name, part in recipe.stages.items()}
    return replace(recipe, stages=parts)


def _told_by(recipe: Recipe, tower: TextTower) -> Recipe:
    """The recipe with another text tower for every stage that reads captions."""

    def told(part: StageRecipe) -> StageRecipe:
        network = part.stage.backbone
        if isinstance(network, TELLABLE) and network.text_dim:
            return replace(part, stage=replace(part.stage, text=tower, backbone=retold(network, text_dim=tower.dim)))
        return part

    return replace(recipe, stages={name: told(part) for name, part in recipe.stages.items()})


def _check_start(start: Cascade, recipe: Recipe, names: Sequence[str]) -> None:
    """Refuses a model that lacks a stage to be trained, or has another network or autoencoder for it."""
    found = {stage.name: stage.config for stage in start.stages}
    for name in names:
        if name not in found:
            raise ValueError(
                f"--init must have every stage that is trained, {start.config.name} has no {name}"
                f" ({', '.join(found)}); train some of its stages with --stage"
            )
        wanted = recipe.stages[name].stage
        if found[name].latent is not None or wanted.latent is not None:
            raise ValueError(f"--init starts stages that work on pixels, and {name} works on latents; leave it out")
        towers = [one.text for one in (wanted, found[name])]
        if len({one and one.sha256 for one in towers}) > 1:
            here, there = (str(one or "MiniLM") for one in towers)
            raise ValueError(
                f"--init must have the text tower of the training for {name}: it is {there} in {start.config.name} and"
                f" {here} here; name its folder with --text"
            )
        for setting, theirs, ours in unlike(found[name].backbone, wanted.backbone):
            raise ValueError(
                f"--init must have the recipe's network for {name}: {setting} is {theirs!r} in"
                f" {start.config.name} and {ours!r} in {recipe.name}; --set it alike, or take another recipe"
            )


def _skipped(source: Folder | Source) -> dict[str, str]:
    return {one.path: one.reason for one in source.report.skipped} if isinstance(source, Folder) else {}


def _strip(recipe: Recipe, source: Folder | Source, run_folder: Path) -> Callable[[Stage, int], None]:
    def strip(stage: Stage, step: int) -> None:
        path = run_folder / "samples" / f"{step:08d}.png"
        draw_strips(stage, recipe.stages[stage.name], source, path, recipe.seed, step)

    return strip
