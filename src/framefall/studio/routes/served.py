"""The studio that routes answer for, and the names by which they are asked."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Path, Request

from framefall.studio.place import Place
from framefall.studio.queue import Queue
from framefall.studio.security import Rules
from framefall.studio.supervisor import Supervisor
from framefall.studio.uploads import Uploads

LAST = 2**62  # no number of an event or a job is above it
Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,2000}$", description="a name that the server has made")]


@dataclass(frozen=True)
class Studio:
    """What the routes of one server have in common."""

    place: Place
    queue: Queue
    uploads: Uploads
    supervisor: Supervisor
    rules: Rules


def studio(request: Request) -> Any:
    """The studio of this server."""
    return request.app.state.studio


Served = Annotated[Studio, Depends(studio)]
