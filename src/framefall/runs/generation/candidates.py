"""Several clips of one prompt by the base alone, of which the one that does best what was asked is made whole.

Where a base is cheap beside the stages above it, this buys more than more steps do: what a base gets wrong it gets
wrong by chance, and most of it can be seen on its small clip (decision 58).
"""

from collections.abc import Mapping
from dataclasses import replace

from framefall.cascade.cascade import Cascade
from framefall.cascade.lengths import frame_counts
from framefall.cascade.request import Request
from framefall.physics.obedience import Obedience, obedience
from framefall.progress import Events, Note, Stepped
from framefall.tracking.tracker import track
from framefall.worlds.captions.phrases import said
from framefall.worlds.world import version_trained_on

TOGETHER = 8  # clips of a base that are made at once


def choose(request: Request, cascade: Cascade, count: int) -> Events[Request]:
    """The request with each of its clips under the name of the best of `count` candidates.

    A candidate is the clip of another name, that is of other noise, and the first is the clip as it would be: the
    request that comes back makes what was chosen again, like any other. Of equals the first is kept, and so it is where
    nothing can be judged.
    """
    if cascade.config.field is not None:
        raise ValueError(f"candidates are judged as videos, {cascade.config.name} makes fields; take candidates=1")
    names = []
    for place, clip in enumerate(request.one_by_one()):
        yield Stepped(place, len(request.captions), f"the best of {count} candidates")
        found = _drawn(clip, cascade, count)
        best = max(found, key=lambda name: found[name].rank)  # the first of equals
        yield Note(_sentence(clip.clips[0], best, found))
        names.append(best)
    return replace(request, names=tuple(names))


def _drawn(clip: Request, cascade: Cascade, count: int) -> dict[str, Obedience]:
    """What each candidate of a clip shows, by its name."""
    base, (own,), (caption,) = cascade.stages[0].name, clip.clips, clip.captions
    stated, version = said(caption or ""), version_trained_on(cascade.config.trained_on)
    frames, *_ = frame_counts(cascade.up_to(clip.until), clip)  # of the base, for the length that is asked for
    alone = replace(clip, frames=frames, seconds=None, until=base)
    names, found = [own, *(f"{own}/{other}" for other in range(1, count))], {}
    for first in range(0, count, TOGETHER):
        part = names[first : first + TOGETHER]
        videos = cascade.sample(replace(alone, prompt=(caption,) * len(part), names=tuple(part))).cpu()
        for name, video in zip(part, videos.split(1), strict=True):
            found[name] = obedience(track(video, cascade.fps(base)), stated, version)
    return found


def _sentence(clip: str, best: str, found: Mapping[str, Obedience]) -> str:
    if not any(one.measurable for one in found.values()):
        return f"clip {clip}: in none of {len(found)} candidates can things be followed, so the first is kept"
    first, *others = found
    kept = f"clip {clip}: candidate {[first, *others].index(best) + 1} of {len(found)} is kept, it shows {found[best]}"
    return kept if best == first else f"{kept}; the first {found[first]}"
