"""LeRobot data sets (v2.1 and v3.0): episodes of cameras' videos, with actions and states that are numbers a frame.

The layout is the published one. In v2.1 each episode is a video and a table of its own, in v3.0 many share a file, and
each is a span of its frames. All cameras of an episode stand on one side of a split.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from framefall import bounded
from framefall.data.captions import Annotation
from framefall.data.item import Item, Items
from framefall.data.remote import parquet
from framefall.data.remote.place import Piece, Place
from framefall.data.remote.tree import SourceError, Tree, hashed
from framefall.data.tables import clean, numbers_of
from framefall.data.text import whole

INFO = "meta/info.json"
VERSIONS = ("v2.0", "v2.1", "v3.0")
_EPISODE = "episode_{:06d}"


@dataclass(frozen=True)
class Episode:
    """One episode as the data set's tables have it."""

    number: int
    tasks: str
    length: int  # frames
    data: str  # the table of its frames
    row: dict[str, Any]


def items(tree: Tree, numbers: str = "action") -> Items:
    """A video for every camera of every episode; `numbers` names the features that are numbers a frame."""
    info = _object(tree, INFO)
    version = whole(str(info.get("codebase_version")))[:20]
    if version not in VERSIONS:
        raise SourceError(
            f"{INFO} must say one of the versions {', '.join(VERSIONS)} that are read here, says {version}"
        )
    fps, features = info.get("fps"), info.get("features")
    if not isinstance(fps, int | float) or not 0 < fps < 10_000 or not isinstance(features, dict):
        raise SourceError(f"{INFO} must say a positive fps and the features, says fps {str(fps)[:20]}")
    features = {whole(name)[:200]: one for name, one in features.items()}
    listed = ", ".join(list(features)[:8]) or "none"
    cameras = [name for name, one in features.items() if isinstance(one, dict) and one.get("dtype") == "video"]
    if not cameras:
        raise SourceError(f"the data set must have a feature that is video, has {listed}")
    wanted = [name.strip() for name in numbers.split(",") if name.strip()]
    if missing := [name for name in wanted if name not in features and numbers != "action"]:
        raise SourceError(f"data.numbers must be features of the data set ({listed}), got {missing[0]}")
    wanted = [name for name in wanted if name in features]
    episodes = list(_episodes(tree, info, version))
    told = _Numbers(tree, wanted, episodes)
    found, left_out = list[Item](), dict[str, str]()
    for episode in episodes:
        for camera in cameras:
            name = f"videos/{camera}/{_EPISODE.format(episode.number)}.mp4"
            path, span = _video(episode, camera, version, info, float(fps))
            file = tree.files.get(path)
            if file is None:
                left_out[name] = f"{path} is not there"
                continue
            place = Place(name, (Piece(name, file.url, 0, file.size),))
            group = hashed("episode", episode.number)
            identity = hashed(file.identity)
            found.append(Item(name, place, lambda one=episode: told.annotate(one), identity, span, group))  # type: ignore[misc]
    notes = [f"{', '.join(wanted)}: {told.width} numbers for each frame"] if wanted and episodes else []
    return Items(tuple(sorted(found, key=lambda item: item.name)), left_out, tuple(notes))


