"""Numbers out: JSON lines and TensorBoard, both on disk."""

import json
import time
from pathlib import Path
from types import TracebackType

from torch.utils.tensorboard import SummaryWriter

from framefall import ranks
from framefall.jsonable import jsonable


class Journal:
    """Writes rows of numbers to `folder/log.jsonl` and `folder/tensorboard/`. A resumed run goes on below.

    Of several ranks the first writes the numbers, which are the same on all; notes come from each.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.lines = open(folder / "log.jsonl", "a", encoding="utf-8")  # noqa: SIM115 (closed by __exit__)
        self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=step) if ranks.rank() == 0 else None

    def write(self, step: int, **numbers: float | str | list[str]) -> None:
        """One row; what is not a number goes to the JSON lines alone."""
        if self.board is None and "note" not in numbers:
            return
        row = {"step": step, "time": round(time.time(), 3)} | numbers
        self.lines.write(json.dumps(jsonable(row), allow_nan=False) + "\n")
        self.lines.flush()
        for name, value in numbers.items():
            if self.board and isinstance(value, int | float):
                self.board.add_scalar(name, value, step)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lines.close()
        if self.board:
            self.board.close()
