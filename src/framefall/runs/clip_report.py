"""A finished clip to look at and to judge: a contact sheet and scores, beside it."""

from pathlib import Path
from typing import Any

import numpy as np

from framefall import publish
from framefall.data.media.sheet import contact_sheet
from framefall.evaluate.report.table import brief_table, period_lines
from framefall.jsonable import json_text
from framefall.runs.clips import shown
from framefall.runs.evaluate import assess


def report(path: Path) -> tuple[str, dict[str, Any]]:
    """A contact sheet (.png) and scores (.json) of a finished clip, beside it; read back from the file, codec and all.

    Gives the scores that mean something for this clip as a table to read, and all of them as JSON values.
    """
    frames, fps = shown(path)
    contact_sheet(np.stack(list(frames)), path.with_suffix(".png"), fps)
    found = assess(path)
    scores = path.with_suffix(".json")
    values = found.values(clips=str(path))
    with publish.file(scores) as partial:
        partial.write_text(json_text(values))
    separate = all(one.separate for one in found.clips)
    return brief_table(found.rows, separate, str(scores), list(period_lines(found.clips))), values
