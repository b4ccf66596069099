import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from framefall.evaluate.suite import METRICS, measure, protocol, rows


@dataclass(frozen=True)
class Case:
    """What a metric must find perfect, and what it must punish."""

    ideal: float
    tolerance: float
    punish: Callable[[Tensor], Tensor]
    at_least: float  # how much worse than ideal the punished clip must be


def noise(video: Tensor) -> Tensor:
    return (video + 0.2 * torch.randn(video.shape, generator=torch.Generator().manual_seed(1))).clamp(-1, 1)


def blink(video: Tensor) -> Tensor:
    return video * 0.8 + 0.1 * (torch.arange(video.shape[2]) % 2)[:, None, None]


KNOWN = {
    "psnr": Case(100.0, 0.0, noise, at_least=70.0),
    "ssim": Case(1.0, 1e-6, noise, at_least=0.2),
    "flicker": Case(0.0, 0.0, blink, at_least=0.04),
    "luminance_flicker": Case(0.0, 0.0, blink, at_least=0.04),
}


def clip(frames: int = 6, seed: int = 0) -> Tensor:
    """A still scene of soft blobs."""
    coarse = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    scene = torch.nn.functional.interpolate(coarse, (48, 48), mode="bicubic").clamp(0, 1) * 1.6 - 0.8
    return scene[:, :, None].expand(-1, -1, frames, -1, -1)


def test_every_metric_has_a_known_answer() -> None:
    assert KNOWN.keys() == METRICS.keys()


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_knows_the_perfect_and_punishes_the_bad(name: str) -> None:
    metric, case, good = METRICS[name], KNOWN[name], clip()
    references = [good] if metric.needs_reference else []
    perfect = metric.function(good, *references).item()
    bad = metric.function(case.punish(good), *references).item()
    assert perfect == pytest.approx(case.ideal, abs=case.tolerance)
    assert (bad - perfect) * (1 if metric.better == "lower" else -1) >= case.at_least


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_says_how_to_read_it(name: str) -> None:
    metric = METRICS[name]
    assert metric.name == name and metric.unit and metric.better in ("lower", "higher")
    assert metric.description and "\n" not in metric.description


def test_without_references_only_what_needs_none_is_measured() -> None:
    (scores,) = measure([("a", clip(), 8.0)])
    assert scores.scores.keys() == {name for name, metric in METRICS.items() if not metric.needs_reference}


def test_a_clip_is_compared_with_the_reference_of_its_name() -> None:
    clips = [("a", clip(seed=1), 8.0), ("b", clip(seed=2), 8.0), ("alone", clip(seed=3), 8.0)]
    scores = measure(clips, references={"b": clip(seed=2), "a": clip(seed=1)})
    assert [one.scores["psnr"] for one in scores[:2]] == [100.0, 100.0]
    assert math.isnan(scores[2].scores["psnr"])


def test_what_cannot_be_measured_is_counted_and_not_dropped() -> None:
    scores = measure([("still", clip(), 8.0), ("one frame", clip(frames=1), 8.0)])
    row = next(row for row in rows(scores) if row.metric == "flicker")
    assert (row.n, row.clips, row.value) == (1, 2, 0.0)
    assert math.isnan(row.per_clip["one frame"])


def test_the_floor_is_what_real_clips_score_themselves() -> None:
    real = measure([("r1", blink(clip()), 8.0), ("r2", clip(), 8.0)])
    table = {row.metric: row for row in rows(measure([("a", clip(), 8.0)], {}), real)}
    expected = (real[0].scores["flicker"] + 0.0) / 2
    assert table["flicker"].floor == pytest.approx(expected) and expected > 0
    assert math.isnan(table["psnr"].floor)  # a reference is not compared with itself


def test_two_clips_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="name of its own, got 'a' twice; rename"):
        measure([("a", clip(), 8.0), ("a", clip(), 8.0)])


def test_a_reference_of_another_length_is_refused_by_the_name_of_its_clip() -> None:
    with pytest.raises(ValueError, match="clip a: a video and its reference must have one shape"):
        measure([("a", clip(5), 8.0)], {"a": clip(6)})


def test_a_batch_is_not_a_clip() -> None:
    with pytest.raises(ValueError, match="batch 2; split"):
        measure([("a", clip().repeat(2, 1, 1, 1, 1), 8.0)])


def test_the_protocol_changes_with_a_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    before = protocol()
    assert before == protocol() and len(before) == 16
    monkeypatch.setattr("framefall.evaluate.coherence.STILL", 0.4)
    assert protocol() != before
