import copy
import math
from dataclasses import fields

import pytest
import torch

from framefall.config import from_dict, from_json, to_dict
from framefall.diffusion.guidance import dynamic_threshold, guided
from framefall.diffusion.guidance_config import Guidance, Sides, strengthened
from framefall.diffusion.times import grid

TIMES = grid(8)
EVERYWHERE = {"interval": (0.0, 1.0), "rescale": 0.0}
NAMES = (
    "full",
    "without_text",
    "per_frame",
    "per_frame_without_text",
    "without_history",
    "weaker",
    "without_structure",
    "without_content",
)


def video(seed: int) -> torch.Tensor:
    return 0.5 * torch.randn(2, 3, 4, 4, 4, generator=torch.Generator().manual_seed(seed))


def sides(*names: str) -> tuple[Sides, list[str]]:
    """Each side says a video of its own, and is heard."""
    heard: list[str] = []

    def side(name: str):
        def denoise(x_t, t):
            heard.append(name)
            return video(NAMES.index(name))

        return denoise

    return Sides(**{name: side(name) for name in names or NAMES}), heard


def said(guidance: Guidance, *names: str, t: float = 0.5) -> tuple[torch.Tensor, list[str]]:
    some, heard = sides(*names)
    return strengthened(guidance, some, TIMES)(video(9), torch.full((2,), t)), sorted(heard)


def settings(**values: object) -> Guidance:
    """Guidance as a user makes it: without the type checks of the tests, which would refuse some of it before."""
    guidance = copy.copy(Guidance())
    for name, value in values.items():
        object.__setattr__(guidance, name, value)
    guidance.__post_init__()
    return guidance


def test_by_default_nothing_acts_and_the_network_is_asked_once():
    some, _ = sides("full", "without_text", "per_frame", "without_history")
    assert strengthened(Guidance(), some, TIMES) is some.full
    assert Guidance().calls == 1


ALONE = {
    "scale": ("full", "without_text"),
    "temporal_scale": ("full", "per_frame"),
    "history_scale": ("full", "without_history"),
    "weaker_scale": ("full", "weaker"),
    "structure_scale": ("full", "without_structure"),
    "content_scale": ("full", "without_content"),
}


@pytest.mark.parametrize("name", ALONE)
def test_each_scale_walks_from_its_weaker_side_through_the_stronger(name):
    strong, weak = (video(NAMES.index(side)) for side in ALONE[name])
    off = {} if name == "weaker_scale" else {"weaker_scale": 1.0}
    for scale, expected in ((0.0, weak), (1.0, strong)):
        x0, heard = said(Guidance(**{name: scale}, **off, **EVERYWHERE))
        assert torch.equal(x0, expected) and heard == (["full"] if scale == 1 else sorted(ALONE[name]))
    x0, _ = said(Guidance(**{name: 2.5}, **off, **EVERYWHERE))
    torch.testing.assert_close(x0, weak + 2.5 * (strong - weak))
    absent, heard = said(Guidance(**{name: 2.5}, **off, **EVERYWHERE), "full")  # a side that a model has not
    assert torch.equal(absent, strong) and heard == ["full"]
    outside, heard = said(Guidance(**{name: 2.5}, **off, interval=(0.6, 0.9)))
    assert torch.equal(outside, strong) and heard == ["full"]


def test_classifier_free_guidance_is_what_it_was_to_the_bit():
    guidance = Guidance(scale=2.5, rescale=0.7)
    old = guided(lambda x, t: video(0), lambda x, t: video(1), scale=2.5, interval=(0.1, 0.9), rescale=0.7)
    assert torch.equal(said(guidance, "full", "without_text")[0], old(video(9), torch.full((2,), 0.5)))


def test_with_captions_consistency_in_time_is_that_of_gen_1():
    x0, heard = said(Guidance(scale=2.5, temporal_scale=1.5, weaker_scale=1.0, **EVERYWHERE))
    clip, null, frame = video(0), video(1), video(3)
    torch.testing.assert_close(x0, frame + 1.5 * (null - frame) + 2.5 * (clip - null))
    assert heard == ["full", "per_frame_without_text", "without_text"]
    conditional = clip + 1.5 * (clip - null) + 0.5 * (clip - video(2))
    assert (x0 - conditional).abs().max() > 0.1  # the control: the frames of the caption are others


