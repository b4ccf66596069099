"""Networks split among real ranks over gloo, read again by more of them; this file is the program that each runs."""

import hashlib
import json
import resource
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import children
import pytest
import torch
from torch import nn

from examples import examples
from framefall import publish, ranks
from framefall.cascade.stage import Stage
from framefall.data import loader
from framefall.data.folder import Folder, open_folder
from framefall.models.experts import ExpertsConfig
from framefall.models.registry import MODELS
from framefall.models.unet import UNetConfig
from framefall.recipes.registry import RECIPES
from framefall.train import loop, objective, optim, resume, sharding
from framefall.train.held_out import held_out
from framefall.train.loop import Budget, TrainingStep, initial, train_stage
from framefall.train.recipe import Recipe

MORE = examples((), (4,))  # ranks, besides two and one
STEPS = 2  # the second step's loss shows what the first has made of the weights
# by stage; activations are made again by the same code in all networks, and the base has two kinds of them
WAYS = dict.fromkeys(("base", "spatial_sr")[: examples(1, 2)], ("none", "full", "checkpointed")[: examples(2, 3)])
CPU = torch.device("cpu")


def recipe_of(name: str, way: str, depth: int = 0) -> Recipe:
    """The toy recipe with this stage's network whole, split, or split with activations that are made again."""
    recipe = RECIPES["micro"]()
    part = recipe.stages[name]
    network = part.stage.backbone
    trunk = getattr(network, "trunk", network)
    trunk = replace(trunk, checkpoint_activations=way == "checkpointed", depth=depth or trunk.depth)
    if name == "base":  # one of two experts
        reads = {"text_dim": trunk.text_dim, "words": trunk.words, "checkpoint_activations": way == "checkpointed"}
        clean = UNetConfig(dim=32, multipliers=(1, 1), blocks=(1, 1), unshuffle=2, **reads)
        network = ExpertsConfig(split=0.6, noisy=trunk, clean=clean)
    else:
        network = replace(network, trunk=trunk) if hasattr(network, "trunk") else trunk
    sharding_ = "none" if way == "none" else "full"
    # a network that is split leaves its kernels to AdamW
    optim_ = replace(part.optim, kernels=False)
    part = replace(part, sharding=sharding_, optim=optim_, stage=replace(part.stage, backbone=network))
    return replace(recipe, stages={**recipe.stages, name: part}, save_every=2)


def begun(name: str, recipe: Recipe) -> Stage:
    stage = initial(name, recipe.stages[name], recipe.seed, CPU)
    if recipe.stages[name].sharding == "full":
        sharding.split(stage.backbone, CPU)
    return stage


def watched(network: nn.Module) -> list[int]:
    """The bytes of weights that are held whenever a block has computed."""
    held: list[int] = []

    def look(*_: object) -> None:
        held.append(sum(sharding.local(one).untyped_storage().nbytes() for one in network.parameters()))

    for block in network.modules():
        if isinstance(block, sharding.UNITS):
            block.register_forward_hook(look)
    return held


def held(way: str, folder: Folder) -> int:
    """The most bytes of a deeper base's weights that are held while it computes a loss."""
    recipe = recipe_of("base", way, depth=6)
    stage, part = begun("base", recipe), recipe.stages["base"]
    seen = watched(stage.backbone)
    clips = next(loader.batches(folder, objective.window(part), batch=part.batch, seed=recipe.seed))
    with torch.no_grad():
        objective.loss(stage, part, clips, recipe.seed, 0)
    return max(seen)


def trained(name: str, way: str, folder: Folder, where: Path) -> dict:
    """Losses of a few steps, the most bytes of weights held meanwhile, and the averaged weights in the end."""
    recipe = recipe_of(name, way)
    stage = begun(name, recipe)
    held = watched(stage.backbone)
    look = held_out(folder, recipe.stages[name], recipe.seed, 2)
    events = list(train_stage(stage, recipe, folder, Budget(steps=STEPS), where, held_out=look))
    losses = [event.loss for event in events if isinstance(event, TrainingStep)]
    whole = sharding.whole(stage)
    return {"losses": losses, "held": max(held), "weights": digest(whole.backbone) if ranks.rank() == 0 else ""}


def digest(network: nn.Module) -> str:
    made = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        made.update(name.encode() + sharding.gathered(tensor).numpy().tobytes())
    return made.hexdigest()


