"""Every kind of job by its name: add a row to add one. What runs it is loaded by the worker alone."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from framefall.progress import Events
from framefall.studio import answers, schemas
from framefall.studio.jobs.work import Work


@dataclass(frozen=True)
class Kind:
    """What is asked, what is answered, and the module beside this one whose `run` does it."""

    asked: type[schemas.Asked]
    result: type[answers.Answer]
    module: str
    saves: bool = False  # one that is stopped saves what it has, which takes a while

    def run(self, request: dict[str, Any], work: Work) -> Events[answers.Answer]:
        """The events of a job; its end is the result."""
        done: Events[answers.Answer] = import_module(f"{__package__}.{self.module}").run(
            self.asked.model_validate(request), work
        )
        return done


KINDS: dict[str, Kind] = {
    "generate": Kind(schemas.Generate, answers.GenerateResult, "generate"),
    "compare": Kind(schemas.Compare, answers.CompareResult, "compare"),
    "measure": Kind(schemas.Measure, answers.MeasureResult, "measure"),
    "look": Kind(schemas.Look, answers.LookResult, "look"),
    "estimate": Kind(schemas.Estimate, answers.EstimateResult, "estimate"),
    "train": Kind(schemas.Train, answers.TrainResult, "train", saves=True),
}
