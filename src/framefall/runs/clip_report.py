"""A finished clip to look at and to judge: a contact sheet and scores, beside it."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from framefall import publish
from framefall.data import decode as decoder
from framefall.data.sheet import contact_sheet
from framefall.evaluate.report.table import table, to_json
from framefall.runs.evaluate import assess


def report(path: Path) -> tuple[str, dict[str, Any]]:
    """A contact sheet (.png) and scores (.json) of a finished clip, beside it; read back from the file, codec and all.

    Gives the scores as a table to read and as JSON values.
    """
    frames = np.stack([frame.pixels for frame in decoder.decode(path)])
    contact_sheet(frames, path.with_suffix(".png"), decoder.probe(path).fps or 24.0)
    rows = assess(path).rows
    text = to_json(rows, {"clips": str(path)})
    with publish.file(path.with_suffix(".json")) as partial:
        partial.write_text(text)
    values: dict[str, Any] = json.loads(text)
    return table(rows), values
