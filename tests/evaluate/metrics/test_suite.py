import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from framefall.evaluate.metrics import coherence
from framefall.evaluate.metrics.observed import ObservedClip
from framefall.evaluate.metrics.suite import METRICS, measure, protocol, score_rows
from framefall.physics.laws import LAWS


def noise(video: Tensor) -> Tensor:
    return (video + 0.2 * torch.randn(video.shape, generator=torch.Generator().manual_seed(1))).clamp(-1, 1)


def blink(video: Tensor) -> Tensor:
    return video * 0.8 + 0.1 * (torch.arange(video.shape[2]) % 2)[:, None, None]


def hold(video: Tensor) -> Tensor:
    return video[:, :, [frame - frame % 3 for frame in range(video.shape[2])]]


def still(video: Tensor) -> Tensor:
    return video[:, :, :1].expand_as(video)


def clip(frames: int = 6, seed: int = 0) -> Tensor:
    """A still scene of soft blobs."""
    coarse = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    scene = torch.nn.functional.interpolate(coarse, (48, 48), mode="bicubic").clamp(0, 1) * 1.6 - 0.8
    return scene[:, :, None].expand(-1, -1, frames, -1, -1)


def drift(frames: int = 12) -> Tensor:
    """Blobs that drift two pixels a frame."""
    coarse = torch.rand(1, 3, 8, 16, generator=torch.Generator().manual_seed(3))
    wide = torch.nn.functional.interpolate(coarse, (64, 128), mode="bicubic").clamp(0, 1) * 1.6 - 0.8
    return torch.stack([wide[..., 2 * frame : 2 * frame + 64] for frame in range(frames)], dim=2)


@dataclass(frozen=True)
class Case:
    """What a metric must find perfect, and what it must punish."""

    ideal: float
    tolerance: float
    punish: Callable[[Tensor], Tensor]
    at_least: float  # how much worse than ideal the punished clip must be
    good: Callable[[], Tensor] = clip


def twos(video: Tensor) -> Tensor:
    return video[:, :, [frame - frame % 2 for frame in range(video.shape[2])]]


KNOWN = {
    "psnr": Case(100.0, 0.0, noise, at_least=70.0),
    "ssim": Case(1.0, 1e-6, noise, at_least=0.2),
    "flicker": Case(0.0, 0.0, blink, at_least=0.04),
    "luminance_flicker": Case(0.0, 0.0, blink, at_least=0.04),
    "warp_error": Case(0.0, 0.0, blink, at_least=1e-3),
    "unevenness": Case(0.0, 0.05, hold, at_least=0.3, good=drift),
    "stutter": Case(1.0, 0.0, twos, at_least=9.0, good=drift),
    "cadence": Case(0.0, 0.0, hold, at_least=0.9, good=drift),
    "dynamic_degree": Case(2 * 8 / 64, 0.03, still, at_least=0.2, good=drift),  # 2 pixels of 64, 8 times a second
    "dynamic_ratio": Case(1.0, 1e-6, still, at_least=0.9, good=drift),
    "repeated_frames": Case(0.0, 0.0, hold, at_least=0.5, good=drift),
    "longest_still": Case(0.0, 0.0, still, at_least=0.9, good=drift),
    "tof": Case(0.0, 1e-6, still, at_least=0.5, good=drift),
    "frame_consistency": Case(1.0, 1e-3, noise, at_least=0.02),
    "tfd": Case(0.0, 1e-6, noise, at_least=0.1),
}


def test_every_metric_but_the_laws_has_its_known_answer_here() -> None:
    assert KNOWN.keys() == METRICS.keys() - LAWS.keys()


