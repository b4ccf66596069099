import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from examples import examples
from framefall.data import loader
from framefall.data.clip import Clip
from framefall.data.folder import Folder
from framefall.progress import Note
from framefall.recipes.registry import RECIPES
from framefall.runs.sources import WorldSource
from framefall.train import objective
from framefall.train.held_out import (
    CLIPS,
    COST,
    LONGEST,
    HeldOut,
    HeldOutLoss,
    Watch,
    averaged,
    errors,
    held_out,
    losses,
    measured,
)
from framefall.train.loop import Budget, TrainingStep, initial, train_stage
from framefall.train.recipe import Recipe
from framefall.worlds.world import open_world

CPU = torch.device("cpu")
STAGES = list(RECIPES["micro"]().stages)


def keys(clips: tuple[Clip, ...]) -> set[str]:
    return {clip.key.partition("#")[0] for clip in clips}


def test_the_clips_are_of_the_side_that_is_kept_back_and_where_none_is_that_is_said(
    folder: Folder, recipe: Recipe
) -> None:
    part = recipe.stages["base"]
    kept = replace(folder, validation=frozenset({"0002.mp4"}))
    found = held_out(kept, part, 0)
    assert found.kept_back and keys(found.clips) == {"0002.mp4"} and 0 < len(found.clips) <= CLIPS
    found = held_out(folder, part, 0)
    assert not found.kept_back and keys(found.clips) == {"0001.mp4", "0002.mp4"}
    short = replace(kept, shots=tuple(replace(s, frames=2) if s.source == "0002.mp4" else s for s in kept.shots))
    found = held_out(short, part, 0)  # what is kept back is too short for this stage
    assert not found.kept_back and keys(found.clips) == {"0001.mp4"}


def test_of_a_world_they_are_other_scenes_than_those_it_trains_on(recipe: Recipe) -> None:
    world = WorldSource(open_world("fall", size=20), size=recipe.data.size, fps=recipe.data.fps)
    found = held_out(world, recipe.stages["base"], 0)
    stream, _ = world.streams(objective.window(recipe.stages["base"]), 0)
    trained = {stream.clip(position).key.partition("#")[0] for position in range(20)}
    assert found.kept_back and len(found.clips) == CLIPS and not keys(found.clips) & trained


@pytest.mark.parametrize("name", STAGES)
def test_a_measurement_is_the_same_each_time_and_draws_from_no_generator(
    name: str, recipe: Recipe, folder: Folder
) -> None:
    part = recipe.stages[name]
    stage, clips = initial(name, part, 0, CPU), held_out(folder, part, 0).clips[:3]
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first, against = losses(stage, part, clips, 0, objective.loss), errors(stage, part, clips, 0)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert len(first) == len(against) == 3 and np.isfinite([*first, *against]).all()
    assert losses(stage, part, clips, 0, objective.loss) == first and errors(stage, part, clips, 0) == against
    assert losses(stage, part, clips, 1, objective.loss) != first
    alone = [losses(stage, part, [clip], 0, objective.loss)[0] for clip in clips]  # however many go together
    assert alone == pytest.approx(list(first), rel=2e-2, abs=1e-3)


def test_a_fresh_super_resolution_stage_is_its_prior_and_a_fresh_base_has_seen_nothing(
    recipe: Recipe, folder: Folder
) -> None:
    for name in ("temporal_sr", "spatial_sr"):
        part = recipe.stages[name]
        found = errors(initial(name, part, 0, CPU), part, held_out(folder, part, 0).clips, 0)
        assert found == pytest.approx([0.0] * len(found), abs=0.02)
    part = recipe.stages["base"]
    found = errors(initial("base", part, 0, CPU), part, held_out(folder, part, 0).clips, 0)
    assert np.mean(found) > 0


@pytest.mark.parametrize("name", examples(["base"], STAGES))
def test_looking_changes_no_bit_of_the_training(name: str, recipe: Recipe, folder: Folder, tmp_path: Path) -> None:
    part = recipe.stages[name]
    look = HeldOut(held_out(folder, part, 0).clips[:4], False)

    def run(where: str, looks: HeldOut | None) -> tuple[list[float], dict[str, torch.Tensor], int]:
        stage, seen, found = initial(name, part, 0, CPU), [], 0
        for event in train_stage(stage, recipe, folder, Budget(steps=5), tmp_path / where, held_out=looks):
            if isinstance(event, TrainingStep):
                assert stage.backbone.training
                seen.append(event.loss)
            found += isinstance(event, HeldOutLoss)
        return seen, stage.backbone.state_dict(), found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watch, "due", lambda self, minutes, seconds: True)  # after every step
        ours, weights, measured = run("looked", look)
    plain, same, none = run("plain", None)
    assert measured == 5 and none == 0  # the last step's once
    assert ours == plain
    assert all(torch.equal(weights[key], same[key]) for key in same)


def test_averaged_weights_are_there_inside_and_gone_afterwards(recipe: Recipe) -> None:
    network = initial("base", recipe.stages["base"], 0, CPU).backbone.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    other = {name: tensor + 1 for name, tensor in before.items()}
    with pytest.raises(KeyboardInterrupt), averaged(network, other):
        assert not network.training
        assert all(torch.equal(tensor, other[name]) for name, tensor in network.state_dict().items())
        raise KeyboardInterrupt
    assert network.training and all(torch.equal(one, before[name]) for name, one in network.state_dict().items())


