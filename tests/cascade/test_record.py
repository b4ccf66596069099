"""A request as plain values and back, field by field."""

import json
import math
from dataclasses import dataclass, fields, replace

import pytest
import torch

from framefall.cascade import record
from framefall.cascade.known import Known
from framefall.cascade.record import NUMBERS, from_record, to_record
from framefall.cascade.request import Request
from framefall.diffusion.guidance_config import Guidance

# a value of each field that is not its default; a new field of a request needs one here, and nothing else
OTHER = {
    "prompt": ("a", None),
    "seed": 7,
    "count": 3,
    "frames": 9,
    "seconds": 2.5,
    "size": (32, 48),
    "quality": "best",
    "until": "base",
    "numbers": torch.tensor([[[1.5, math.pi]]]),
    "prompts_at": ((1.5, "b"), (2.0, None)),
    "known": (Known(video=torch.rand(1, 3, 2, 4, 4), mask=torch.rand(1, 1, 2, 1, 1), start=0.5, fps=6.0),),
    "structure": (Known(video=torch.rand(1, 1, 2, 4, 4), mask=torch.rand(1, 1, 2, 1, 1), fps=6.0),),
    "content": torch.rand(1, 8),
    "strength": 0.5,
    "loop": True,
    "guidance": Guidance(scale=1.7, interval=(0.2, 0.8)),
    "names": ("left",),
}


def equal(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, tuple):
        return isinstance(other, tuple) and len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, Known) and isinstance(other, Known):
        return all(equal(getattr(one, field.name), getattr(other, field.name)) for field in fields(Known))
    return type(one) is type(other) and one == other


def test_settings_of_guidance_by_their_names_come_back() -> None:
    written = json.loads(json.dumps(to_record(Request(guidance={"scale": 2.0, "oscillate": (1.0, 4)}))))
    assert from_record(written).guidance == {"scale": 2.0, "oscillate": (1.0, 4)}


@pytest.mark.parametrize("name", [field.name for field in fields(Request)])
def test_every_field_comes_back(name: str) -> None:
    request = Request(**{name: OTHER[name]})
    written = json.loads(json.dumps(to_record(request)))
    assert written.keys() == {name}
    assert all(equal(getattr(from_record(written), one.name), getattr(request, one.name)) for one in fields(Request))


def test_a_request_of_defaults_says_nothing() -> None:
    assert to_record(Request()) == {} and from_record({}).seed == 0


def test_what_is_too_large_is_named_by_its_hash_and_must_be_given_again() -> None:
    large = torch.zeros(1, 3, 2, 32, 32)
    assert large.numel() > NUMBERS
    written = to_record(Request(known=(Known(video=large),), seed=3))
    (piece,) = written["known"]
    assert len(piece["video"]["sha256"]) == 64 and piece["video"]["shape"] == [1, 3, 2, 32, 32]
    assert piece != to_record(Request(known=(Known(video=large + 1),)))["known"][0]
    with pytest.raises(ValueError, match=r"known.video \(1x3x2x32x32 numbers\) is too large"):
        from_record(written)
    again = from_record(written, {"known": (Known(video=large),)})
    assert torch.equal(again.known[0].video, large) and again.seed == 3


def test_changes_take_the_place_of_what_was_written() -> None:
    written = to_record(Request(("a cat",), seed=3, frames=9, names=("5",)))
    assert from_record(written, {"seed": 8}).clips == ("5",)  # the same clip of another seed
    longer = from_record(written, {"seconds": 2.0})
    assert (longer.seconds, longer.frames) == (2.0, None)
    assert from_record(written, {"frames": 3}).frames == 3
    assert from_record(written, {"prompt": "a dog"}).captions == ("a dog",)
    several = from_record(written, {"count": 2})
    assert several.captions == ("a cat", "a cat") and several.clips == ("0", "1")


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ({"colour": "red"}, "a request has no colour"),
        ({"frames": 0}, "frames must be a whole number of at least 1"),
        ({"known": {"object": "Path"}}, "known must be written by this version"),
        ({"numbers": {"tensor": [1], "dtype": "load", "shape": [1]}}, "must be of a type of torch's, got 'load'"),
    ],
)
def test_what_nobody_wrote_is_refused(written: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        from_record(written)


@dataclass(frozen=True)
class Piece:
    video: torch.Tensor
    start: float = 0.0


def test_objects_of_a_request_are_written_by_the_same_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    piece = Piece(torch.arange(3.0), 1.5)
    with pytest.raises(AssertionError, match="got Piece: add it"):
        record._written(piece)
    monkeypatch.setitem(record.OBJECTS, "Piece", Piece)
    found = record._read("known", json.loads(json.dumps(record._written((piece, replace(piece, start=0.0))))))
    assert [one.start for one in found] == [1.5, 0.0] and torch.equal(found[0].video, piece.video)