def loaded(checkpoints: Path, way: str, folder: Folder) -> dict[str, str]:
    """Digests of weights, averages and optimisers after the newest checkpoint is loaded on so many ranks."""
    recipe = recipe_of("base", way)
    stage, part = begun("base", recipe), recipe.stages["base"]
    average = optim.AveragedWeights(stage.backbone, part.optim.ema_width)
    optimizers = optim.optimizers(stage.backbone, part.optim)
    identity = loop.identity(recipe, "base", folder)
    run = resume.Run(stage.backbone, average, optimizers, resume.State(), identity)
    assert resume.restore(checkpoints, run) == [] and run.state.step == STEPS
    found = {"weights": digest(stage.backbone)}
    for what, tensors in {
        "average": average.tensors,
        **{
            f"optimizer {at}": {
                f"{number}.{key}": value
                for number, values in one.state_dict()["state"].items()
                for key, value in values.items()
            }
            for at, one in enumerate(optimizers)
        },
    }.items():
        made = hashlib.sha256()
        for name, tensor in sorted(tensors.items()):
            made.update(name.encode() + sharding.gathered(tensor).contiguous().numpy().tobytes())
        found[what] = made.hexdigest()
    return found


def failed(checkpoints: Path, folder: Folder) -> str:
    """What each rank says where the last one may write no large file."""
    recipe = recipe_of("base", "full")
    stage, part = begun("base", recipe), recipe.stages["base"]
    average = optim.AveragedWeights(stage.backbone, part.optim.ema_width)
    identity = loop.identity(recipe, "base", folder)
    run = resume.Run(stage.backbone, average, [], resume.State(step=99), identity)
    if ranks.rank() == ranks.world_size() - 1:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    try:
        resume.save(checkpoints, run, 2)
    except RuntimeError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def plain(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real clip whose name says nothing, so that no rank has a text to encode."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "0001.mp4").symlink_to(real / "carphone_pristine.mp4")
    return folder


@pytest.fixture(scope="module")
def two(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict], Path]:
    """What each of two ranks saw when they trained, and where their runs are."""
    where = tmp_path_factory.mktemp("split")
    return children.reports(children.ranks(Path(__file__), 2, "train", plain, where, folder=where), where), where


@pytest.mark.parametrize("name", WAYS)
def test_a_split_network_learns_what_a_whole_one_learns(name: str, two: tuple[list[dict], Path]) -> None:
    first, second = two[0]
    for way in WAYS[name][1:]:
        # the norm of gradients that clip them is summed row by row: a last bit of each step
        assert first[f"{name}, {way}"]["losses"] == pytest.approx(first[f"{name}, none"]["losses"], rel=1e-5, abs=1e-5)
        assert first[f"{name}, {way}"]["losses"] == second[f"{name}, {way}"]["losses"]
    assert len(first[f"{name}, full"]["losses"]) == STEPS


def test_a_rank_holds_about_half_of_the_weights(two: tuple[list[dict], Path]) -> None:
    for report in two[0]:
        assert report["base, none"]["held"] == 4 * report["parameters"]
        assert report["deep, full"] < 0.7 * report["deep, none"]


def test_a_matrix_is_orthogonalised_as_a_whole(two: tuple[list[dict], Path]) -> None:
    for report in two[0]:
        assert report["muon"] == report["muon, whole"]
        assert report["muon"] != report["muon, rows alone"]  # the control: of each rank's rows by themselves


def test_a_checkpoint_of_two_ranks_is_loaded_by_any_number(
    two: tuple[list[dict], Path], plain: Path, tmp_path: Path
) -> None:
    checkpoints = two[1] / "base, full" / "checkpoints"
    names = [one.name for one in sorted((checkpoints / f"{STEPS:08d}").iterdir())]
    parts = ["tensors-00001-of-00002.safetensors", "tensors-00002-of-00002.safetensors"]
    assert names == ["manifest.json", "state.json", *parts]
    folder = open_folder(plain, RECIPES["micro"]().data)
    alone = loaded(checkpoints, "none", folder)
    assert [one["loaded"] for one in two[0]] == [alone] * 2
    for more in MORE:
        others = children.ranks(Path(__file__), more, "load", plain, checkpoints, folder=tmp_path)
        assert children.reports(others, tmp_path) == [{"loaded": alone}] * more
    assert set(alone) == {"weights", "average", "optimizer 0", "optimizer 1"}
    # the control: the same rows in another order are another network
    swapped = shutil.copytree(checkpoints, tmp_path / "swapped")
    newest = swapped / f"{STEPS:08d}"
    with publish.folder(newest) as partial:
        shutil.copy(newest / "state.json", partial)
        for part, other in zip(parts, reversed(parts), strict=True):
            shutil.copy(newest / part, partial / other)
    assert loaded(swapped, "none", folder) != alone


