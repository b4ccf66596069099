"""What temporal super-resolution keeps of physics: simulated scenes at a low rate in, the same at the full rate known.

Between two key frames a thrown ball sags below the straight line that joins its places. A blend shows two
half-transparent balls on that line instead; a stage that understands the fall bends the way and shows one ball.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from framefall.evaluate.stages.superres import flow_blend, linear_blend
from framefall.evaluate.worldbench.benchmark import Case, Verdict, judge
from framefall.metric import Interval, interval
from framefall.physics.evidence import gather
from framefall.physics.flight import falls
from framefall.physics.laws import LAWS
from framefall.video import Video

TemporalUpsample = Callable[[Video, float], Float[Tensor, "1 channels made height width"]]  # key frames and their rate
KEPT = ("gravity", "restitution", "momentum", "energy", "permanence", "continuity", "identity")
SAG = 0.1  # pixels: where the straight line is nearer to the truth than this there is no sag to recover
SEEN = 0.06  # of the -1..1 range, from the background: fainter is not there


@dataclass(frozen=True)
class Retention:
    """What a stage keeps, over all clips. Real video scores 1 in `sag_recovery` and in `gravity`, and 0 in `ghosts`."""

    sag_recovery: Interval  # 1: the true way; 0: the straight line; below: worse than that
    ghosts: Interval  # between key frames, how much is shown where nothing is, as a share of what is there
    gravity: Interval  # g fitted to what the stage made, over g fitted to the real clip
    laws: Mapping[str, Interval]  # how much further from perfect each law is than on the real clip


def retention(cases: Iterable[Case], upsample: TemporalUpsample, factor: int, seed: int = 0) -> Retention:
    """Scores of a temporal stage that multiplies the frame rate by `factor`; cases are at the full rate."""
    sags, ghosts, gravities = list[float](), list[float](), list[float]()
    added: dict[str, list[float]] = {law: [] for law in KEPT}
    for case in cases:
        real = case.video
        keys = real[:, :, ::factor]
        made = torch.cat((upsample(keys, case.protocol.fps / factor), real), dim=2)[:, :, : real.shape[2]]
        # frames after the last key frame are nobody's: there is nothing to go on to
        made[:, :, (keys.shape[2] - 1) * factor + 1 :] = real[:, :, (keys.shape[2] - 1) * factor + 1 :]
        sags.append(_sag_recovery(case, made, factor))
        ghosts.append(_ghosts(case, made, factor))
        ours, theirs = judge(case, made), judge(case, real)
        gravities.append(_ratio(_gravity(ours), _gravity(theirs)))
        for law in KEPT:
            added[law].append(LAWS[law].error(ours.laws[law].value) - LAWS[law].error(theirs.laws[law].value))
    return Retention(
        interval(sags, seed),
        interval(ghosts, seed),
        interval(gravities, seed),
        {law: interval(values, seed) for law, values in added.items()},
    )


def blend(factor: int) -> TemporalUpsample:
    """The reference that has no idea of motion: each frame between is a mixture of two key frames."""
    return lambda keys, _: linear_blend(keys, factor)


def along_flow(factor: int) -> TemporalUpsample:
    """The reference that moves what it sees along optical flow: evenly, so it knows of no fall."""
    return lambda keys, _: flow_blend(keys, factor)


def _sag_recovery(case: Case, made: Video, factor: int) -> float:
    """1 - sum |y - y_true| / sum |y_line - y_true| over frames between key frames; NaN where nothing sags.

    Of scenes with one body, which is there and touches nothing from one key frame to the next.
    """
    if len(case.log.scene.bodies) != 1:
        return math.nan
    true, ours = _heights(case, case.video), _heights(case, made)
    blows = [contact.time * case.protocol.fps for contact in case.log.contacts]
    missed, sagged = 0.0, 0.0
    for start in range(0, len(true) - factor, factor):
        span = slice(start, start + factor + 1)
        if any(start - 1 < blow < start + factor + 1 for blow in blows) or not np.isfinite(true[span]).all():
            continue
        line = np.linspace(true[start], true[start + factor], factor + 1)
        between = slice(1, factor)
        sag = np.abs(line - true[span])[between]
        # what is not seen at all is as wrong as the line
        miss = np.where(np.isfinite(ours[span]), np.abs(ours[span] - true[span]), np.abs(line - true[span]))[between]
        told = sag > SAG
        missed, sagged = missed + float(miss[told].sum()), sagged + float(sag[told].sum())
    return 1 - missed / sagged if sagged else math.nan


def _ghosts(case: Case, made: Video, factor: int) -> float:
    """How much foreground the frames between key frames show where none should be, over the true foreground."""
    true, ours = _foreground(case, case.video), _foreground(case, made)
    elsewhere = torch.where(true > 0, 0.0, ours).sum(dim=(1, 2))
    weight = true.sum(dim=(1, 2))
    between = torch.arange(len(true)) % factor > 0
    due = float(weight[between].sum())
    return float(elsewhere[between].sum()) / due if due else math.nan


def _heights(case: Case, video: Video) -> Float[np.ndarray, " frames"]:
    """How far down the foreground's middle is, in pixels; NaN where there is none."""
    weight = _foreground(case, video).double()
    rows = torch.arange(weight.shape[1]) + 0.5
    mass = weight.sum(dim=(1, 2))
    return torch.where(mass > 0, (weight.sum(2) * rows).sum(1) / mass.clamp(min=1e-9), torch.nan).numpy()


def _foreground(case: Case, video: Video) -> Float[Tensor, "frames height width"]:
    """How much each pixel differs from the scene without its bodies."""
    background = case.known.background
    assert background is not None
    away = (video - background.to(video)).abs().amax(dim=1)[0]
    return (away - SEEN).clamp(min=0)


def _gravity(verdict: Verdict) -> float:
    found = falls(gather(verdict.tracks, verdict.case.truth))
    return float(np.average([g for g, _ in found], weights=[n for _, n in found])) if found else math.nan


def _ratio(ours: float, theirs: float) -> float:
    """0 for what no longer falls where the real clip does."""
    if math.isnan(theirs):
        return math.nan
    return 0.0 if math.isnan(ours) else ours / theirs
