"""Ensemble forecasts of fields against what came: scores by channel, beside persistence and the ensemble's own mean."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from framefall.data.fields import formats
from framefall.data.fields.field import Field
from framefall.data.fields.folder import is_fields
from framefall.data.fields.recording import Recording
from framefall.evaluate.sets.ensemble import EnsembleScores, flatness, score
from framefall.jsonable import jsonable
from framefall.progress import Events, Note, Stepped, operation


@dataclass(frozen=True, kw_only=True)
class ChannelScores:
    """One quantity's scores over all forecasts."""

    name: str
    units: str
    scores: EnsembleScores
    persistence: float | None  # the mean absolute error, which is the CRPS, of the last given frame; None: none is
    by_lead: list[float] = field(default_factory=list)  # the CRPS of each frame after the given ones


@dataclass(frozen=True, kw_only=True)
class ForecastScores:
    """Scores of all channels."""

    channels: list[ChannelScores]
    members: int
    forecasts: int
    given: int  # first frames that are the same in all members, and are not scored

    def __str__(self) -> str:
        head = f"{self.forecasts} forecasts of {self.members} members; the first {self.given} frames are given"
        lines = [head, f"{'':24}{'CRPS':>10}{'mean':>10}{'persists':>10}{'spread/skill':>14}{'ranks moved':>13}"]
        for one in self.channels:
            name = f"{one.name} ({one.units})" if one.units else one.name
            persists = "" if one.persistence is None else f"{one.persistence:.4g}"
            own = one.scores
            lines.append(
                f"{name:24}{own.crps:10.4g}{own.mean_error:10.4g}{persists:>10}{own.spread_skill:14.3f}"
                f"{flatness(np.array(own.ranks)):13.1%}"
            )
        return "\n".join(lines) + "\n"

    def values(self, **facts: Any) -> dict[str, Any]:
        """All of it as JSON has it; `facts` come first."""
        return dict(jsonable({**facts, **asdict(self)}))


@operation
def assess_forecasts(forecasts: str | Path, reference: str | Path) -> Events[ForecastScores]:
    """Forecasts, a file of members each, against recordings of what came, of the same names where there are several.

    Frames are compared at the times that both have. First frames that are the same in all members are those that were
    given: they are not scored, and the last of them is what persistence says. Raises `ValueError` for what does not go
    together.
    """
    pairs = _pairs(Path(forecasts), Path(reference))
    ensembles, truths, about, given = list[np.ndarray](), list[np.ndarray](), list[Field](), set[int]()
    for done, (ours, theirs) in enumerate(pairs, 1):
        members, (truth, *more) = formats.recordings(ours), formats.recordings(theirs)
        if more:
            raise ValueError(f"{theirs} must be one recording, and has {len(more) + 1} members; select one")
        values, came = _together(members, truth.of(members[0].field, theirs.name, ours.name), ours, theirs)
        ensembles.append(values)
        truths.append(came)
        about.append(members[0].field)
        alike = (values == values[:1]) | np.isnan(values)
        given.add(int(alike.all(axis=(0, 1, 3, 4)).cumprod().sum()))
        yield Stepped(done, len(pairs), ours.name)
    if len({(one.shape[0], one.shape[2]) for one in ensembles}) > 1 or len(given) > 1:
        raise ValueError("all forecasts must have as many members, frames and given frames; score them apart")
    (first,) = given
    if first == ensembles[0].shape[2]:
        raise ValueError(f"members must differ, and those of {pairs[0][0]} are all the same; make them with --count")
    if len(pairs) == 1:
        yield Note("one forecast alone says little of how far its spread can be trusted; score some tens")
    wide, came = np.stack(ensembles, axis=1), np.stack(truths)  # members forecasts channels frames height width
    channels = []
    for index, channel in enumerate(about[0].channels):
        own, truth_of = wide[:, :, index, first:], came[:, index, first:]
        last = came[:, index, first - 1 : first] if first else None
        error = None if last is None else float(np.nanmean(np.abs(truth_of - last)))
        by_lead = [score(own[:, :, lead], truth_of[:, lead]).crps for lead in range(own.shape[2])]
        channels.append(
            ChannelScores(
                name=channel.name,
                units=channel.units,
                scores=score(own, truth_of),
                persistence=error,
                by_lead=by_lead,
            )
        )
    return ForecastScores(channels=channels, members=len(wide), forecasts=len(pairs), given=first)


def _pairs(forecasts: Path, reference: Path) -> list[tuple[Path, Path]]:
    """Files that belong together: two files, or those of one name in two folders."""
    for path in (forecasts, reference):
        if not is_fields(path):
            raise ValueError(f"a forecast is scored against a recording, {path} is no field; name {formats.NAMES}")
    if formats.format_of(forecasts) is not None:
        return [(forecasts, reference if formats.format_of(reference) else reference / forecasts.name)]
    ours = sorted(one for one in forecasts.iterdir() if formats.format_of(one) is not None)
    missing = next((one.name for one in ours if not (reference / one.name).exists()), None)
    if missing is not None or not ours:
        raise ValueError(f"{reference} must have a recording for each forecast, and has none named {missing}; add it")
    return [(one, reference / one.name) for one in ours]


def _together(members: list[Recording], truth: Recording, ours: Path, theirs: Path) -> tuple[np.ndarray, np.ndarray]:
    """The members and what came, physical, at the times that both have."""
    times, came = members[0].times, truth.times
    close = 0.01 * (members[0].field.clock.step or 1.0)
    pairs = [(at, int(np.abs(came - time).argmin())) for at, time in enumerate(times)]
    pairs = [(at, there) for at, there in pairs if abs(came[there] - times[at]) <= close]
    if not pairs:
        raise ValueError(f"{ours.name} and {theirs.name} must have times in common, and have none; cut out the same")
    if members[0].size != truth.size:
        height, width = members[0].size
        raise ValueError(f"{theirs.name} must be of the forecast's {width}x{height}; bring it to that grid")
    mine, yours = (np.array(one, float) for one in zip(*pairs, strict=True))
    return np.stack([one.at(mine) for one in members]), truth.at(yours)
