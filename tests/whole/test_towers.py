"""A model that reads captions by a tower of the user's own: trained with it, and told by no other."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from framefall import load
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import read_config
from framefall.data.folder import Folder
from framefall.models.tower import open_tower
from framefall.recipes.registry import RECIPES
from framefall.runs.training.train import train
from tiny_towers import TOWERS


@pytest.fixture(scope="module")
def place(folder: Folder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy base that a T5 tells, with weights that are not zero any more, beside its tower and others."""
    home = tmp_path_factory.mktemp("told")
    for name, make in TOWERS.items():
        make(home / name)
    TOWERS["t5"](home / "t5-another", seed=1)
    recipe = RECIPES["micro"]()
    base = replace(recipe.stages["base"], text_dropout=0.0, optim=replace(recipe.stages["base"].optim, adam_lr=0.01))
    recipe = replace(recipe, stages={**recipe.stages, "base": base})
    train(folder, home / "model", recipe, stages=["base"], steps=6, text=home / "t5")
    return home


def test_a_model_names_its_tower_and_reads_captions_by_it(place: Path) -> None:
    stage = read_config(place / "model" / "config.json").stages["base"]
    assert stage.text == open_tower(place / "t5").about and stage.backbone.text_dim == 24
    told = load(place / "model").with_text(place / "t5")
    first, again, other = (
        told.sample(Request(prompt, until="base"))
        for prompt in ("a red ball falls", "a red ball falls", "the cup turns")
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    together = told.sample(Request(("a ball", "a red ball falls"), names=("1", "0"), until="base"))
    torch.testing.assert_close(together[1:], first, rtol=0, atol=1e-4)  # a batch's clip, up to rounding
    assert (together[:1] - first).abs().max() > 1e-3


def test_without_its_tower_or_with_another_a_model_makes_nothing(place: Path) -> None:
    model = load(place / "model")
    with pytest.raises(
        ValueError, match=r"base reads captions by the text tower t5 \(SHA-256 [0-9a-f]{12}\)"
    ) as refused:
        model.sample(Request("a red ball falls", until="base"))
    assert "name its folder with --text" in str(refused.value) and "\n" not in str(refused.value)
    for name in ("t5-another", "bert"):
        with pytest.raises(ValueError, match=r"base was trained with the text tower t5 \(SHA-256 .*\), got " + name):
            model.with_text(place / name)
    with pytest.raises(ValueError, match=r"was trained with the text tower MiniLM, which comes with Framefall, got t5"):
        load("pico").with_text(place / "t5")
    with pytest.raises(ValueError, match="backbone and text tower must agree on text_dim, got 32 and 24"):
        replace(model.stages[0].config, backbone=replace(model.stages[0].config.backbone, text_dim=32))


def test_the_command_line_takes_the_tower_and_makes_a_clip_again_with_it(
    place: Path, framefall: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    words = ("generate", "a red ball falls", "--model", "model", "--until", "base", "--seed", 3)
    refused = framefall(*words, "-o", "none.npy")
    assert refused.code == 1 and "name its folder with --text" in refused.err and not Path("none.npy").exists()
    assert "Traceback" not in refused.err
    assert framefall(*words, "-o", "a.npy", "--text", "t5").code == 0
    assert framefall("generate", "--like", "a.npy", "-o", "b.npy", "--text", "t5").code == 0
    assert np.array_equal(np.load("a.npy"), np.load("b.npy"))
    (place / "t5").rename(place / "moved")
    try:
        assert framefall(*words, "-o", "c.npy", "--text", "moved").code == 0  # wherever it lies
        assert np.array_equal(np.load("a.npy"), np.load("c.npy"))
    finally:
        (place / "moved").rename(place / "t5")


def test_training_goes_on_from_a_model_with_the_same_tower_alone(place: Path, folder: Folder) -> None:
    recipe = RECIPES["micro"]()
    train(folder, place / "more", recipe, stages=["base"], steps=1, init=place / "model", text=place / "t5")
    for text in (None, place / "t5-another"):
        with pytest.raises(ValueError, match="--init must have the text tower of the training for base: it is t5"):
            train(folder, place / "other", recipe, stages=["base"], steps=1, init=place / "model", text=text)
    assert not (place / "other").exists()
