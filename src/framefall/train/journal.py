"""Numbers out: JSON lines and TensorBoard, both on disk."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from framefall import publish, ranks
from framefall.jsonable import jsonable


class Journal:
    """Writes rows of numbers to `folder/log.jsonl` and `folder/tensorboard/`. A resumed run goes on below `step`.

    What a killed session wrote of later steps goes: they are done again. Of several ranks the first writes the
    numbers, which are the same on all; notes come from each.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if ranks.rank() == 0:
            _cut(folder / "log.jsonl", step)
        ranks.barrier()
        self.lines = open(folder / "log.jsonl", "a", encoding="utf-8")  # noqa: SIM115 (closed by __exit__)
        self.board = Board(folder / "tensorboard", step) if ranks.rank() == 0 else None

    def write(self, step: int, **numbers: float | str | list[str] | list[float]) -> None:
        """One row; what is not a number goes to the JSON lines alone."""
        if self.board is None and "note" not in numbers:
            return
        row = {"step": step, "time": round(time.time(), 3)} | numbers
        self.lines.write(json.dumps(jsonable(row), allow_nan=False) + "\n")
        self.lines.flush()
        if self.board:
            found = ((name, one) for name, one in numbers.items() if isinstance(one, int | float))
            self.board.write(step, {name: float(one) for name, one in found if not isinstance(one, bool)})

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lines.close()
        if self.board:
            self.board.close()


def _cut(log: Path, step: int) -> None:
    """Removes the rows of steps that are not done yet, and a last one that was not written to its end."""
    if not log.exists():
        return
    lines = log.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if line.endswith(b"\n") and _done(line, step)]
    if len(kept) < len(lines):
        with publish.file(log) as partial:
            partial.write_bytes(b"".join(kept))


def _done(line: bytes, step: int) -> bool:
    """Whether a row is of what was done up to a step: what is said of a step's clips comes before the step is done."""
    try:
        row = json.loads(line)
        return bool(row["step"] < step + ("clips" not in row))
    except (ValueError, KeyError, TypeError):
        return True  # it is not ours to judge


class Board:
    """Scalars as a file that TensorBoard reads, written at once.

    The writers of torch and TensorBoard write in a thread of their own: an interrupt while a number is handed over
    leaves that thread waiting for ever, and whoever closes it.
    """

    def __init__(self, folder: Path, step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = open(folder / f"events.out.tfevents.{time.time():.6f}.{os.getpid()}", "wb")  # noqa: SIM115
        self.records = RecordWriter(self.file)
        self._add(file_version="brain.Event:2")
        self._add(step=step, session_log=SessionLog(status=SessionLog.START))  # what is there from this step on is void

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Numbers of a step, by name."""
        values = [Summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
        self._add(step=step, summary=Summary(value=values))

    def close(self) -> None:
        """The end of the file."""
        self.file.close()

    def _add(self, **what: Any) -> None:
        self.records.write(Event(wall_time=time.time(), **what).SerializeToString())
        self.file.flush()
