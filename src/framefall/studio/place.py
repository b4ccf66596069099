"""What server and worker of a studio share: its home, and what the operator has let it use."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from framefall import publish
from framefall.studio.files import Roots
from framefall.studio.home import Home
from framefall.studio.queue import Refused
from framefall.weights import shipped


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a studio works. Paths in it are the operator's or the server's own, never a client's."""

    home: Home
    roots: Roots
    models: tuple[Path, ...] = ()  # folders of models beside the shipped ones
    device: str = "auto"

    def text(self) -> str:
        """The same as an argument of another process."""
        paths = {"roots": self.roots.folders, "models": self.models}
        values = {name: [str(path) for path in some] for name, some in paths.items()}
        return json.dumps(values | {"home": str(self.home.path), "device": self.device})

    @classmethod
    def read(cls, text: str) -> "Place":
        """What `text` has written."""
        values = json.loads(text)
        home = Home(Path(values["home"]))
        roots = Roots(home, tuple(map(Path, values["roots"])))
        return cls(home=home, roots=roots, models=tuple(map(Path, values["models"])), device=values["device"])

    def public(self, text: str) -> str:
        """A sentence without the places of this machine: of a path below them, what is below."""
        for folder in (self.home.path, *(root.parent for root in self.roots.folders)):
            text = text.replace(f"{str(folder).rstrip(os.sep)}{os.sep}", "")
        return _OWN.sub("", text)

    def known_models(self) -> Iterator[tuple[str, str, Path]]:
        """Every model that may be asked for: its id, where it is from, and its folder."""
        for folder in shipped():
            yield folder.name, "shipped", folder
        for number, folder in enumerate(self.models):
            yield f"given.{number}.{self.home.keyed('model', str(folder))[:8]}", "given", folder
        for manifest in sorted((self.home.path / "models").glob(f"*/*/{publish.MANIFEST}")):
            yield f"job.{manifest.parent.parent.name}", "trained", manifest.parent

    def model(self, model: str) -> Path:
        """The folder of a model's id."""
        for known, _, folder in self.known_models():
            if known == model:
                return folder
        raise Refused(404, f"there is no model {model!r}; take one of GET /api/models")


_OWN = re.compile(r"\b(jobs|models)/[0-9a-f]{16}/(\d+/)?(clips/|stages/|measured/|reference/)?")  # folders of a job
