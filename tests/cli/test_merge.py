"""A LoRA from training to a merged model, by the commands."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from framefall.cascade.saved.checkpoint import load_cascade
from framefall.recipes.registry import RECIPES
from framefall.runs.training.train import train
from framefall.train.loop import TrainingStep

pytest.importorskip("peft", reason="peft is not installed: pip install 'framefall[lora]'")


def test_a_lora_is_trained_gone_on_with_loaded_and_merged(
    trained: Path, clips: Path, framefall: Callable, tmp_path: Path
) -> None:
    options = ["--recipe", "micro", "--stage", "base", "--init", trained, "--lora", 4, "--set", "save_every=2"]
    said = framefall("train", clips, "-o", tmp_path / "whole", *options, "--steps", 4)
    assert said.code == 0, said.err
    _stopped(clips, tmp_path / "parts", trained)
    said = framefall("train", clips, "-o", tmp_path / "parts", *options, "--steps", 4, "--resume")
    assert said.code == 0, said.err
    assert framefall("train", clips, "-o", tmp_path / "other", *options, "--steps", 3).code == 0
    files = {one.name: one.read_bytes() for one in (tmp_path / "whole").iterdir()}
    assert set(files) == {"lora.json", "base.lora.safetensors", "manifest.json"}
    assert len(files["base.lora.safetensors"]) < (trained / "base.safetensors").stat().st_size
    again = [(tmp_path / name / "base.lora.safetensors").read_bytes() for name in ("parts", "other")]
    assert again[0] == files["base.lora.safetensors"] != again[1]  # a stopped run goes on to the same bits

    said = framefall("merge", trained, tmp_path / "whole", "-o", tmp_path / "merged", "--json")
    assert said.code == 0 and json.loads(said.out)["model"] == str(tmp_path / "merged")
    plain, merged, loaded = load_cascade(trained), load_cascade(tmp_path / "merged"), load_cascade(trained)
    loaded = loaded.with_lora(tmp_path / "whole")
    for name, tensor in loaded.stages[0].backbone.state_dict().items():
        assert torch.equal(tensor, merged.stages[0].backbone.state_dict()[name])
    assert any(
        not torch.equal(tensor, plain.stages[0].backbone.state_dict()[name])
        for name, tensor in loaded.stages[0].backbone.state_dict().items()
    )
    made = [tmp_path / f"{name}.npy" for name in ("a", "b")]
    assert framefall("generate", "-o", made[0], "--model", trained, "--lora", tmp_path / "whole").code == 0
    assert framefall("generate", "-o", made[1], "--model", tmp_path / "merged").code == 0
    assert made[0].read_bytes() == made[1].read_bytes()
    said = framefall("generate", "-o", tmp_path / "d.npy", "--model", tmp_path / "merged", "--lora", tmp_path / "whole")
    assert said.code == 1 and "was trained on other weights of base" in said.err


def test_a_lora_is_of_the_model_whatever_network_the_recipe_has(
    trained: Path, clips: Path, framefall: Callable, tmp_path: Path
) -> None:
    """As that of pico, whose base is another than the recipe makes today."""
    options = ["--recipe", "micro", "--stage", "base", "--init", trained, "--steps", 1]
    options += ["--set", "stages.base.stage.backbone.dim=48", "--set", "stages.base.stage.backbone.heads=1"]
    said = framefall("train", clips, "-o", tmp_path / "lora", *options, "--lora", 4)
    assert said.code == 0 and "networks and losses are those of toy" in said.err, said.err
    load_cascade(trained).with_lora(tmp_path / "lora")
    said = framefall("train", clips, "-o", tmp_path / "whole", *options)  # the control: of a whole training it is not
    assert said.code == 1 and "--init must have the recipe's network for base" in said.err


def _stopped(clips: Path, output: Path, init: Path) -> None:
    """The same training, closed after its second step."""
    recipe = replace(RECIPES["micro"](), save_every=2)
    run = train.events(str(clips), output, recipe, stages=["base"], steps=4, init=init, lora=4)
    for event in run:
        if isinstance(event, TrainingStep) and event.step == 2:
            break
    run.close()


REFUSED = [
    ("train {clips} -o {there}/m --recipe micro --lora 8 --steps 1", 1, "name it with --init"),
    ("merge {trained} {there}/nothing -o {there}/m", 1, "a LoRA must be a folder"),
    ("merge {trained} {there}/empty -o {there}/m", 1, "has no manifest.json"),
    ("merge {trained} {trained} -o {there}/m", 1, "a LoRA must have a lora.json"),
    ("merge nothing {there}/empty -o {there}/m", 1, "a model must be a folder or a shipped name"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_a_refusal_is_one_sentence_and_an_exit_code(line: str, code: int, sentence: str, refused: Callable) -> None:
    refused(line, code, sentence)
