"""Clips of captions alone: does each show what was said, does it fall as the world falls, is it sharp and even?

No future is the right one here. What needs no future is judged without the scene, of the model's clips and of the
references' alike; these were shown the first frames of the scene that the caption is of, and the model was not.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from framefall.bench.guidance import batches
from framefall.bench.worlds.continuation import Found, over
from framefall.cascade.cascade import Cascade
from framefall.cascade.request import Quality, Request
from framefall.evaluate.metrics import coherence
from framefall.evaluate.metrics.cadence import cadence
from framefall.evaluate.metrics.sharpness import edge_sharpness
from framefall.evaluate.worldbench.benchmark import Case, Predictor, Protocol, cases
from framefall.flow import look
from framefall.metric import interval
from framefall.physics.evidence import gather
from framefall.physics.flight import falls
from framefall.physics.laws import laws
from framefall.physics.obedience import obedience
from framefall.progress import Events, Stepped
from framefall.runs.generation.candidates import choose
from framefall.tracking.tracker import track
from framefall.video import Video
from framefall.worlds.captions.sentences import describe

SAMPLES = 4  # clips of a caption
DRAFTS = 8  # of the base, of which the best is made whole
SHOWN = ("renderer", "nearest_training", "constant_acceleration")  # references


@dataclass
class Spoken:
    """What is measured of clips of captions."""

    columns: dict[str, list[float]] = field(default_factory=dict)
    gravities: list[float] = field(default_factory=list)  # picture heights a second squared
    ranks: list[tuple[float, int]] = field(default_factory=list)  # what a chooser among clips goes by, highest first

    def add(self, case: Case, video: Video) -> None:
        """Reads a clip of a case's caption, as if nothing else were known of it."""
        protocol, said = case.protocol, case.log.scene.attributes
        tracks = track(video, protocol.fps)
        found = laws(tracks, None, said, ("adherence", "permanence"), protocol.version)
        share = found["adherence"].value
        self.gravities += [g / protocol.size for g, _ in falls(gather(tracks, None, said))]
        self.put("caption_exact", float(share >= 1))  # what cannot be followed is NaN: it shows nothing that was said
        self.put("adherence", share)
        self.put("permanence", found["permanence"].value)
        self.ranks.append(obedience(tracks, said, protocol.version).rank)
        self.look(video, protocol.fps)

    def look(self, video: Video, fps: float) -> None:
        """Reads what a clip looks like, whatever it is of."""
        motion = look(video, fps)
        self.put("flicker", coherence.flicker(motion))
        self.put("stutter", cadence(motion.frames).stutter)
        self.put("sharpness", edge_sharpness(motion.frames))

    def put(self, name: str, value: float) -> None:
        """One more value of a column."""
        self.columns.setdefault(name, []).append(value)

    def best_of(self, together: int, seed: int) -> Found:
        """What is measured if of each clip `together` places apart, which are of one caption, the best is kept.

        The chooser looks at the tracks that the score is read off, so that this is what it can see, and no more.
        """
        apart = len(self.ranks) // together
        groups = [range(first, len(self.ranks), apart) for first in range(apart)]
        kept = [max(group, key=self.ranks.__getitem__) for group in groups]
        names = ("caption_exact", "adherence", "permanence")
        return {name: interval([self.columns[name][one] for one in kept], seed) for name in names}