class _Numbers:
    """The numbers of each episode, read from the tables that hold them: once each."""

    def __init__(self, tree: Tree, features: Sequence[str], episodes: Sequence[Episode]) -> None:
        self._features, self._tree = features, tree
        self._rows: dict[int, np.ndarray] = {}
        self._why: dict[str, str] = {}
        for table in dict.fromkeys(episode.data for episode in episodes) if features else ():
            try:
                self._rows |= dict(self._read(table))
            except (SourceError, ValueError) as error:
                self._why[table] = " ".join(str(error).split())[:160]

    @property
    def width(self) -> int:
        """How many numbers a frame has."""
        return next((rows.shape[1] for rows in self._rows.values()), 0)

    def annotate(self, episode: Episode) -> Annotation:
        """What an episode is said to be, with its numbers a frame."""
        why = self._why.get(episode.data)
        notes = (f"its numbers are left out: {why}",) if why else ()
        caption = clean(episode.tasks)
        return Annotation(caption, self._rows.get(episode.number), notes, where="its tasks" if caption else "")

    def _read(self, table: str) -> Iterator[tuple[int, np.ndarray]]:
        file = self._tree.files.get(table)
        if file is None:
            raise SourceError(f"{table} is not there")
        rows: dict[int, list[tuple[int, list[float]]]] = defaultdict(list)
        for row in parquet.records(file, ["episode_index", "frame_index", *self._features]):
            cells = [row[name] for name in self._features]
            flat = [one for cell in cells for one in (np.ravel(cell).tolist() if isinstance(cell, list) else [cell])]
            rows[int(row["episode_index"])].append((int(row["frame_index"]), flat))
        for number, several in rows.items():
            yield number, numbers_of([values for _, values in sorted(several, key=lambda one: one[0])])


def _episodes(tree: Tree, info: dict[str, Any], version: str) -> Iterator[Episode]:
    try:
        if version == "v3.0":
            for name in tree.ending(".parquet"):
                if name.startswith("meta/episodes/"):
                    for row in parquet.records(tree.files[name]):
                        where = "data/chunk-{:03d}/file-{:03d}.parquet"
                        data = where.format(int(row["data/chunk_index"]), int(row["data/file_index"]))
                        yield Episode(int(row["episode_index"]), _tasks(row), int(row["length"]), data, row)
            return
        size = int(info.get("chunks_size") or 1000)
        for line in _text(tree, "meta/episodes.jsonl").splitlines():
            if line.strip():
                row = bounded.parse(line)
                number = int(row["episode_index"])
                data = f"data/chunk-{number // size:03d}/{_EPISODE.format(number)}.parquet"
                yield Episode(number, _tasks(row), int(row["length"]), data, {"chunk": number // size})
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(
            f"the tables of episodes below meta/ must be as LeRobot writes them, and are not ({error})"
        ) from None


def _tasks(row: dict[str, Any]) -> str:
    tasks = row.get("tasks") or []
    return "; ".join(str(one) for one in ([tasks] if isinstance(tasks, str) else tasks))


def _video(
    episode: Episode, camera: str, version: str, info: dict[str, Any], fps: float
) -> tuple[str, tuple[int, int] | None]:
    """The file of an episode's video, and which frames of it are the episode's."""
    if version != "v3.0":
        return f"videos/chunk-{episode.row['chunk']:03d}/{camera}/{_EPISODE.format(episode.number)}.mp4", None
    try:
        chunk, file = (int(episode.row[f"videos/{camera}/{one}_index"]) for one in ("chunk", "file"))
        begin = round(float(episode.row[f"videos/{camera}/from_timestamp"]) * fps)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise SourceError(
            f"meta/episodes must say where the video {camera} of episode {episode.number} is, and does not"
        ) from None
    return f"videos/{camera}/chunk-{chunk:03d}/file-{file:03d}.mp4", (begin, begin + episode.length)


def _object(tree: Tree, name: str) -> dict[str, Any]:
    try:
        value = bounded.parse(_text(tree, name))
    except ValueError as error:
        raise SourceError(f"{name} must be JSON as LeRobot writes it, and is not ({error})") from None
    if not isinstance(value, dict):
        raise SourceError(f"{name} must be an object, is {json.dumps(value)[:40]}")
    return value


def _text(tree: Tree, name: str) -> str:
    file = tree.files.get(name)
    if file is None:
        raise SourceError(f"{tree.name} must have {name}, has not")
    if file.size > bounded.TABLE:
        raise SourceError(f"{name} must have at most {bounded.TABLE:,} bytes, has {file.size:,}")
    return Piece(name, file.url, 0, file.size).read(file.size).decode("utf-8", "replace")
