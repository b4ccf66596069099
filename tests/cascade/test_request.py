import copy
import math
from dataclasses import FrozenInstanceError

import pytest
import torch

from examples import examples
from framefall.cascade.known import Known
from framefall.cascade.request import Request
from framefall.diffusion.guidance_config import Guidance

NAN, INF = math.nan, math.inf
NUMBERS = torch.arange(6.0).reshape(3, 1, 2)  # of three clips


def asked(**values: object) -> Request:
    """The request as a user makes it: without the type checks of the tests, which would refuse some of it before."""
    request = copy.copy(Request())
    for name, value in values.items():
        object.__setattr__(request, name, value)
    request.__post_init__()
    return request


def test_a_plain_request_leaves_all_to_the_model():
    request = Request()
    assert request.captions == (None,) and request.clips == ("0",) and request.length(24.0) is None
    assert (request.seed, request.quality, request.until, request.size) == (0, "fast", None, None)
    with pytest.raises(FrozenInstanceError):
        request.seed = 1  # type: ignore[misc]


def test_one_prompt_serves_all_clips_and_a_tuple_has_one_for_each():
    assert Request("a ball", count=3).captions == ("a ball",) * 3
    assert Request(("a ball", None)).captions == ("a ball", None)
    assert Request("a ball", count=3).clips == ("0", "1", "2")
    assert Request(("a ball", None), names=("x", "y")).clips == ("x", "y")


@pytest.mark.parametrize(
    ("values", "fps", "frames"),
    [
        ({"frames": 7}, 24.0, 7),
        ({"seconds": 2.5}, 24.0, 60),
        ({"seconds": 2.0}, 6.0, 12),
        ({"seconds": 2}, 6.0, 12),
        ({"seconds": 0.01}, 6.0, 1),  # a clip has a frame
        ({}, 24.0, None),
    ],
)
def test_a_length_is_frames_or_seconds(values, fps, frames):
    assert Request(**values).length(fps) == frames


REFUSED = [
    ({"prompt": ["a", "b"]}, "a prompt must be text, None, or a tuple of these, one a clip; got .'a', 'b'."),
    ({"prompt": 7}, "a prompt must be text, None, or a tuple of these, one a clip; got 7"),
    ({"prompt": "a \ud83d"}, "a prompt must be whole characters, got half of one.* as character 3 of"),
    ({"prompts_at": ((1.0, "\udced b"),)}, "a prompt must be whole characters"),
    ({"prompt": ("a", 7)}, "a prompt must be text, None, or a tuple of these"),
    ({"seconds": "2"}, "seconds must be a finite number above 0, got '2'"),
    ({"guidance": {"threshold": NAN}}, "threshold must be a finite number above 0 and at most 100, got nan"),
    ({"guidance": {"strength": 2.0}}, "a setting of guidance must be one of scale, interval, .*; got 'strength'"),
    ({"size": (32,)}, r"size must be a tuple of height and width, got \(32,\)"),
    ({"size": (32, 0)}, "each side of size must be a whole number of at least 1, got 0"),
    ({"names": "ab", "count": 2}, "names must be a tuple with one for each clip, got 'ab'"),
    ({"frames": 0}, "frames must be a whole number of at least 1, got 0"),
    ({"frames": -3}, "frames must be a whole number of at least 1, got -3"),
    ({"frames": True}, "frames must be a whole number of at least 1, got True"),
    ({"count": 0}, "count must be a whole number of at least 1, got 0"),
    ({"count": False}, "count must be a whole number of at least 1, got False"),
    ({"seed": True}, "seed must be a whole number, got True"),
    ({"seconds": NAN}, "seconds must be a finite number above 0, got nan"),
    ({"seconds": -INF}, "seconds must be a finite number above 0, got -inf"),
    ({"seconds": 0.0}, r"seconds must be a finite number above 0, got 0\.0"),
    ({"seconds": -1.0}, r"seconds must be a finite number above 0, got -1\.0"),
    ({"seconds": True}, "seconds must be a finite number above 0, got True"),
    ({"guidance": NAN}, "scale must be a finite number of at least 0 and at most 100, got nan"),
    ({"guidance": -INF}, "scale must be a finite number of at least 0 and at most 100, got -inf"),
    ({"guidance": -0.5}, r"scale must be a finite number of at least 0 and at most 100, got -0\.5"),
    ({"quality": "good"}, "quality must be fast or best, got 'good'"),
    ({"quality": None}, "quality must be fast or best, got None"),
    ({"frames": 4, "seconds": 1.0}, r"give frames or seconds, not both; got 4 and 1\.0"),
    ({"prompt": ()}, "a tuple of prompts must have one for each clip, got 0 and count=1; leave count out"),
    ({"prompt": ("a", "b"), "count": 2}, "a tuple of prompts must have one for each clip, got 2 and count=2"),
    ({"count": 2, "names": ("a",)}, "there must be a name for each clip if names are given, got 1 names for 2 clips"),
    ({"count": 2, "numbers": NUMBERS}, "numbers must be of 1 clip or of all 2, got 3"),
    ({"count": 2, "known": (Known(video=torch.zeros(3, 3, 1, 4, 4)),)}, "known must be of 1 clip or of all 2, got 3"),
    ({"strength": 0}, "strength must be a finite number above 0 and at most 1, got 0; try 0.6"),
    ({"strength": float("nan")}, "strength must be a finite number above 0 and at most 1, got nan"),
    ({"prompts_at": ((0.0, "a"),)}, "the second of a later prompt must be a finite number above 0, got 0.0; try 3"),
    ({"prompts_at": ((1.0, 3),)}, "a prompt must be text"),
    ({"seconds": float("inf"), "loop": True}, "a loop must have an end, got seconds=inf"),
]


