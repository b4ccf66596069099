"""What a job is given to work with: folders of its own, what its ids stand for, and where its outputs are listed."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from framefall import publish
from framefall.progress import Event
from framefall.studio.files import TYPES
from framefall.studio.place import Place
from framefall.studio.queue import Job, Queue, Refused, Stored

_KINDS = {"video": "video", "image": "picture", "text": "page", "application": "json"}


@dataclass(frozen=True)
class Progressed(Event):
    """How far one part of a job is; `done` of 1, where it is known."""

    stage: str
    what: str
    step: float
    steps: float | None
    done: float | None


@dataclass(frozen=True)
class Shown(Event):
    """An output that is there before the job has ended."""

    file: Stored


@dataclass(frozen=True, kw_only=True)
class Work:
    """One attempt of a job."""

    place: Place
    queue: Queue
    job: Job
    device: str
    outputs: list[Stored] = field(default_factory=list)  # to be listed when the job is done

    @property
    def folder(self) -> Path:
        """Where it writes; nobody else does."""
        return self.place.home.attempt(self.job.id, self.job.attempt)

    def upload(self, upload: str) -> Path:
        """The file of an upload."""
        try:
            stored = self.queue.file(upload)
        except Refused:
            raise ValueError("a file that was uploaded for this is not there any more; upload it again") from None
        path = self.place.home.path / stored.path
        if stored.job is not None or not path.is_file():
            raise ValueError(f"{stored.about.get('name', 'an upload')} is not there any more; upload it again")
        return path

    def stored(self, path: Path, name: str | None = None, **about: Any) -> Stored:
        """A finished file below the home, with an id of its own."""
        type_ = TYPES.get(path.suffix, "application/octet-stream")
        about = {
            "name": name or path.name,
            "kind": _KINDS[type_.partition("/")[0]],
            "type": type_,
            "bytes": path.stat().st_size,
            "sha256": publish.sha256(path),
        } | about
        return Stored(
            id=secrets.token_hex(8),
            path=path.relative_to(self.place.home.path).as_posix(),
            about=about,
            job=self.job.id,
        )

    def output(self, path: Path, name: str | None = None, **about: Any) -> str:
        """Lists a finished file among the outputs; gives its id."""
        self.outputs.append(self.stored(path, name, **about))
        return self.outputs[-1].id