def watch(recipe: Recipe, folder: Folder, log: Path, step: int = 0) -> Watch:
    part = recipe.stages["base"]
    return Watch(held_out(folder, part, 0), part, 0, objective.loss, log, step)


def test_measuring_costs_at_most_its_share_and_grows_rarer(recipe: Recipe, folder: Folder, tmp_path: Path) -> None:
    """A clock without training: steps of half a second, and measurements that take as long as they should."""
    ours, at, minutes = watch(recipe, folder, tmp_path / "log.jsonl"), list[float](), 0.0
    cost = 0.5 / recipe.stages["base"].batch * 3 * len(ours.held_out.clips) / 3
    while minutes < 24 * 60:
        minutes += 0.5 / 60
        if ours.due(minutes, 0.5):
            at.append(minutes)
            ours.last, ours.spent, ours.calls = minutes, ours.spent + cost, ours.calls + 1
            assert ours.spent <= COST * 60 * minutes
    assert cost / COST / 60 <= at[0] < 4 and 40 < len(at) < 90
    apart = np.diff(at)
    assert max(apart) < LONGEST + 1 and sorted(apart[2:10]) == list(apart[2:10])
    assert sum(minute < 60 for minute in at) > 8  # enough of them for a trend within the hour


def test_a_run_that_goes_on_knows_its_earlier_measurements_and_no_others(
    recipe: Recipe, folder: Folder, tmp_path: Path
) -> None:
    count = len(held_out(folder, recipe.stages["base"], 0).clips)
    log = tmp_path / "log.jsonl"
    rows = [
        {"step": 1, "loss": 3.0},
        {"step": 2, "held_out_loss": 1.0, "losses": [1.0] * count, "minutes": 0.5, "cooling": False},
        {"step": 4, "held_out_loss": 0.5, "losses": [0.5] * count, "minutes": 1.0, "cooling": True},
        {"step": 4, "held_out_loss": 0.4, "losses": [0.4] * count, "minutes": 1.1, "cooling": True},  # done again
        {"step": 5, "held_out_loss": 0.4, "losses": [None] * count, "minutes": 1.2, "cooling": True},
        {"step": 6, "held_out_loss": 0.1, "losses": [0.1] * count, "minutes": 2.0, "cooling": True},  # was undone
        {"step": 3, "held_out_loss": 0.1, "losses": [0.1], "minutes": 0.7, "cooling": False},  # of other clips
    ]
    log.write_text("\n".join(map(json.dumps, rows)) + '\n{"step": 4, "held_out_loss"')
    found = watch(recipe, folder, log, step=5)
    assert [(one.step, one.losses[0], one.cooling) for one in found.before.values()] == [
        (2, 1.0, False),
        (4, 0.4, True),
    ]
    assert found.last == 1.1


@pytest.mark.parametrize("name", examples(["base", "spatial_sr"], STAGES))
def test_a_measurement_is_written_down_and_told(name: str, recipe: Recipe, folder: Folder, tmp_path: Path) -> None:
    part = recipe.stages[name]
    kept = replace(folder, validation=frozenset({"0002.mp4"}))
    for source, where in ((kept, "held-out loss"), (folder, "loss on fixed clips of the training set (none is held")):
        stage, run = initial(name, part, 0, CPU), tmp_path / where[:8]
        found = held_out(source, part, 0)
        look = HeldOut(found.clips[:4], found.kept_back)
        *_, last = train_stage(stage, recipe, source.split("train"), Budget(steps=2), run, held_out=look)
        assert isinstance(last, HeldOutLoss) and isinstance(last, Note)
        row = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
        assert row["held_out_loss"] == last.loss == pytest.approx(np.mean(row["losses"]))
        assert row["held_out_error"] == last.error and row["step"] == last.step == 2
        shown = f"{last.loss:.4f}" if name == "base" else f"{math.exp(last.loss):.3f} of its prior's"
        assert last.text.startswith(f"{name}, step 2: {where}") and last.text.endswith(shown)
        again = losses(stage, part, look.clips, recipe.seed, objective.loss)
        assert again == last.losses  # of the averaged weights, which the stage has now
        back = measured(run / "log.jsonl", name, found.kept_back)
        assert back == replace(last, text="", trend=None, relative=False)
        assert measured(run / "log.jsonl", name, found.kept_back, step=1) is None
        assert measured(run / "nowhere.jsonl", name, found.kept_back) is None


def test_nothing_is_measured_where_nothing_was_trained(recipe: Recipe, folder: Folder, tmp_path: Path) -> None:
    part = recipe.stages["spatial_sr"]

    def events() -> Iterator[TrainingStep | Note]:
        stage, look = initial("spatial_sr", part, 0, CPU), held_out(folder, part, 0)
        return train_stage(stage, recipe, folder, Budget(steps=2), tmp_path, held_out=look)

    assert [type(event) for event in events()] == [TrainingStep, TrainingStep, HeldOutLoss]
    assert list(events()) == []


def test_the_clips_are_few_and_small_enough_to_keep(recipe: Recipe, folder: Folder) -> None:
    kept = held_out(folder, recipe.stages["base"], 0).clips
    assert kept == tuple(kept) and [clip.key for clip in kept] == [
        clip.key for clip in loader.validation(folder, objective.window(recipe.stages["base"]), CLIPS, 0)
    ]
