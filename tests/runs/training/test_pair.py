"""A model with its distilled base beside it: `fast` of the one, everything else of the other, to the bit."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from framefall import publish
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import fingerprint, is_of, load_cascade, save
from framefall.cascade.stage_config import Few
from framefall.data.folder import Folder
from framefall.runs.training.distill import distill
from framefall.runs.training.pair import pair, paired
from framefall.runs.training.reinforce import reinforce
from framefall.video import Video


@pytest.fixture(scope="module")
def models(trained: Path, folder: Folder, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The toy, what a step of distilling made of it, and both in one."""
    place = tmp_path_factory.mktemp("pair")
    distill(trained, place / "few", folder, steps=1, settings=("distillation.steps=4",))
    pair(trained, place / "few", place / "both")
    return trained, place / "few", place / "both"


def made(model: Path, **how: object) -> Video:
    """A small clip."""
    return load_cascade(model).sample(Request("a ball", until="base", seed=3, **how))  # type: ignore[arg-type]


def test_fast_is_drawn_by_the_distilled_base_and_all_else_by_its_teacher(models: tuple[Path, Path, Path]) -> None:
    whole, few, both = models
    publish.verify(both)
    assert torch.equal(made(both), made(few)) and not torch.equal(made(both), made(whole))
    assert torch.equal(made(both, guidance=1.5), made(few, guidance=1.5))
    assert torch.equal(made(both, quality="best"), made(whole, quality="best"))
    # what is not a scale that is baked in
    for guidance in (9.0, {"scale": 2.0, "rescale": 0.5}, {"oscillate": (1.0, 1)}):
        found = made(both, guidance=guidance)
        assert torch.equal(found, made(whole, guidance=guidance)) and not torch.equal(found, made(both))
    weaker = load_cascade(both).guided_by(load_cascade(whole))
    request = Request("a ball", until="base", seed=3, guidance={"weaker_scale": 1.5})
    assert torch.equal(weaker.sample(request), load_cascade(whole).guided_by(load_cascade(whole)).sample(request))


def test_a_model_of_both_is_one_model(models: tuple[Path, Path, Path], tmp_path: Path) -> None:
    whole, _, both = models
    before, cascade = load_cascade(whole), load_cascade(both)
    for stage in before.stages[1:]:
        name = f"{stage.name}.safetensors"
        assert (whole / name).read_bytes() == (both / name).read_bytes()
    save(cascade, tmp_path / "again")
    assert (tmp_path / "again" / "base.few.safetensors").exists()
    assert is_of(fingerprint(cascade), load_cascade(tmp_path / "again"))
    assert fingerprint(cascade) != fingerprint(before)
    base, *others = cascade.stages
    assert base.few is not None
    other = replace(base, few=load_cascade(both).stages[0].few)
    with torch.no_grad():
        next(other.few.parameters()).add_(1.0)
    assert fingerprint(replace(cascade, stages=(other, *others))) != fingerprint(cascade)
    assert "| base, fast | distilled from toy (base by flow_map" in (both / "README.md").read_text()


def test_what_changes_the_base_leaves_the_distilled_one_out(models: tuple[Path, Path, Path], tmp_path: Path) -> None:
    _, _, both = models
    quick = [f"reinforcement.{one}" for one in ("prompts=1", "drafts=2", "truths=0", "passes=1", "sampling.steps=1")]
    reinforce(
        both, tmp_path / "better", "fall:8", reward=lambda video, _: float(video.mean()), rounds=1, settings=quick
    )
    better = load_cascade(tmp_path / "better").stages[0]
    assert better.few is None and better.config.few is None and not (tmp_path / "better/base.few.safetensors").exists()


def test_what_is_no_pair_is_refused(models: tuple[Path, Path, Path], tmp_path: Path) -> None:
    whole, few, both = models
    with pytest.raises(ValueError, match=r"base must be distilled, with guidance baked in; make one with"):
        pair(few, whole, tmp_path / "none")
    with pytest.raises(ValueError, match=r"is the model that gets a distilled base; choose another name"):
        pair(both, few, both)
    stage, student = load_cascade(whole).stages[0], load_cascade(few).stages[0]
    other = replace(student, config=replace(student.config, shape=replace(student.config.shape, fps=9.0)))
    with pytest.raises(ValueError, match=r"must be distilled from this stage, whose shape is .*; distil this model"):
        paired(stage, other)
    with pytest.raises(ValueError, match=r"few must be a distilled network with baked_guidance, got kind"):
        Few(backbone=stage.config.backbone, fast=stage.config.fast)
    assert not (tmp_path / "none").exists()
