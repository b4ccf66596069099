import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from examples import examples
from framefall.cascade.stage import Stage
from framefall.data.folder import Folder, open_folder
from framefall.progress import Note, Stepped
from framefall.recipes.registry import RECIPES
from framefall.train import resume
from framefall.train.loop import BAD_STEPS, Budget, Diverged, TrainingStep, initial, train_stage
from framefall.train.recipe import Recipe

CPU = torch.device("cpu")
STAGES = list(RECIPES["micro"]().stages)


@pytest.mark.parametrize("name", STAGES)
def test_a_few_steps_change_every_weight_and_leave_the_averaged_ones(
    name: str, recipe: Recipe, go: Callable, tmp_path: Path
) -> None:
    ran = go(recipe, name, tmp_path, steps=4)
    assert [step.step for step in ran.seen] == [1, 2, 3, 4]
    assert [(step.done, step.total) for step in ran.seen] == [(share, 1.0) for share in (0.25, 0.5, 0.75, 1.0)]
    assert {step.stage for step in ran.seen} == {name} and not ran.stage.backbone.training
    assert all(isinstance(step, Stepped) and f"{name} step {step.step}, loss" in step.what for step in ran.seen)
    assert ran.notes == {} and all(step.rate > 0 for step in ran.seen)
    last = resume.read_tensors(ran.checkpoints[-1] / "tensors.safetensors")
    fresh = initial(name, recipe.stages[name], recipe.seed, CPU).backbone.state_dict()
    for key, tensor in ran.weights.items():
        assert torch.equal(tensor, last[f"average.{key}"])
    assert any(not torch.equal(tensor, last[f"network.{key}"]) for key, tensor in ran.weights.items())
    # biases that begin at zero behind a closed gate may rest for a few steps, matrices may not
    resting = [key for key, tensor in fresh.items() if tensor.ndim > 1 and torch.equal(tensor, last[f"network.{key}"])]
    assert resting == []


def test_fresh_weights_depend_on_seed_and_stage_alone(recipe: Recipe) -> None:
    def first(name: str, seed: int) -> torch.Tensor:
        return torch.cat(
            [p.detach().flatten() for p in initial(name, recipe.stages["base"], seed, CPU).backbone.parameters()]
        )

    torch.manual_seed(1)
    one = first("base", 0)
    torch.manual_seed(2)
    before = torch.random.get_rng_state()
    assert torch.equal(first("base", 0), one)
    assert torch.equal(torch.random.get_rng_state(), before)  # and whoever draws from torch's generator is left alone
    assert not torch.equal(first("base", 1), one) and not torch.equal(first("other", 0), one)


@pytest.mark.parametrize("name", examples(["base"], STAGES))
def test_a_batch_in_four_parts_is_the_same_batch(name: str, recipe: Recipe, go: Callable, tmp_path: Path) -> None:
    def run(**changes: object) -> list[dict]:
        part = replace(recipe.stages[name], **changes)
        where = tmp_path / "-".join(map(str, changes.values()))
        return go(replace(recipe, stages={name: part}), name, where, steps=3).log  # type: ignore[no-any-return]

    whole, parts, smaller = run(accumulate=1), run(accumulate=4), run(batch=2, accumulate=2)
    assert parts[0]["loss"] == pytest.approx(whole[0]["loss"], rel=1e-5)
    for one, other in zip(whole, parts, strict=True):  # products and Muon are in bfloat16, whose last bit is 1 / 256
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-3)
        assert other["gradient"] == pytest.approx(one["gradient"], rel=1e-2)
    assert smaller[0]["loss"] != pytest.approx(whole[0]["loss"], rel=1e-3)  # the control: another batch shows


