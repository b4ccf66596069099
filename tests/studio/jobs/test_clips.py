"""Progress of clips: every stage from nothing to all, clip by clip."""

from typing import Any

from framefall.progress import Events
from framefall.studio.jobs.clips import _staged
from framefall.studio.jobs.work import Progressed


def test_each_stage_goes_from_its_first_frame_to_its_last_for_every_clip(trained: Any) -> None:
    from framefall.cascade.request import Request
    from framefall.cascade.saved.checkpoint import load_cascade

    cascade, request = load_cascade(trained), Request(seed=1, count=2)

    def made() -> Events[list[Any]]:
        for one in request.one_by_one():
            yield from cascade.stream(one)
        return []

    told = [event for event in _staged(made(), cascade, request, "") if isinstance(event, Progressed)]
    for stage in ("base", "temporal_sr", "spatial_sr"):
        done = [event.done for event in told if event.stage == stage]
        assert done.count(1.0) >= 2  # once a clip
        half = done[: done.index(1.0) + 1]
        assert half == sorted(half) and half[0] > 0
    assert told[0].what.endswith("clip 1 of 2") and told[-1].what.endswith("clip 2 of 2")