def test_all_together_add_up_in_one_call_a_side():
    guidance = Guidance(scale=2.0, temporal_scale=1.5, history_scale=1.3, weaker_scale=1.2, **EVERYWHERE)
    x0, heard = said(guidance)
    full, null, _, frame, forgetful, weak = map(video, range(6))
    sum_ = full + (full - null) + 0.5 * (null - frame) + 0.3 * (full - forgetful) + 0.2 * (full - weak)
    torch.testing.assert_close(x0, sum_)
    assert len(heard) == len(set(heard)) == 5


def test_an_oscillating_scale_follows_the_samplers_times():
    guidance = Guidance(scale=4.0, oscillate=(1.0, 2), **EVERYWHERE)
    heard = [said(guidance, "full", "without_text", t=float(time))[1] for time in TIMES[:-1]]
    assert [len(one) for one in heard] == [2, 2, 1, 2, 1, 2, 1, 2]
    high = said(Guidance(scale=4.0, **EVERYWHERE), "full", "without_text")[0]
    assert torch.equal(said(guidance, "full", "without_text", t=float(TIMES[3]))[0], high)


def test_the_threshold_comes_last():
    loud = Guidance(scale=9.0, **EVERYWHERE)
    x0, _ = said(Guidance(scale=9.0, threshold=95.0, **EVERYWHERE), "full", "without_text")
    assert torch.equal(x0, dynamic_threshold(said(loud, "full", "without_text")[0], 95.0))
    assert x0.abs().max() == 1 and said(loud, "full", "without_text")[0].abs().max() > 2  # the control


@pytest.mark.parametrize("shape", [(2,), (2, 4)])
def test_both_shapes_of_time_are_taken(shape):
    guidance = Guidance(scale=2.0, temporal_scale=1.5, threshold=99.0, oscillate=(1.0, 0))
    some, _ = sides()
    x0 = strengthened(guidance, some, TIMES)(video(9), torch.full(shape, 0.45))
    assert torch.equal(x0, strengthened(guidance, some, TIMES)(video(9), torch.full((2,), 0.45)))


def test_calls_are_counted():
    assert Guidance(scale=2.5).calls == 2 and Guidance(scale=2.5, temporal_scale=1.5).calls == 3
    assert Guidance(temporal_scale=0.0).calls == 2 and Guidance(oscillate=(1.0, 3)).calls == 1
    assert Guidance(oscillate=(2.0, 3)).calls == 2  # high is 1, low is not


BAD = [math.nan, math.inf, -math.inf, True, -0.5, 1e9, "2", None]
WITHIN = " of at least 0 and at most"
SCALES = ("scale", "temporal_scale", "history_scale", "weaker_scale")
REFUSED = [
    *(({name: value}, f"{name} must be a finite number{WITHIN} 100, got") for name in SCALES for value in BAD),
    *(({"rescale": value}, "rescale must be a finite number of at least 0 and at most 1, got") for value in BAD),
    *(({"threshold": value}, "threshold must be a finite number above 0 and at most 100, got") for value in BAD[:-1]),
    *(({"interval": (0.1, value)}, "each time of interval must be a finite number") for value in BAD),
    ({"interval": (0.9, 0.1)}, r"interval must rise within 0\.\.1"),
    ({"interval": 0.5}, "interval must be a tuple of two times"),
    *(({"oscillate": (value, 4)}, "the low scale of oscillate must be a finite number") for value in BAD),
    *(({"oscillate": (1.0, value)}, "the first steps of oscillate must be a whole number") for value in (*BAD, 2.5)),
    ({"oscillate": 4}, "oscillate must be a tuple of the low scale and the first steps"),
]  # fmt: skip


@pytest.mark.parametrize(("values", "sentence"), REFUSED, ids=lambda one: str(one)[:40])
def test_what_is_no_number_of_its_range_is_refused_in_one_sentence(values, sentence):
    with pytest.raises(ValueError, match=sentence) as refused:
        settings(**values)
    assert "\n" not in str(refused.value)


def test_the_ends_of_the_ranges_are_taken():
    ends = {"scale": 100, "temporal_scale": 0, "history_scale": 0.0, "rescale": 1, "threshold": 100, "interval": (0, 1)}
    assert settings(**ends, oscillate=(0, 0)).scale == 100


def test_it_is_part_of_a_config():
    full = Guidance(scale=2.5, threshold=99.5, oscillate=(1.0, 4), temporal_scale=1.2)
    assert from_dict(Guidance, to_dict(full)) == full and {field.name for field in fields(Guidance)} == set(
        to_dict(full)
    )
    for text in ('{"scale": NaN}', '{"scale": true}', '{"oscillate": [1.0, 2.5]}', '{"interval": [0.1, Infinity]}'):
        with pytest.raises(ValueError, match="does not fit Guidance"):
            from_json(Guidance, text)
