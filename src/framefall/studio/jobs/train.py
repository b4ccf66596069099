"""A training on a folder: it can be stopped, killed and gone on with, and its samples are shown while it runs."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from framefall.progress import Event, Events
from framefall.runs.training.train import Trained, named, train
from framefall.studio.answers import TrainedStage, TrainResult
from framefall.studio.jobs.work import Shown, Work
from framefall.studio.schemas import Train

SAVES = 1.0  # minutes between checkpoints, and so what a kill costs at most; a stop costs nothing
STRIPS = 8  # pictures of samples that a training shows at least


def run(asked: Train, work: Work) -> Events[TrainResult]:
    """Trains into a folder of the home that outlives the job."""
    first = asked.resume or work.job.id
    output = work.place.home.model(first)
    recipe = named(asked.recipe)
    recipe = replace(
        recipe,
        save_minutes=min(recipe.save_minutes, SAVES),
        strip_minutes=min(recipe.strip_minutes, max(0.2, asked.minutes / STRIPS)),
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    runs = output.with_name(f"{output.name}.training")
    events = train.inside(
        work.place.roots.path(asked.folder),
        output,
        recipe,
        stages=asked.stages,
        minutes=asked.minutes,
        resume=runs.exists(),
        device=work.device,
    )
    with closing(events):  # who stops it here waits until the training has saved where it is
        trained = yield from _with_strips(events, work, runs)
    return TrainResult(
        model=f"job.{first}",
        stages=[
            TrainedStage(
                stage=name,
                steps=steps,
                loss=trained.losses.get(name),
                held_out=trained.held_out.get(name),
                enough=trained.verdicts[name].enough if name in trained.verdicts else None,
                because=trained.verdicts[name].because if name in trained.verdicts else "",
            )
            for name, steps in trained.steps.items()
        ],
        skipped=trained.skipped,
        enough=trained.enough,
        says=work.place.public(trained.said()),
    )


def _with_strips(events: Events[Trained], work: Work, runs: Path) -> Events[Trained]:
    """The events, and every strip of samples as soon as it is there."""
    seen = set(runs.glob("*/samples/*.png"))
    while True:
        try:
            event: Event = next(events)
        except StopIteration as end:
            for strip in sorted(set(runs.glob("*/samples/*.png")) - seen):
                yield _strip(strip, work)
            trained: Trained = end.value
            return trained
        yield event
        for strip in sorted(set(runs.glob("*/samples/*.png")) - seen):
            seen.add(strip)
            yield _strip(strip, work)


def _strip(path: Path, work: Work) -> Shown:
    stage = path.parents[1].name
    return Shown(work.stored(path, f"{stage}-{path.name}", stage=stage))
