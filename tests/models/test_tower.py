"""Text towers of strangers: their library's own states, by a hash, and nothing that could run."""

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from framefall.models.text import CaptionEncoder, encode
from framefall.models.tower import TextTower, Tower, open_tower, words_of
from tiny_towers import TOWERS

CAPTIONS = ["a red ball falls", "the cup turns", "a ball", "a red cup falls the ball turns", None]
READ = {"bert": "BertModel", "t5": "T5EncoderModel"}


@pytest.fixture(scope="module")
def towers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each kind; not to be touched."""
    home = tmp_path_factory.mktemp("towers")
    for name, make in TOWERS.items():
        make(home / name)
    return {name: home / name for name in TOWERS}


@pytest.fixture
def mine(towers: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy to do anything with."""
    return lambda name: shutil.copytree(towers[name], tmp_path / name)


@pytest.mark.parametrize("name", TOWERS)
def test_states_are_those_of_the_library_to_the_bit(name: str, towers: dict[str, Path]) -> None:
    import transformers

    tower = open_tower(towers[name])
    states, mask = encode(CAPTIONS, words=8, tower=tower)
    network = getattr(transformers, READ[name]).from_pretrained(towers[name]).eval()
    words = transformers.AutoTokenizer.from_pretrained(towers[name])
    assert states.shape == (5, 8, network.config.hidden_size if name == "bert" else network.config.d_model)
    for index, caption in enumerate(CAPTIONS[:-1]):
        ids = words(caption, return_tensors="pt").input_ids
        with torch.no_grad():
            expected = network(input_ids=ids).last_hidden_state[0]
        assert torch.equal(states[index, : len(expected)], expected) and int(mask[index].sum()) == len(expected)
    assert not mask[4].any() and not states[4].any()
    ours, _ = encode(CAPTIONS, words=8)
    assert ours.shape[-1] != states.shape[-1]  # the control: MiniLM's


@pytest.mark.parametrize("name", TOWERS)
def test_a_captions_states_do_not_depend_on_its_batch_and_are_cut_to_the_words(
    name: str, towers: dict[str, Path]
) -> None:
    tower = open_tower(towers[name])
    together, masks = encode(CAPTIONS, words=5, tower=tower)
    for index, caption in enumerate(CAPTIONS):
        alone, mask = encode([caption], words=5, tower=tower)
        assert torch.equal(alone[0], together[index]) and torch.equal(mask[0], masks[index])
    assert int(masks[3].sum()) == 5
    made = CaptionEncoder(8, tower)(CAPTIONS[:2])
    live, _ = encode(CAPTIONS[:2], words=8, dtype=torch.bfloat16, tower=tower)
    assert all(torch.equal(one.float(), live[at, : len(one)]) for at, one in enumerate(made))
    names = {
        CaptionEncoder(8, one).name for one in (None, tower, open_tower(towers["t5" if name == "bert" else "bert"]))
    }
    assert len(names) == 3 and pickle.loads(pickle.dumps(CaptionEncoder(8, tower))) == CaptionEncoder(8, tower)


def test_a_tower_is_known_by_what_decides_on_its_states_and_not_by_its_place(
    towers: dict[str, Path], mine: Callable[[str], Path], tmp_path: Path
) -> None:
    first = open_tower(towers["bert"]).about
    copy = mine("bert").rename(tmp_path / "elsewhere")
    (copy / "README.md").write_text("another")
    assert open_tower(copy).about == replace(first, name="elsewhere")
    TOWERS["bert"](tmp_path / "other", seed=1)
    assert open_tower(tmp_path / "other").about.sha256 != first.sha256
    settings = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(settings | {"hidden_act": "relu"}))
    assert open_tower(copy).about.sha256 != first.sha256
    with pytest.raises(ValueError, match="has changed since it was opened"):
        words_of(Tower(copy, first))


def _pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _without(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights.pop("encoder.layer.1.output.dense.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _infinite(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.LayerNorm.weight"][3] = torch.inf
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _settings(folder: Path, **changes: object) -> None:
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | changes))


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (lambda folder: (folder / "config.json").unlink(), "must be a folder with a config.json"),
    "no json": (lambda folder: (folder / "config.json").write_text("{"), r"config\.json cannot be read"),
    "a list": (lambda folder: (folder / "config.json").write_text("[1]"), "must be an object"),
    "a pickle": (
        _pickled,
        "must have its weights in safetensors, got pytorch_model.bin, which is not read: it could run",
    ),
    "code": (
        lambda folder: _settings(folder, auto_map={"AutoModel": "mine.Mine"}),
        r"must need no code of its own, and its config.json names some \(auto_map\)",
    ),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "must have a tokenizer.json, and has none"),
    "a broken tokenizer": (
        lambda folder: (folder / "tokenizer.json").write_text("{}"),
        "cannot be read as a text tower",
    ),
    "broken weights": (
        lambda folder: (folder / "model.safetensors").write_bytes(b"nothing of the kind"),
        "cannot be read as a text tower",
    ),
    "no width": (lambda folder: _settings(folder, hidden_size="wide"), "must say how wide a state is"),
    "another network": (lambda folder: _settings(folder, model_type="no such"), "cannot be read as a text tower"),
    "a weight less": (
        _without,
        "must hold every weight of its network, and encoder.layer.1.output.dense.weight is missing",
    ),
    "infinite": (_infinite, "must hold finite weights, and embeddings.LayerNorm.weight is not"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_tower_is_refused_in_one_sentence(name: str, mine: Callable[[str], Path]) -> None:
    folder = mine("bert")
    assert words_of(open_tower(folder))  # the control
    REFUSED[name][0](folder)
    with pytest.raises(ValueError, match=REFUSED[name][1]) as refused:
        words_of(open_tower(folder))
    assert "\n" not in str(refused.value)


def test_a_hash_in_a_config_is_a_hash() -> None:
    with pytest.raises(ValueError, match=r"sha256 of a text tower must be 64 hexadecimal digits, got '\.\./x'"):
        TextTower(name="a", sha256="../x", dim=8)