def test_one_rank_reads_of_another_checkpoint_than_it_keeps(two: tuple[list[dict], Path]) -> None:
    """A whole checkpoint, of ranks that each had all, is loaded by ranks that keep rows, and the other way round."""
    first = two[0][0]
    assert first["whole, loaded split"] == first["whole, loaded whole"]


def test_a_checkpoint_that_lacks_a_part_is_passed_over(two: tuple[list[dict], Path], tmp_path: Path) -> None:
    newest = shutil.copytree(two[1] / "base, full" / "checkpoints" / f"{STEPS:08d}", tmp_path / "cut")
    (newest / "tensors-00002-of-00002.safetensors").unlink()
    with pytest.raises(publish.Corrupt, match="lacks some of its files"):
        resume.read(newest)


def test_a_rank_that_cannot_write_its_part_publishes_nothing(two: tuple[list[dict], Path]) -> None:
    first, second = (report["failed"] for report in two[0])
    assert first.startswith("rank 1 could not write its part of the checkpoint: ") and "File too large" in first
    assert second in first
    assert not list((two[1] / "failed").iterdir())


def test_every_network_has_units() -> None:
    for stage in (*RECIPES["micro"]().stages.values(), *RECIPES["vdm"]().stages.values()):
        with torch.device("meta"):
            network = MODELS[type(stage.stage.backbone)](stage.stage.backbone)
        inside = {
            id(one) for unit in network.modules() if isinstance(unit, sharding.UNITS) for one in unit.parameters()
        }
        share = sum(one.numel() for one in network.parameters() if id(one) in inside)
        assert share > 0.3 * sum(one.numel() for one in network.parameters())


def muon() -> dict[str, str]:
    """A step of Muon on a split network, on the same one whole, and on rows alone."""
    found = {}
    for way in ("muon", "muon, whole", "muon, rows alone"):
        recipe = recipe_of("base", "none")
        network = initial("base", recipe.stages["base"], 0, CPU).backbone
        if way != "muon, whole":
            sharding.split(network, CPU)
        chosen = optim.optimizers(network, recipe.stages["base"].optim)[1]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            for group in chosen.param_groups:
                for weight in group["params"]:
                    gradient, own = torch.randn(weight.shape), sharding.rows(weight)
                    weight.grad = torch.empty_like(weight)
                    sharding.local(weight.grad).copy_(gradient if own is None else gradient[own.first : own.last])
        if way == "muon, rows alone":
            gathered, sharding.gathered = sharding.gathered, sharding.local
            rows, sharding.rows = sharding.rows, lambda tensor: None
            chosen.step()
            sharding.gathered, sharding.rows = gathered, rows
        else:
            chosen.step()
        found[way] = digest(network)
    return found


def main() -> None:
    what, source, where = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)
    sharding.fast_dtype = lambda device: torch.float32
    import framefall.models.precision as precision

    precision.fast_dtype = sharding.fast_dtype
    ranks.join()
    folder = open_folder(source, RECIPES["micro"]().data)
    if what == "load":
        report = {"loaded": loaded(where, "full", folder)}
    else:
        report = {
            f"{name}, {way}": trained(name, way, folder, where / f"{name}, {way}")
            for name, ways in WAYS.items()
            for way in ways
        }
        report |= {f"deep, {way}": held(way, folder) for way in ("none", "full")}
        whole = initial("base", recipe_of("base", "none").stages["base"], 0, CPU).backbone
        report["parameters"] = sum(one.numel() for one in whole.parameters())
        report |= muon()
        report["loaded"] = loaded(where / "base, full" / "checkpoints", "full", folder)
        whole = where / "base, none" / "checkpoints"
        report["whole, loaded split"] = loaded(whole, "full", folder)
        report["whole, loaded whole"] = loaded(whole, "none", folder)
        report["failed"] = failed(where / "failed", folder)
    ranks.leave()
    print(json.dumps(report))


if __name__ == "__main__":
    main()