@pytest.mark.parametrize(
    ("budget", "step", "minutes", "expected"),
    [
        (Budget(steps=10), 0, 99.0, 0.0),
        (Budget(steps=10), 5, 0.0, 0.5),
        (Budget(steps=10), 12, 0.0, 1.0),
        (Budget(minutes=4.0), 999, 1.0, 0.25),
        (Budget(minutes=4.0), 0, 5.0, 1.0),
        (Budget(steps=10, minutes=4.0), 5, 3.0, 0.75),
        (Budget(steps=10, minutes=4.0), 9, 3.0, 0.9),
    ],
)
def test_a_budget_of_steps_or_minutes_is_spent_by_whichever_comes_first(
    budget: Budget, step: int, minutes: float, expected: float
) -> None:
    assert budget.progress(resume.State(step=step, minutes=minutes)) == pytest.approx(expected)


def test_minutes_count_over_all_sessions(recipe: Recipe, folder: Folder, tmp_path: Path) -> None:
    def run(minutes: float) -> list[int]:
        stage = initial("base", recipe.stages["base"], 0, CPU)
        return [event.step for event in train_stage(stage, recipe, folder, Budget(minutes=minutes), tmp_path)]

    first = run(0.01)
    assert len(first) >= 1 and run(0.01) == []  # spent already
    second = run(0.02)
    assert second[0] == first[-1] + 1


def test_the_network_is_not_compiled_by_default(recipe: Recipe, go: Callable, tmp_path: Path) -> None:
    assert go(recipe, "base", tmp_path, steps=1).stage.backbone._compiled_call_impl is None


