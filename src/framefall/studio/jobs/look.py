"""What a folder is taken as, before anything is trained on it."""

from framefall.data.folder import Folder
from framefall.data.summary import as_object, summary, taken
from framefall.progress import Events
from framefall.runs.sources import open_source
from framefall.runs.training.train import named
from framefall.studio.answers import LookResult
from framefall.studio.jobs.work import Work
from framefall.studio.schemas import Look


def run(asked: Look, work: Work) -> Events[LookResult]:
    """Reads the folder into the cache, where a training finds it."""
    path = work.place.roots.path(asked.folder)
    opened = yield from open_source.inside(path, named(asked.recipe).data)
    if not isinstance(opened, Folder):
        raise ValueError(f"{path.name} must hold clips, and holds a prepared world; train on it by framefall train")
    seconds = sum(one.frames / one.fps for one in taken(opened) if one.kind != "picture")
    return LookResult(**as_object(opened), seconds=seconds, text=summary(path.name, opened))
