"""A finished clip to look at and to judge: a contact sheet and scores, beside it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from framefall import outputs
from framefall.data.media.sheet import contact_sheet
from framefall.evaluate.report.table import brief_table, period_lines
from framefall.jsonable import json_text
from framefall.outputs import Output
from framefall.runs.evaluation.clips import shown
from framefall.runs.evaluation.evaluate import assess


@dataclass(frozen=True)
class Beside:
    """Where the report of a clip goes."""

    sheet: Output
    scores: Output


def beside(paths: Sequence[Path], *, overwrite: bool = False, sources: Iterable[str | Path] = ()) -> list[Beside]:
    """The same names with `.png` and `.json`, for clips that may be yet to make; refuses what must not be replaced."""
    names = [path.with_suffix(suffix) for path in paths for suffix in (".png", ".json")]
    found = outputs.files(names, overwrite=overwrite, sources=sources)
    return [Beside(sheet, scores) for sheet, scores in zip(found[::2], found[1::2], strict=True)]


def report(path: Path, into: Beside | None = None) -> tuple[str, dict[str, Any]]:
    """A contact sheet (.png) and scores (.json) of a finished clip, beside it; read back from the file, codec and all.

    Gives the scores that mean something for this clip as a table to read, and all of them as JSON values.
    """
    (into,) = [into] if into else beside([path])
    frames, fps = shown(path)
    contact_sheet(np.stack(list(frames)), into.sheet, fps)
    found = assess(path)
    values = found.values(clips=str(path))
    with into.scores.writing() as partial:
        partial.write_text(json_text(values))
    separate = all(one.separate for one in found.clips)
    return brief_table(found.rows, separate, str(into.scores.path), list(period_lines(found.clips))), values