@pytest.mark.parametrize("name", KNOWN)
def test_a_metric_knows_the_perfect_and_punishes_the_bad(name: str) -> None:
    metric, case = METRICS[name], KNOWN[name]
    good, bad = ObservedClip(case.good(), 8.0), ObservedClip(case.punish(case.good()), 8.0)
    references = [good] if metric.needs_reference else []
    perfect, punished = metric.function(good, *references), metric.function(bad, *references)
    assert perfect == pytest.approx(case.ideal, abs=case.tolerance)
    worse = abs(math.log(max(punished, 1e-9))) if metric.better == "one" else punished - perfect
    assert worse * (-1 if metric.better == "higher" else 1) >= case.at_least


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_says_how_to_read_it(name: str) -> None:
    metric = METRICS[name]
    assert metric.name == name and metric.unit and metric.better in ("lower", "higher", "one")
    assert metric.description and "\n" not in metric.description


def test_without_references_only_what_needs_none_is_measured() -> None:
    (scores,) = measure([("a", clip(), 8.0)])
    assert scores.scores.keys() == {name for name, metric in METRICS.items() if not metric.needs_reference}


def test_a_clip_is_compared_with_the_reference_of_its_name() -> None:
    clips = [("a", clip(seed=1), 8.0), ("b", clip(seed=2), 8.0), ("alone", clip(seed=3), 8.0)]
    scores = list(measure(clips, references={"b": clip(seed=2), "a": clip(seed=1)}))
    assert [one.scores["psnr"] for one in scores[:2]] == [100.0, 100.0]
    assert math.isnan(scores[2].scores["psnr"])


def test_what_cannot_be_measured_is_counted_and_not_dropped() -> None:
    scores = list(measure([("moving", drift(), 8.0), ("one frame", clip(frames=1), 8.0)]))
    row = next(row for row in score_rows(scores) if row.metric == "flicker")
    assert (row.n, row.clips) == (1, 2) and row.value == scores[0].scores["flicker"]
    assert math.isnan(row.per_clip["one frame"])


def test_the_floor_is_what_real_clips_score_themselves() -> None:
    real = list(measure([("r1", blink(drift()), 8.0), ("r2", drift(), 8.0)]))
    table = {row.metric: row for row in score_rows(list(measure([("a", drift(), 8.0)], {})), real)}
    expected = (real[0].scores["flicker"] + real[1].scores["flicker"]) / 2
    assert table["flicker"].floor == pytest.approx(expected) and expected > 0
    assert math.isnan(table["psnr"].floor)  # a reference is not compared with itself


def test_threads_change_nothing(workers: int = 3) -> None:
    clips = [(str(seed), drift(5) if seed % 2 else clip(4, seed), 8.0) for seed in range(4)]
    alone, together = list(measure(clips)), list(measure(clips, workers=workers))
    assert [one.name for one in together] == [str(seed) for seed in range(4)]
    for one, other in zip(alone, together, strict=True):
        assert one.scores == pytest.approx(other.scores, nan_ok=True)


def test_a_frozen_clip_wins_nothing() -> None:
    (frozen,) = measure([("frozen", still(drift()), 8.0)])
    for name in ("flicker", "luminance_flicker", "warp_error", "frame_consistency", "stutter", "cadence"):
        assert math.isnan(frozen.scores[name])
        assert "nothing happens" in frozen.reasons[name]
    (moving,) = measure([("moving", drift(), 8.0)])
    assert moving.scores["flicker"] >= 0


def test_two_clips_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="name of its own, got 'a' twice; rename"):
        list(measure([("a", clip(), 8.0), ("a", clip(), 8.0)]))


def test_a_reference_of_another_length_is_refused_by_the_name_of_its_clip() -> None:
    with pytest.raises(ValueError, match="clip a: a video and its reference must have one shape"):
        list(measure([("a", clip(5), 8.0)], {"a": clip(6)}))


def test_a_batch_is_not_a_clip() -> None:
    with pytest.raises(ValueError, match="batch 2; split"):
        list(measure([("a", clip().repeat(2, 1, 1, 1, 1), 8.0)]))


def test_the_protocol_changes_with_a_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    before = protocol()
    assert before == protocol() and len(before) == 16
    monkeypatch.setattr(coherence, "STILL", 0.4)
    assert protocol() != before
