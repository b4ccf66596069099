"""What a stage is, beside its weights: what cannot work is refused before it is built."""

from dataclasses import replace
from inspect import unwrap
from math import nan

import pytest
import torch

from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import Sampling
from framefall.cascade.tasks import Base
from framefall.diffusion.process import RectifiedFlow
from framefall.diffusion.samplers import SAMPLERS
from framefall.models.convnet import ConvNetConfig
from framefall.models.interpolator import InterpolatorConfig
from framefall.models.transformer import TransformerConfig
from framefall.video import VideoShape

WRONG = [
    ("base", {"task": Base(known=8)}, "known first frames must be fewer than the stage's 8, got 8; try 3"),
    ("base", {"task": Base(known=-1)}, "known first frames must be fewer than the stage's 8, got -1; try 3"),
    (
        "base",
        {"task": Base(known="any")},
        r"base needs a backbone with 4 channels of conditioning .*, got 0; try kind='tr",
    ),
    ("base", {"task": Base(known=2)}, r"base needs a backbone with 4 channels of conditioning .*, got 0; try kind='tr"),
    ("base", {"prediction": "noise"}, "a prediction must determine x0 at t = 1, got 'noise'"),
    ("base", {"process": "magic"}, "process must be one of rectified_flow, cosine, edm; got 'magic'"),
    ("base", {"shape": VideoShape(channels=1)}, "backbone and shape must agree on channels, got 3 and 1; set both"),
    ("base", {"backbone": ConvNetConfig()}, "base needs a backbone with 0 channels .* got 3; try kind='transformer'"),
    ("spatial_sr", {"process": "edm"}, "a bridge needs a path that ends without data, and x0; got process='edm'"),
    ("spatial_sr", {"prediction": "velocity"}, "a bridge needs .* prediction='velocity'; try rectified_flow and x0"),
    ("spatial_sr", {"backbone": TransformerConfig()}, "spatial_sr needs a backbone with 3 .* 0; try kind='convnet'"),
    ("spatial_sr", {"backbone": InterpolatorConfig()}, "spatial_sr needs a backbone with 3 .* 7; try kind='convnet'"),
    ("temporal_sr", {"backbone": ConvNetConfig()}, "temporal_sr needs .* 7 channels .* 3; try kind='interpolator'"),
]


@pytest.mark.parametrize(("name", "change", "sentence"), WRONG)
def test_a_stage_that_cannot_work_is_refused_in_one_sentence(configs, name, change, sentence):
    with pytest.raises(ValueError, match=sentence) as refused:
        replace(configs[name], **change)
    assert "\n" not in str(refused.value)


def test_impossible_sampling_is_refused(base):
    with pytest.raises(ValueError, match="steps must be a whole number of at least 1, got 0"):
        Sampling(steps=0)
    for name, wrong in (("shift", 0.0), ("shift", nan), ("low_res_noise", 1.5), ("low_res_noise", nan)):
        with pytest.raises(ValueError, match=f"{name} must be a finite number .* got {wrong}"):
            Sampling(**{name: wrong})
    with pytest.raises(ValueError, match=r"sampler must be one of euler, .*; got 'magic'"):
        Sampling(sampler="magic")
    with pytest.raises(ValueError, match="quality must be fast or best, got 'good'"):
        unwrap(Stage.sampling)(base, "good")  # as a user would: without the type checks of the tests
    assert base.sampling("best") is base.config.best and base.sampling("fast") is base.config.fast


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_times_that_are_counted_are_those_that_a_network_is_asked_at(sampler):
    sampling, seen = Sampling(steps=5, sampler=sampler, shift=3.0), []

    def denoise(x, t):
        seen.append(float(t[0]))
        return 0.5 * x

    start = torch.ones(1, 3, 2, 4, 4, dtype=torch.float64)
    list(SAMPLERS[sampler](denoise, RectifiedFlow(), start, sampling.times(), lambda draw: start))
    assert sorted(sampling.asked) == pytest.approx(sorted(seen)) and len(seen) == sampling.calls
