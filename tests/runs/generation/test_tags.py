"""What a file says of how it was made, and how that is compared with what is here."""

import json
from pathlib import Path

import numpy as np
import pytest

from framefall.cascade.cascade import Cascade
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import fingerprint, load_cascade
from framefall.data.media.writer import write
from framefall.runs.generation.tags import LIBRARIES, changed, provenance, read_made, tagged


@pytest.fixture(scope="module")
def cascade(trained: Path) -> Cascade:
    return load_cascade(trained)


def test_the_tags_are_enough_to_make_a_clip_again(cascade: Cascade) -> None:
    tags = tagged(provenance(cascade), Request(("a ball",), seed=7, frames=3, names=("2",)))
    made = json.loads(tags["comment"])
    assert tags["title"] == "a ball" and made["ai_generated"] is True and made["generator"].startswith("framefall ")
    assert (made["model"], made["model_sha256"]) == (cascade.config.name, fingerprint(cascade))
    assert made["request"] == {"prompt": ["a ball"], "seed": 7, "frames": 3, "names": ["2"]}
    assert made["versions"].keys() == set(LIBRARIES) and {"processor", "capability"} == made["machine"].keys()


def test_a_file_tells_nobody_where_its_model_lies(cascade: Cascade, tmp_path: Path) -> None:
    called = {name: provenance(cascade, name)["model"] for name in ("pico", "models/toy", "../toy", tmp_path / "toy")}
    assert list(called.values()) == ["pico", "models/toy", "toy", "toy"]


def test_the_hash_is_of_what_is_computed(cascade: Cascade, trained: Path) -> None:
    again = load_cascade(trained)
    assert fingerprint(again) == fingerprint(cascade)
    weight = next(again.stages[0].backbone.parameters())
    weight.data.view(-1)[0] += 1e-3
    assert fingerprint(again) != fingerprint(cascade)


def test_what_is_other_than_then_is_named() -> None:
    now = {"generator": "framefall 1", "versions": {"torch": "2", "av": "3"}, "machine": {"processor": "A"}}
    assert changed(now, now) == []
    made = {"generator": "framefall 0", "versions": {"torch": "1", "av": "3"}}
    assert changed(made, now) == ["framefall 0, now framefall 1", "torch 1, now 2", "processor None, now A"]


@pytest.mark.parametrize(
    ("comment", "sentence"),
    [
        (None, "tags do not say so"),
        ("a nice day", "tags do not say so"),
        ('{"generator": "another 3"}', "tags do not say so"),
        ("[1]", "tags do not say so"),
        ('{"generator": "framefall 0.1.0"}', "made before files said what was asked for"),
        ('{"generator": "framefall 0.1.0", "versions": {}}', "made by another command"),
    ],
)
def test_a_file_that_generate_did_not_make_is_refused(comment: str | None, sentence: str, tmp_path: Path) -> None:
    film = np.zeros((2, 16, 16, 3), np.uint8)
    write(tmp_path / "a.mp4", [film], 12.0, {} if comment is None else {"comment": comment})
    with pytest.raises(ValueError, match=sentence):
        read_made(tmp_path / "a.mp4")
