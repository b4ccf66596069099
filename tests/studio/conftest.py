"""One studio for all tests of a process, with a toy cascade and two real clips."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from forked import Forked
from serving import Served, place_of, served


@pytest.fixture(scope="session", autouse=True)
def workers() -> Iterator[None]:
    """Of servers in this process: forked from one that has done the imports."""
    with pytest.MonkeyPatch.context() as patch:
        forked = SimpleNamespace(Popen=Forked, PIPE=subprocess.PIPE)
        patch.setattr("framefall.studio.supervisor.subprocess", forked)
        yield


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory, trained: Path, clips: Path) -> Iterator[Served]:
    """A studio that is served."""
    root = tmp_path_factory.mktemp("roots") / "videos"
    (root / "inner" / "deeper").mkdir(parents=True)
    for clip in clips.iterdir():
        (root / clip.name).symlink_to(clip.resolve())
    with served(place_of(tmp_path_factory.mktemp("studio"), (trained,), (root,))) as found:
        yield found


@pytest.fixture(scope="session")
def toy(studio: Served) -> str:
    """The id of the toy cascade."""
    return next(one["id"] for one in studio.client.get("/api/models").json() if one["origin"] == "given")


@pytest.fixture(scope="session")
def generated(studio: Served, toy: str) -> dict[str, Any]:
    """A job that has made two clips of the toy, with all that can be asked for."""
    return studio.done(
        "generate", {"model": toy, "prompt": "a man talks", "seed": 3, "count": 2, "report": True, "tracks": True}
    )