def spoken(
    cascade: Cascade, protocol: Protocol, split: str, simple: Mapping[str, Predictor], quality: Quality
) -> Events[tuple[Found, list[tuple[str, Video]]]]:
    """`SAMPLES` clips of each caption by the first stage, and the references' of each; and the clips that were made.

    A quarter as many captions as the split has clips, so about as many clips in all.
    """
    given = _cases(protocol, split)
    read = {name: Spoken() for name in ("model", *SHOWN)}
    made: list[tuple[str, Video]] = []
    for case in given:
        for name in SHOWN:
            read[name].add(case, simple[name](case))
    stage = cascade.stages[0].name
    for sample in range(SAMPLES):
        yield Stepped(sample, SAMPLES, f"{split}: captions alone")
        for batch in batches(given):
            request = replace(_request(batch, quality, protocol.seed + sample), frames=batch[0].frames, until=stage)
            for case, video in zip(batch, cascade.sample(request).cpu().split(1), strict=True):
                read["model"].add(case, video)
                made.append((f"{case.name}/{sample}", video))
    from scipy.stats import ks_2samp  # which loads most of scipy

    tables: dict[str, Found] = {
        name: {column: interval(values, protocol.seed) for column, values in one.columns.items()}
        for name, one in read.items()
    }
    ours, theirs = read["model"].gravities, read["renderer"].gravities
    same = ks_2samp(ours, theirs) if min(len(ours), len(theirs)) > 3 else None
    tables["model"] |= {
        f"best_of_{SAMPLES}": read["model"].best_of(SAMPLES, protocol.seed),
        "gravity_ks": None if same is None else float(same.statistic),
        "gravities": {"model": _middle(ours), "world": _middle(theirs)},
    }
    return {**tables["model"], "references": tables}, made


def finished(cascade: Cascade, protocol: Protocol, simple: Mapping[str, Predictor], quality: Quality) -> Events[Found]:
    """A clip of each caption of the id split by the whole cascade, beside the same scenes at its size and rate.

    What they show of their captions is read off them as they are, of the first draft and of the best of `DRAFTS`: what
    chose among these has seen the base's small clips alone.
    """
    shape, step = cascade.stages[-1].config.shape, math.prod(one.task.time_factor for one in cascade.stages)
    space = math.prod(one.task.space_factor for one in cascade.stages)
    frames = next(one.config.shape.frames for one in reversed(cascade.stages) if not one.task.crops)
    dense = replace(
        protocol,
        frames=frames,
        fps=shape.fps,
        size=protocol.size * space,
        given=(protocol.given - 1) * step + 1,  # as long
    )
    read = {name: Spoken() for name in ("model", *SHOWN[:2])}
    small = [(case, Case(case.name, case.split, case.log, dense)) for case in _cases(protocol, "id")]
    drafted: dict[str, list[float]] = {}  # shares of the attributes that finished clips show
    for place, (case, large) in enumerate(small):
        yield Stepped(place, len(small), "captions alone, the whole cascade")
        request = replace(_request([case], quality, protocol.seed), frames=large.frames)
        video = cascade.sample(request).cpu()
        read["model"].look(video, shape.fps)
        chosen = yield from choose(request, cascade, DRAFTS)
        best = video if chosen.clips == request.clips else cascade.sample(chosen).cpu()
        for name, clip in (("one", video), (f"best_of_{DRAFTS}", best)):
            shown = obedience(track(clip, shape.fps), case.log.scene.attributes, protocol.version)
            drafted.setdefault(name, []).append(shown.rank[0])
        for name in SHOWN[:2]:
            read[name].look(simple[name](large), shape.fps)
    real = read["renderer"].columns
    tables = {
        name: {
            f"{column}_over_real": over(values, real[column], protocol.seed) for column, values in one.columns.items()
        }
        for name, one in read.items()
    }
    said = {
        name: {
            "caption_exact": interval([float(share >= 1) for share in shares], protocol.seed),
            "adherence": interval(shares, protocol.seed),
        }
        for name, shares in drafted.items()
    }
    return {**tables["model"], **said, "references": tables}


def _cases(protocol: Protocol, split: str) -> list[Case]:
    return list(cases(replace(protocol, clips=max(1, protocol.clips // SAMPLES)), split))


def _request(batch: Sequence[Case], quality: Quality, seed: int) -> Request:
    captions, names = tuple(describe(case.log.scene) for case in batch), tuple(case.name for case in batch)
    return Request(captions, quality=quality, seed=seed, names=names)


def _middle(values: Sequence[float]) -> Found:
    return {"median": float(np.median(values)) if values else None, "n": len(values)}