@pytest.mark.parametrize(("values", "sentence"), REFUSED, ids=lambda one: str(one)[:40])
def test_what_no_cascade_can_be_asked_is_refused_in_one_sentence(values, sentence):
    with pytest.raises(ValueError, match=sentence) as refused:
        asked(**values)
    assert "\n" not in str(refused.value)


@pytest.mark.skipif(bool(examples(0, 1)), reason="with all types checked these are refused before")
@pytest.mark.parametrize("wrong", ["strong", True, {"scale": True}, {"scale": None}], ids=str)
def test_guidance_of_another_type_is_refused_in_one_sentence(wrong):
    with pytest.raises(ValueError, match=r"^scale must be a finite number of at least 0 and at most 100, got"):
        asked(guidance=wrong)


def test_what_is_just_possible_is_taken():
    assert asked(seed=-1, frames=1, guidance=0.0, quality="best").length(24.0) == 1
    Request(seconds=1e-9, count=3, numbers=NUMBERS, names=("a", "a", "b"))
    Request(("a",), numbers=NUMBERS[:1])


def test_guidance_is_a_scale_or_settings_by_name_or_all_of_it():
    own = Guidance(scale=2.5, rescale=0.3)
    assert Request().guided(own) is own
    assert Request(guidance=4.0).guided(own) == Guidance(scale=4.0, rescale=0.3)
    assert Request(guidance={"threshold": 99.5}).guided(own) == Guidance(scale=2.5, rescale=0.3, threshold=99.5)
    assert Request(guidance=Guidance(threshold=99.5)).guided(own) == Guidance(threshold=99.5)
    (one,) = Request("a", guidance={"scale": 2.0}).one_by_one()
    assert one.guided(own).scale == 2.0


def test_clips_can_be_asked_for_one_by_one_under_the_names_that_they_have_together():
    given = Known(video=torch.rand(1, 3, 2, 4, 4), mask=torch.rand(3, 1, 2, 1, 1))
    whole = Request(("a", None, "c"), seed=5, frames=9, quality="best", numbers=NUMBERS, known=(given,))
    parts = list(whole.one_by_one())
    assert [part.captions for part in parts] == [("a",), (None,), ("c",)]
    assert [part.clips for part in parts] == [("0",), ("1",), ("2",)]
    assert {(part.seed, part.frames, part.quality) for part in parts} == {(5, 9, "best")}
    for index, part in enumerate(parts):
        assert torch.equal(part.numbers, NUMBERS[index : index + 1]) and part.known[0].video is given.video
        assert torch.equal(part.known[0].mask, given.mask[index : index + 1])
    assert [part.clips for part in Request("a", count=2, names=("x", "y")).one_by_one()] == [("x",), ("y",)]
    (alone,) = Request("a").one_by_one()
    assert (alone.captions, alone.clips, alone.numbers) == (("a",), ("0",), None)


def test_a_cascade_makes_of_the_parts_what_it_makes_of_the_whole(cascade, float32):
    whole = Request((None, None), until="base", seed=3)
    together = cascade.sample(whole)
    apart = torch.cat([cascade.sample(one) for one in whole.one_by_one()])
    assert (apart - together).abs().max() < 1e-3  # float32 sums in another order
    assert (apart.flip(0) - together).abs().mean() > 0.05  # the control