@pytest.fixture(scope="module")
def poisoned(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Real clips with a number each; one of them is finite, as the file demands, and far too large to be squared."""
    root = tmp_path_factory.mktemp("poisoned")
    for name, source in (("0001", "bikes"), ("0002", "carphone_pristine"), ("0003", "carphone_distorted")):
        shutil.copy(real / f"{source}.mp4", root / f"{name}.mp4")
        (root / f"{name}.json").write_text(json.dumps({"numbers": [3e38 if name == "0002" else 0.5]}))
    return open_folder(root, RECIPES["micro"]().data)


@pytest.fixture(scope="module")
def counting(recipe: Recipe) -> Recipe:
    """The toy base stage with one number and one clip a step."""
    part = recipe.stages["base"]
    backbone = replace(part.stage.backbone, numbers=1)
    return replace(recipe, stages={"base": replace(part, batch=1, stage=replace(part.stage, backbone=backbone))})


def test_a_step_that_is_not_finite_changes_nothing_and_names_its_clips(
    counting: Recipe, poisoned: Folder, tmp_path: Path
) -> None:
    stage = initial("base", counting.stages["base"], 0, CPU)
    before, changed, notes = stage.backbone.state_dict(), {}, []
    before = {key: tensor.clone() for key, tensor in before.items()}
    for event in train_stage(stage, counting, poisoned, Budget(steps=16), tmp_path):
        if isinstance(event, Note):
            notes.append(event.text)
            continue
        now = {key: tensor.clone() for key, tensor in stage.backbone.state_dict().items()}
        changed[event.step] = any(not torch.equal(now[key], before[key]) for key in now)
        before = now
    skipped = [step for step in changed if not changed[step]]
    assert 2 <= len(skipped) <= 12 and len(changed) == 16
    for step, note in zip(skipped, notes, strict=True):
        assert f"step {step - 1} was not finite and was skipped; its clips: 0002.mp4" in note
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    named = {row["step"] + 1: row["clips"] for row in rows if "clips" in row}
    assert list(named) == skipped and all(len(keys) == 1 and keys[0].startswith("0002.mp4") for keys in named.values())
    assert all(row["loss"] is None for row in rows if row["step"] in skipped and "loss" in row)
    newest = sorted((tmp_path / "checkpoints").glob("*"))[-1]
    state = json.loads((newest / "state.json").read_text())
    assert state["updates"] == 16 - len(skipped)
    assert [one["step"] + 1 for one in state["state"]["skipped"]] == skipped


def test_three_steps_in_a_row_that_are_not_finite_end_the_run_again_and_again(
    counting: Recipe, poisoned: Folder, tmp_path: Path
) -> None:
    bad = replace(poisoned, shots=tuple(shot for shot in poisoned.shots if shot.source == "0002.mp4"))

    def run() -> list[int]:
        steps = []
        stage = initial("base", counting.stages["base"], 0, CPU)
        with pytest.raises(
            Diverged, match=r"3 steps in a row were not finite, the last with 0002\.mp4#0\+\d+; lower the"
        ):
            for event in train_stage(stage, counting, bad, Budget(steps=16), tmp_path):
                if isinstance(event, TrainingStep):
                    steps.append(event.step)
        return steps

    assert run() == [1, 2] and BAD_STEPS == 3
    assert run() == []  # a run that goes on from there has no three more steps to waste


def test_weights_that_are_not_finite_are_never_gone_on_from(
    recipe: Recipe, folder: Folder, go: Callable, tmp_path: Path
) -> None:
    stage = initial("base", recipe.stages["base"], 0, CPU)
    with pytest.raises(Diverged):
        for event in train_stage(stage, recipe, folder, Budget(steps=16), tmp_path):
            if isinstance(event, TrainingStep) and event.step == 4:  # a bit flips in memory
                next(stage.backbone.parameters()).data.fill_(float("inf"))
    ran = go(recipe, "base", tmp_path, steps=8)
    assert ran.seen[0].step == 5 and ran.notes == {}
    assert all(bool(tensor.isfinite().all()) for tensor in ran.weights.values())


def test_samples_are_drawn_with_the_averaged_weights_on_the_way_as_at_the_end(
    recipe: Recipe, folder: Folder, tmp_path: Path
) -> None:
    shown: dict[int, dict[str, torch.Tensor]] = {}

    def strip(stage: Stage, step: int) -> None:
        assert not stage.backbone.training
        shown[step] = {name: tensor.clone() for name, tensor in stage.backbone.state_dict().items()}

    often = replace(recipe, strip_minutes=0.0)
    stage = initial("spatial_sr", recipe.stages["spatial_sr"], 0, CPU)
    for event in train_stage(stage, often, folder, Budget(steps=4), tmp_path, strip=strip):
        assert isinstance(event, TrainingStep) and stage.backbone.training
    assert list(shown) == [1, 2, 3, 4]
    for step in (2, 4):
        saved = resume.read_tensors(tmp_path / "checkpoints" / f"{step:08d}" / "tensors.safetensors")
        assert all(torch.equal(tensor, saved[f"average.{name}"]) for name, tensor in shown[step].items())
        assert not all(torch.equal(tensor, saved[f"network.{name}"]) for name, tensor in shown[step].items())


def test_a_run_that_is_closed_after_a_step_has_saved_it(recipe: Recipe, folder: Folder, tmp_path: Path) -> None:
    """And goes on to the bits of an unbroken one; one that ends otherwise there has only its last checkpoint."""
    recipe = replace(recipe, save_every=100)

    def begin(where: Path):
        stage = initial("base", recipe.stages["base"], recipe.seed, CPU)
        return stage, train_stage(stage, recipe, folder, Budget(steps=5), where)

    def steps(run):
        return (event for event in run if isinstance(event, TrainingStep))

    whole, run = begin(tmp_path / "whole")
    list(run)
    _, run = begin(tmp_path / "stopped")
    assert [next(steps(run)).step for _ in range(3)] == [1, 2, 3]
    run.close()
    assert [one.name for one in (tmp_path / "stopped" / "checkpoints").iterdir()] == ["00000003"]
    stage, run = begin(tmp_path / "stopped")
    assert [event.step for event in steps(run)] == [4, 5]
    ours, theirs = stage.backbone.state_dict(), whole.backbone.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    _, run = begin(tmp_path / "killed")
    next(steps(run))
    with pytest.raises(RuntimeError):
        run.throw(RuntimeError())
    assert not (tmp_path / "killed" / "checkpoints").exists()
