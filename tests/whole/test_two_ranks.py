"""Training on two real processes over gloo; this file is also the program that each rank runs."""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import children
import pytest
import torch

from examples import examples
from framefall import ranks
from framefall.cascade.stage import Stage
from framefall.data import loader
from framefall.data.folder import Folder, open_folder
from framefall.models.experts import ExpertsConfig
from framefall.models.unet import UNetConfig
from framefall.progress import Done, Note
from framefall.recipes.registry import RECIPES
from framefall.runs.training.train import train
from framefall.train import objective
from framefall.train.loop import Budget, TrainingStep, initial, train_stage
from framefall.train.recipe import Recipe

STEPS = 3
STAGES = [*RECIPES["micro"]().stages][: examples(1, 3)]


def toy() -> Recipe:
    """The toy recipe with two experts in its base; its batches of four are two clips on each of two ranks."""
    recipe = RECIPES["micro"]()
    base = recipe.stages["base"]
    noisy = base.stage.backbone
    clean = UNetConfig(dim=32, multipliers=(1,), blocks=(1,), unshuffle=2, text_dim=noisy.text_dim, words=noisy.words)
    stage = replace(base.stage, backbone=ExpertsConfig(split=0.6, noisy=noisy, clean=clean))
    stages = {**recipe.stages, "base": replace(base, stage=stage, optim=replace(base.optim, kernels=True))}
    return replace(recipe, save_every=2, stages=stages)


def trained(name: str, folder: Folder, where: Path) -> tuple[list[float], Stage]:
    """A few steps of one stage: the losses, and the stage."""
    recipe = toy()
    stage = initial(name, recipe.stages[name], recipe.seed, torch.device("cpu"))
    events = train_stage(stage, recipe, folder, Budget(steps=STEPS), where)
    return [event.loss for event in events if isinstance(event, TrainingStep)], stage


@pytest.fixture(scope="module")
def reports(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict], Path]:
    """What each of two ranks saw, and their run's folder."""
    where = tmp_path_factory.mktemp("ranks")
    return children.reports(children.ranks(Path(__file__), 2, clips, where, folder=where), where), where


@pytest.mark.parametrize("name", STAGES)
def test_two_ranks_see_the_losses_of_one_process(
    name: str, reports: tuple[list[dict], Path], folder: Folder, tmp_path: Path
) -> None:
    first, second = (report[name] for report in reports[0])
    assert first["losses"] == second["losses"]
    alone = trained(name, folder, tmp_path)[0]
    assert first["losses"][0] == pytest.approx(alone[0], rel=1e-5, abs=1e-6)
    # later on the weights have gone through Muon's bfloat16, where a last bit is 1 / 256 of an update
    assert first["losses"] == pytest.approx(alone, rel=1e-5, abs=1e-4)
    assert (first["half"] + second["half"]) / 2 == pytest.approx(alone[0], rel=1e-5, abs=1e-6)
    # the control: without the message each would know its own half
    assert first["half"] != pytest.approx(second["half"], rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("name", STAGES)
def test_ranks_keep_equal_weights_and_write_one_log(name: str, reports: tuple[list[dict], Path]) -> None:
    first, second = (report[name] for report in reports[0])
    assert first["weights"] == second["weights"]
    rows = [json.loads(line) for line in (reports[1] / name / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert len(list((reports[1] / name / "tensorboard").iterdir())) == 1


def test_the_first_rank_speaks_and_all_train_the_same_model(reports: tuple[list[dict], Path]) -> None:
    first, second = (report["train"] for report in reports[0])
    assert second["notes"] == [] and first["losses"] == second["losses"] and len(first["losses"]) == 12
    bought, *_, last = first["notes"]
    assert bought.startswith("micro: spatial_sr 12 steps of 4 clips in ") and "spatial_sr, step 12: loss on" in last
    assert any("after a tenth of its budget" in text for text in first["notes"])
    assert first["verdicts"] == 1 and (reports[1] / "model" / "spatial_sr.safetensors").exists()


def main() -> None:
    source, where = Path(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    ranks.join()
    recipe = toy()
    folder = open_folder(source, recipe.data)
    report = {}
    for name in STAGES:
        part = recipe.stages[name]
        stage = initial(name, part, recipe.seed, torch.device("cpu"))
        cut = objective.window(part)
        half = next(loader.batches(folder, cut, batch=4, seed=recipe.seed, rank=ranks.rank(), world_size=2))
        mine = float(objective.loss(stage, part, half, recipe.seed, 0).mean())
        losses, stage = trained(name, folder, where / name)
        weights = hashlib.sha256(
            b"".join(p.detach().numpy().tobytes() for p in stage.backbone.parameters())
        ).hexdigest()
        report[name] = {"half": mine, "losses": losses, "weights": weights}
    notes, losses = [], []
    for event in train.events(folder, where / "model", recipe, stages=["spatial_sr"], steps=12):
        notes += [event.text] if isinstance(event, Note) else []
        losses += [event.loss] if isinstance(event, TrainingStep) else []
    assert isinstance(event, Done)
    report["train"] = {"notes": notes, "losses": losses, "verdicts": len(event.result.verdicts)}
    ranks.leave()
    print(json.dumps(report))


if __name__ == "__main__":
    main()
