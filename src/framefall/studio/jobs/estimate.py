"""What minutes of training on a folder buy, stage by stage."""

from framefall.progress import Events, Note
from framefall.runs.sources import open_source
from framefall.runs.training import estimate
from framefall.runs.training.train import budgets, named
from framefall.studio.answers import EstimateResult, StageOutlook
from framefall.studio.jobs.work import Work
from framefall.studio.schemas import Estimate
from framefall.train.outlook import forecast


def run(asked: Estimate, work: Work) -> Events[EstimateResult]:
    """Times a few steps of throw-away networks."""
    recipe = named(asked.recipe)
    names = list(asked.stages or recipe.stages)
    shares = budgets(recipe, names, None, asked.minutes)
    opened = yield from open_source.inside(work.place.roots.path(asked.folder), recipe.data)
    training, found = opened.split("train"), {}
    for name in names:
        yield Note(f"timing a step of {name}")
        found[name] = estimate.outlook(name, recipe, training, shares[name], work.device)
    estimate.check(recipe, found, asked.minutes)
    remedy = estimate.remedies(recipe, list(found.values()), training, minutes=asked.minutes, device=work.device)
    verdicts = {name: forecast(one) for name, one in found.items()}
    return EstimateResult(
        stages=[
            StageOutlook(
                stage=name,
                steps=one.steps,
                clips=one.clips,
                minutes=one.minutes,
                seconds_a_step=one.seconds,
                pieces=one.pieces,
                enough=verdicts[name].enough,
                because=verdicts[name].because,
            )
            for name, one in found.items()
        ],
        enough=all(one.enough for one in verdicts.values()),
        sentences=list(estimate.said(recipe, found, remedy)),
    )
