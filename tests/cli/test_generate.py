import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

from framefall.cascade.saved.checkpoint import load_cascade, save
from framefall.diffusion.guidance_config import Guidance

REFUSED = [
    ("generate --model {there}/nowhere -o {there}/a.mp4", 1, "a model must be a folder or a shipped name"),
    ("generate --model {there}/empty -o {there}/a.mp4", 1, "has no manifest.json"),
    ("generate --model {trained} -o {there}/a.xyz", 1, "the name of a video must end in one of .mp4, .webm"),
    ("generate --model {trained} -o {there}/file.txt/a.mp4", 1, "file.txt"),
    ("generate --model {trained} -o {there}/a.mp4 --until sr", 1, "a stage must be one of"),
    ("generate --model {trained} -o {there}/a.npy --report", 1, "--report reads the clip back"),
    ("generate --model {trained} -o {there}/a.mp4 --device toaster", 1, "device must be one this machine has"),
    ("generate --guidance nan", 1, "scale must be a finite number of at least 0 and at most 100, got nan; try 1.5"),
    ("generate --guidance inf", 1, "scale must be a finite number of at least 0 and at most 100, got inf"),
    ("generate --guidance -1", 1, "scale must be a finite number of at least 0 and at most 100, got -1.0"),
    ("generate --guidance true", 1, "guidance must be given like 2.5"),
    ("generate --guidance scale=2,threshold=nan", 1, "threshold must be a finite number above 0"),
    ("generate --guidance oscillate=1:2.5", 1, "the first steps of oscillate must be a whole number of at least 0"),
    ("generate --guidance strength=2", 1, "a setting of guidance must be one of scale, interval"),
    ("generate --guidance weaker={there}/nowhere -o {there}/a.mp4", 1, "a model must be a folder or a shipped name"),
    ("generate --guidance weaker_scale=2 -o {there}/a.mp4", 1, "weaker_scale needs a weaker model"),
    ("generate --guidance weaker=pico -o {there}/a.mp4", 1, "a weaker model must have the channels of the model"),
    ("generate --candidates 0", 2, "Invalid value for '--candidates'"),
    ("generate --prompts {there}/file.txt --candidates 2", 1, "--prompts takes no --candidates"),
    ("generate --like {there}/a.mp4 --candidates 2", 1, "--candidates is for new clips, and --like makes one again"),
    ("generate --count 0", 2, "Invalid value for '--count'"),
    ("generate --frames 0", 2, "Invalid value for '--frames'"),
    ("generate --quality good", 2, "Invalid value for '--quality'"),
    ("generate --seed x", 2, "Invalid value for '--seed'"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_a_refusal_is_one_sentence_and_an_exit_code(line: str, code: int, sentence: str, refused: Callable) -> None:
    refused(line, code, sentence)


def test_help_names_every_setting_of_guidance(framefall: Callable) -> None:
    shown = framefall("generate", "--help").out
    for name in (*(field.name for field in fields(Guidance)), "weaker"):
        assert f"  {name}=" in shown


def test_settings_of_guidance_reach_the_clip_and_its_tags(trained: Path, framefall: Callable, tmp_path: Path) -> None:
    cascade, generator = load_cascade(trained), torch.Generator().manual_seed(0)
    for parameter in cascade.stages[0].backbone.parameters():  # after a few steps it would make nothing but grey
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    save(cascade, tmp_path / "moved")

    def clip(guidance: str | None) -> tuple[np.ndarray, dict]:
        asked = [] if guidance is None else ["--guidance", guidance]
        options = ("--model", tmp_path / "moved", "--until", "base", "-o", tmp_path / "a.npy", "--json")
        said = framefall("generate", "a ball", *options, *asked)
        assert said.code == 0, said.err
        (record,) = json.loads(said.out)["clips"]
        return np.load(tmp_path / "a.npy"), json.loads(record["made_with"]["comment"])

    plain, made_with = clip(None)
    assert "guidance" not in made_with["request"] and np.array_equal(clip("1")[0], plain)
    strong, made_with = clip("scale=9,interval=0:1,rescale=0")
    assert not np.array_equal(strong, plain) and made_with["request"]["guidance"]["settings"]["interval"] == [0.0, 1.0]
    away, made_with = clip(f"weaker={trained},interval=0:1")
    assert not np.array_equal(away, plain)
    assert made_with["weaker"].keys() == {"model", "model_sha256"} and made_with["weaker"]["model"] == trained.name
