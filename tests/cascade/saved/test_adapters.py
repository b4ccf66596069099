"""A LoRA: what it adds, where it is refused, and that a network with one is what it is once merged."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from framefall import publish
from framefall.cascade.cascade import Cascade, CascadeConfig
from framefall.cascade.saved import adapters
from framefall.cascade.saved.adapters import (
    TARGETS,
    Adapter,
    Adapters,
    attach,
    attached,
    digest,
    read,
    with_lora,
    write,
)
from framefall.cascade.saved.checkpoint import load_cascade, save
from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import Few
from framefall.models.experts import retold
from framefall.models.registry import build
from framefall.recipes.presets import micro
from framefall.recipes.systems import imagen_video, miniature
from framefall.train.loop import initial
from framefall.train.recipe import Recipe


def lively(recipe: Recipe, name: str = "base") -> Stage:
    """A stage no weight of which is zero, as after training."""
    stage = initial(name, recipe.stages[name], 0, torch.device("cpu"))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for parameter in stage.backbone.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.05)
    stage.backbone.eval()
    return stage


def cascade_of(stage: Stage) -> Cascade:
    return Cascade(config=CascadeConfig(name="toy", stages={stage.name: stage.config}), stages=(stage,))


def answer(stage: Stage) -> torch.Tensor:
    shape = stage.config.shape
    x = torch.randn(1, 3, shape.frames, shape.height, shape.width, generator=torch.Generator().manual_seed(0))
    told = stage.condition(["a ball falls"], frames=shape.frames, fps=shape.fps)
    with torch.no_grad():
        return stage.x0(x, torch.tensor([0.5]), told)


def random_pairs(stage: Stage, rank: int = 2) -> dict[str, torch.Tensor]:
    generator, found = torch.Generator().manual_seed(3), {}
    for name, matrix in adapters._matrices(stage.backbone).items():
        found[f"{name}.A"] = torch.randn(rank, matrix.shape[1], generator=generator) * 0.1
        found[f"{name}.B"] = torch.randn(matrix.shape[0], rank, generator=generator) * 0.1
    return found


def published(stage: Stage, folder: Path, rank: int = 2, **changes: str) -> Path:
    about = Adapters(
        base="toy", stages={stage.name: Adapter(rank=rank, base=changes.get("base", digest(stage.backbone)))}
    )
    with publish.folder(folder) as partial:
        write(partial, about, {stage.name: random_pairs(stage, rank)})
    return folder


@pytest.mark.parametrize("recipe", [micro, lambda: miniature(imagen_video())], ids=["transformer", "unet"])
def test_a_network_with_a_lora_is_what_it_is_once_merged(recipe: Callable[[], Recipe], tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="peft is not installed: pip install 'framefall[lora]'")
    plain, taught = lively(recipe()), lively(recipe())
    attach(taught, 2, seed=0)
    assert torch.equal(answer(taught), answer(plain))  # it adds nothing yet
    assert {one for one, _ in taught.backbone.named_parameters() if _.requires_grad} == {
        one for one, _ in taught.backbone.named_parameters() if ".lora_" in one
    }
    pairs = random_pairs(plain)
    own = dict(taught.backbone.named_parameters())
    with torch.no_grad():
        for name, tensor in pairs.items():
            matrix, _, part = name.rpartition(".")
            own[f"{matrix}.lora_{part}.default.weight"].copy_(tensor)
    assert attached(taught.backbone).keys() == pairs.keys()
    merged = with_lora(cascade_of(plain), published(plain, tmp_path / "lora")).stages[0]
    assert torch.allclose(answer(merged), answer(taught), atol=2e-5)
    assert not torch.allclose(answer(merged), answer(plain), atol=1e-3)  # the pairs do something
    half = with_lora(cascade_of(plain), tmp_path / "lora", strength=0.5).stages[0]
    assert not torch.allclose(answer(half), answer(taught), atol=1e-3)


def test_the_given_cascade_stays_as_it_is(tmp_path: Path) -> None:
    stage = lively(micro())
    before = digest(stage.backbone)
    cascade = cascade_of(stage)
    changed = cascade.with_lora(published(stage, tmp_path / "lora"))
    assert digest(stage.backbone) == before != digest(changed.stages[0].backbone)
    assert set(TARGETS) == {name.rpartition(".")[2] for name in adapters._matrices(stage.backbone)}


def test_what_was_distilled_from_a_base_is_not_of_one_with_a_lora(tmp_path: Path) -> None:
    stage = lively(micro())
    network = retold(stage.config.backbone, flow_map=True, baked_guidance=(1.0, 4.0))
    few = Few(backbone=network, fast=stage.config.fast)
    both = replace(stage, few=build(network).eval(), config=replace(stage.config, few=few))
    save(cascade_of(both), tmp_path / "both")
    assert load_cascade(tmp_path / "both").stages[0].few is not None
    changed = cascade_of(both).with_lora(published(stage, tmp_path / "lora"))
    save(changed, tmp_path / "changed")
    assert load_cascade(tmp_path / "changed").stages[0].few is None


def test_what_is_no_lora_of_the_model_is_refused(tmp_path: Path) -> None:
    stage = lively(micro())
    cascade = cascade_of(stage)
    with pytest.raises(ValueError, match="trained on other weights of base than toy has"):
        cascade.with_lora(published(stage, tmp_path / "other", base="0" * 64))
    with pytest.raises(ValueError, match="a LoRA must be a folder"):
        cascade.with_lora(tmp_path / "nothing")
    folder = published(stage, tmp_path / "bent")
    file = folder / "base.lora.safetensors"
    file.write_bytes(file.read_bytes()[:-4] + b"\0\0\x80\x7f")
    with pytest.raises(publish.Corrupt):
        read(folder)
    about = Adapters(base="toy", stages={"base": Adapter(rank=3, base=digest(stage.backbone))})
    with publish.folder(tmp_path / "narrow") as partial:
        write(partial, about, {"base": random_pairs(stage, 2)})
    with pytest.raises(ValueError, match="must have shape"):
        cascade.with_lora(tmp_path / "narrow")
    with pytest.raises(ValueError, match="for a stage base, which toy does not have"):
        renamed = replace(stage, name="other")
        cascade_of(renamed).with_lora(published(stage, tmp_path / "fine"))


def test_what_has_nothing_to_adapt_is_refused_and_so_is_what_is_not_finite(tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="peft is not installed: pip install 'framefall[lora]'")
    with pytest.raises(ValueError, match="spatial_sr has neither"):
        attach(lively(micro(), "spatial_sr"), 2, seed=0)
    stage = lively(micro())
    broken = {name: one * torch.nan for name, one in random_pairs(stage).items()}
    with pytest.raises(ValueError, match="must be finite"):
        write(tmp_path, Adapters(base="toy", stages={"base": Adapter(rank=2, base="")}), {"base": broken})
