"""The page of an assessment: its table, its worst and median clips as small videos with their tracks, its failures."""

import itertools
import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from framefall import outputs
from framefall.data.media.writer import write
from framefall.evaluate.metrics.suite import ClipScores, ScoreRow, protocol
from framefall.evaluate.report.page import Figure, Report, page
from framefall.evaluate.report.table import distance_lines, period_lines
from framefall.jsonable import json_text
from framefall.outputs import Output
from framefall.physics.laws import LAWS
from framefall.provenance import commit
from framefall.runs.evaluation.clips import shown
from framefall.runs.evaluation.evaluate import Assessment
from framefall.tracking.overlay import overlay
from framefall.tracking.tracker import track
from framefall.tracking.trajectory import Tracks
from framefall.video import from_pixels, resize, to_pixels

SIDE = 192  # pixels of a video on the page
FIGURES = 8
SHOWN = 240  # frames of a clip that the page keeps


PAGE, SCORES = "report.html", "scores.json"


def report_files(
    folder: str | Path, *, overwrite: bool = False, sources: Iterable[str | Path] = ()
) -> dict[str, Output]:
    """Where a report goes: a page and its numbers in a folder. Refuses what must not be replaced.

    `sources` are what is assessed; a report may lie in their folder.
    """
    outputs.check_container(folder)
    found = outputs.files(
        [Path(folder) / name for name in (PAGE, SCORES)],
        overwrite=overwrite,
        sources=[one for one in sources if not Path(one).is_dir()],
    )
    return {one.path.name: one for one in found}


def write_report(
    assessment: Assessment,
    clips: str | Path,
    folder: str | Path | dict[str, Output],
    reference: str | Path | None = None,
) -> Iterator[Path]:
    """Writes `report.html`, one self-contained page, and `scores.json` into a folder; says which file is there.

    In place of a folder it takes what `report_files` has found there.
    """
    files = folder if isinstance(folder, dict) else report_files(folder)
    facts = {"clips": str(clips), "reference": str(reference) if reference else None}
    texts = {
        PAGE: lambda: assessment_page(assessment, clips, reference),
        SCORES: lambda: json_text(assessment.values(**facts)),
    }
    for name, text in texts.items():
        with files[name].writing() as partial:
            partial.write_text(text())
        yield files[name].path


def assessment_page(assessment: Assessment, clips: str | Path, reference: str | Path | None = None) -> str:
    """One HTML document about an assessment, with its worst and median clips in it."""
    root = Path(clips)
    chosen = _chosen(assessment)[:FIGURES]
    # of clips that were brought to common ground the tracks are not those of what is shown
    known = {} if assessment.ground is not None else {one.name: one.tracks for one in assessment.clips}
    figures = [_figure(assessment.files[name], name, why, text, known.get(name)) for name, why, text in chosen]
    count = len(assessment.clips)
    facts = {
        "clips": str(count),
        "reference": str(reference) if reference else "none",
        "protocol": protocol(),
        "codec": ", ".join(sorted({Path(one.name).suffix.lstrip(".") or "frames" for one in assessment.clips})),
        "commit": commit(),
    }
    notes = [f"{name} was skipped: {reason}" for name, reason in assessment.skipped]
    if assessment.ground is not None:
        notes.append(f"clips and reference were not alike: all are measured as {assessment.ground}")
    notes += [*period_lines(assessment.clips), *distance_lines(assessment.distances)]
    return page(
        Report(
            title=f"{root.name}: {count} clip" + ("s" if count > 1 else ""),
            rows=assessment.rows,
            facts=facts,
            notes=notes,
            rankings=assessment.ranking,
            gates={row.metric: gate for row in assessment.rows if (gate := _gate(row, assessment.clips))},
            figures=figures,
            failures={name: _failed(name, [one for one in assessment.clips if one.separate]) for name in LAWS},
        )
    )


def _gate(row: ScoreRow, clips: Sequence[ClipScores]) -> str:
    """Why a metric is void on some clips, if a gate is shut there."""
    said = [one.reasons[row.metric] for one in clips if "wins it" in one.reasons.get(row.metric, "")]
    return f"void on {len(said)} of {len(clips)}: {said[0]}" if said else ""


def _chosen(assessment: Assessment) -> list[tuple[str, str, str]]:
    """The worst and the median clip of the metrics that tell clips apart most: (clip, why, its number)."""
    chosen: dict[str, tuple[str, str]] = {}
    for row in sorted(assessment.rows, key=lambda row: -_spread(row)):
        values = sorted(
            ((value, name) for name, value in row.per_clip.items() if math.isfinite(value)),
            reverse=row.better == "lower",
        )
        if not values:
            continue
        for place, which in ((0, "worst"), (len(values) // 2, "median")):
            value, name = values[place]
            chosen.setdefault(name, (f"{which} of {row.metric}", f"{value:.4g} {row.unit}"))
    return [(name, *said) for name, said in chosen.items()]


def _spread(row: ScoreRow) -> float:
    values = [value for value in row.per_clip.values() if math.isfinite(value)]
    return float(np.std(values) / (abs(np.mean(values)) + 1e-9)) if len(values) > 1 else 0.0


def _failed(law: str, clips: Sequence[ClipScores]) -> list[tuple[str, str]]:
    """Clips beyond a law's strict threshold."""
    found = []
    for one in clips:
        value = one.scores.get(law, math.nan)
        if not LAWS[law].passes(value):
            found.append((one.name, f"{value:.3g} {LAWS[law].unit}"))
    return found


def _figure(path: Path, name: str, why: str, text: str, tracks: Tracks | None) -> Figure:
    pictures, fps = shown(path)
    frames = list(itertools.islice(pictures, SHOWN))
    video = from_pixels(torch.from_numpy(np.stack(frames))).permute(3, 0, 1, 2)[None]
    height, width = video.shape[-2:]
    scale = SIDE / max(height, width)
    size = _even(height * scale), _even(width * scale)  # as players want them
    small = resize(video, *size, "area" if scale < 1 else "bicubic")
    small = small.expand(-1, 3, -1, -1, -1) if small.shape[1] == 1 else small[:, :3]
    drawn = overlay(small, tracks.on(*small.shape[-2:]) if tracks is not None else track(small, fps))
    plain = to_pixels(small)[0].permute(1, 2, 3, 0).numpy()
    return Figure(name, why, _mp4(plain, fps), _mp4(np.ascontiguousarray(drawn), fps), text)


def _even(side: float) -> int:
    return 2 * max(1, round(side / 2))


def _mp4(frames: np.ndarray, fps: float) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "clip.mp4"
        write(target, [frames], fps)
        return target.read_bytes()
