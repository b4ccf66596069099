"""Models and what they know, recipes, and what a model makes of a prompt."""

import shutil

from fastapi import APIRouter
from fastapi.responses import Response

from framefall.studio.answers import About, Completed, ModelAbout, RecipeAbout
from framefall.studio.queue import Refused
from framefall.studio.routes.served import Id, Served
from framefall.studio.schemas import Completion
from framefall.studio.uploads import ALL

router = APIRouter(prefix="/api", tags=["models"])


@router.get("/about")
def about(served: Served) -> About:
    """The studio itself, and what it is doing."""
    import framefall

    running = served.queue.in_state("running")
    return About(
        version=framefall.__version__,
        device=served.place.device,
        queued=len(served.queue.in_state("queued")),
        running=running[0].id if running else None,
        most_upload_bytes=served.uploads.most,
        uploads_bytes=served.uploads.taken,
        uploads_limit=ALL,
    )


@router.get("/models")
def models(served: Served) -> list[ModelAbout]:
    """Every model that may be asked, and what it knows."""
    from framefall.studio.knowledge import about_models

    return about_models(served.place)


@router.delete("/models/{id}", status_code=204)
def delete(served: Served, id: Id) -> Response:
    """Removes a model that was trained here, and what its training would go on from."""
    origin = next((origin for known, origin, _ in served.place.known_models() if known == id), None)
    folder = served.place.model(id)
    if origin != "trained":
        raise Refused(409, "only a model that was trained here can be deleted")
    if any(job.kind == "train" for job in served.queue.in_state("queued", "running")):
        raise Refused(409, "a training waits or runs; cancel it first")
    shutil.rmtree(folder.parent, ignore_errors=True)
    return Response(status_code=204)


@router.get("/recipes")
def recipes() -> list[RecipeAbout]:
    """Recipes to train by."""
    from framefall.studio.knowledge import about_recipes

    return about_recipes()


@router.post("/complete")
def complete(served: Served, asked: Completion) -> Completed:
    """Whether a model knows what a prompt says, and how it may go on."""
    from framefall.studio.knowledge import completed

    return completed(served.place.model(asked.model), asked.prompt)
