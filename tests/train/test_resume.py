import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from examples import examples
from formats_before import flat
from framefall import publish
from framefall.cascade.tasks import Base
from framefall.data import loader
from framefall.data.cached.ahead import Ahead
from framefall.data.cached.shards import Shards
from framefall.data.cached.store import Store
from framefall.data.folder import Folder
from framefall.models import keys
from framefall.recipes.registry import RECIPES
from framefall.runs.sources import WorldSource
from framefall.train.loop import Budget, TrainingStep, initial, train_stage
from framefall.train.recipe import Recipe
from framefall.worlds.world import open_world

STAGES = list(RECIPES["micro"]().stages)
Ran = object  # of conftest.py


@pytest.fixture(scope="module")
def unbroken(recipe: Recipe, go: Callable, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Six steps of each stage without a stop."""
    return {name: go(recipe, name, tmp_path_factory.mktemp(name)) for name in STAGES}


def fingerprint(ran: Ran) -> dict:
    """All that a run has become, bit for bit: its newest checkpoint without the clock, and its losses."""
    newest = ran.checkpoints[-1]
    numbers = json.loads((newest / "state.json").read_text())
    numbers["state"].pop("minutes")
    return {
        "step": newest.name,
        "tensors": publish.sha256(newest / "tensors.safetensors"),
        "numbers": numbers,
        "final": {key: tensor.numpy().tobytes() for key, tensor in ran.weights.items()},
        "losses": ran.losses,
    }


# the end, one place twice, and everywhere; alone in each place by FRAMEFALL_FULL
STOPS = [(6,), (3, 3), (1, 2, 3, 4, 5), *[(1,), (3,), (4,), (4, 5)][: examples(0, 4)]]


@pytest.mark.parametrize(
    ("name", "stops"),
    [
        (name, stops)
        for name in STAGES[: examples(2, 3)]
        for stops in (STOPS if name == "base" or examples(0, 1) else STOPS[2:3])
    ],
    ids=str,
)
def test_an_interrupted_run_ends_as_the_unbroken_one(
    name: str, stops: tuple[int, ...], recipe: Recipe, go: Callable, unbroken: dict, tmp_path: Path
) -> None:
    ran = go(recipe, name, tmp_path, stops=stops)
    assert fingerprint(ran) == fingerprint(unbroken[name])
    assert [step.step for step in ran.seen] == [1, 2, 3, 4, 5, 6]  # whatever step it is stopped at is saved


def without_optimizer(tensors: dict, numbers: dict) -> None:
    for key in [key for key in tensors if key.startswith("optimizer.")]:
        del tensors[key]


def without_counter(tensors: dict, numbers: dict) -> None:
    numbers["updates"] = 0


def without_average(tensors: dict, numbers: dict) -> None:
    for key in [key for key in tensors if key.startswith("average.")]:
        tensors[key] = tensors["network." + key.removeprefix("average.")].clone()


def without_step(tensors: dict, numbers: dict) -> None:
    numbers["state"]["step"] = 2


FORGETS = [None, without_optimizer, without_counter, without_average, without_step]


@pytest.mark.parametrize("forget", FORGETS)
@pytest.mark.parametrize("name", STAGES[: examples(1, len(STAGES))])  # what one stage's forgets, all forget
def test_a_checkpoint_that_forgets_anything_shows_in_the_end(
    name: str, forget: Callable | None, recipe: Recipe, go: Callable, unbroken: dict, tmp_path: Path
) -> None:
    checkpoint = shutil.copytree(unbroken[name].checkpoints[0], tmp_path / "run" / "checkpoints" / "00000004")
    tensors, numbers = (
        load_file(checkpoint / "tensors.safetensors"),
        json.loads((checkpoint / "state.json").read_text()),
    )
    if forget:
        forget(tensors, numbers)
    with publish.folder(checkpoint) as partial:  # whole again: its hashes say nothing against it
        save_file(tensors, partial / "tensors.safetensors")
        (partial / "state.json").write_text(json.dumps(numbers))
    ran, whole = go(recipe, name, tmp_path / "run"), unbroken[name]
    assert ran.notes == {}
    ours, theirs = fingerprint(ran), fingerprint(whole)
    same = (
        ours["tensors"] == theirs["tensors"]
        and ours["numbers"] == theirs["numbers"]
        and ours["final"] == theirs["final"]
    )
    assert same == (forget is None)


def flip(checkpoint: Path) -> None:
    path = checkpoint / "tensors.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(checkpoint: Path) -> None:
    path = checkpoint / "tensors.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def lose(checkpoint: Path) -> None:
    (checkpoint / "state.json").unlink()


def strip(checkpoint: Path) -> None:
    (checkpoint / publish.MANIFEST).unlink()


def empty(checkpoint: Path) -> None:
    shutil.rmtree(checkpoint)
    checkpoint.mkdir()


def poison(checkpoint: Path) -> None:
    """Whole, and of no use: one weight is not a number."""
    tensors, numbers = load_file(checkpoint / "tensors.safetensors"), (checkpoint / "state.json").read_text()
    next(tensor for key, tensor in tensors.items() if key.startswith("network.")).view(-1)[0] = float("nan")
    with publish.folder(checkpoint) as partial:
        save_file(tensors, partial / "tensors.safetensors")
        (partial / "state.json").write_text(numbers)


@pytest.mark.parametrize("damage", [flip, cut, lose, strip, empty, poison])
def test_a_damaged_newest_checkpoint_is_passed_over_aloud(
    damage: Callable, recipe: Recipe, go: Callable, unbroken: dict, tmp_path: Path
) -> None:
    shutil.copytree(unbroken["base"].folder / "checkpoints", tmp_path / "checkpoints")
    newest = sorted((tmp_path / "checkpoints").glob("[0-9]*"))[-1]
    damage(newest)
    ran = go(recipe, "base", tmp_path)
    assert [step.step for step in ran.seen] == [5, 6]
    assert list(ran.notes) == [5] and str(newest) in ran.notes[5]
    assert [row["note"] for row in ran.log if "note" in row] == [ran.notes[5]]
    ours, theirs = fingerprint(ran), fingerprint(unbroken["base"])
    assert ours["tensors"] == theirs["tensors"] and ours["final"] == theirs["final"]


def test_where_every_checkpoint_is_damaged_the_run_begins_anew_and_keeps_what_it_saves(
    recipe: Recipe, go: Callable, unbroken: dict, tmp_path: Path
) -> None:
    shutil.copytree(unbroken["base"].folder / "checkpoints", tmp_path / "checkpoints")
    for checkpoint in (tmp_path / "checkpoints").glob("[0-9]*"):
        flip(checkpoint)
    ran = go(recipe, "base", tmp_path, stops=(3,))
    assert [step.step for step in ran.seen] == [1, 2, 3, 4, 5, 6]  # the step at which it was stopped was saved
    assert ran.notes[1].count("is not what the manifest says") == 2
    assert fingerprint(ran) == fingerprint(unbroken["base"])


@pytest.mark.parametrize("more", [0, 1])
def test_another_number_of_threads_is_told(
    more: int, recipe: Recipe, go: Callable, unbroken: dict, tmp_path: Path
) -> None:
    shutil.copytree(unbroken["base"].checkpoints[0], tmp_path / "checkpoints" / "00000004")
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + more)
    try:
        ran = go(recipe, "base", tmp_path)
    finally:
        torch.set_num_threads(threads)
    assert ("last digits may differ" in ran.notes.get(5, "")) == bool(more)


def test_leftovers_of_a_killed_writer_are_swept(recipe: Recipe, go: Callable, unbroken: dict, tmp_path: Path) -> None:
    shutil.copytree(unbroken["base"].folder / "checkpoints", tmp_path / "checkpoints")
    machine = publish._MACHINE
    leftover = tmp_path / "checkpoints" / f".00000008.partial-{machine}-999999999-0123abcd"
    leftover.mkdir()
    (leftover / "tensors.safetensors").write_bytes(b"half")
    go(recipe, "base", tmp_path)
    assert not leftover.exists()


def another_batch(recipe: Recipe, folder: Folder) -> tuple[Recipe, Folder]:
    part = recipe.stages["base"]
    return replace(recipe, stages={"base": replace(part, batch=2)}), folder


def another_network(recipe: Recipe, folder: Folder) -> tuple[Recipe, Folder]:
    part = recipe.stages["base"]
    narrow = replace(part.stage, backbone=replace(part.stage.backbone, dim=32))
    return replace(recipe, stages={"base": replace(part, stage=narrow)}), folder


def another_seed(recipe: Recipe, folder: Folder) -> tuple[Recipe, Folder]:
    return replace(recipe, seed=5), folder


def other_data(recipe: Recipe, folder: Folder) -> tuple[Recipe, Folder]:
    return recipe, replace(folder, shots=folder.shots[1:])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (another_batch, "recipe.batch was 4, now it is 2"),
        (another_network, "recipe.stage.backbone.dim was 64, now it is 32"),
        (another_seed, "seed was 0, now it is 5"),
        (other_data, "data was "),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_in_one_sentence(
    change: Callable, said: str, recipe: Recipe, folder: Folder, go: Callable, unbroken: dict, tmp_path: Path
) -> None:
    shutil.copytree(unbroken["base"].folder / "checkpoints", tmp_path / "checkpoints")
    changed, other = change(recipe, folder)
    before = {path.name: publish.verify(path) for path in (tmp_path / "checkpoints").glob("[0-9]*")}
    with pytest.raises(ValueError) as refusal:
        go(changed, "base", tmp_path, folder=other)
    text = str(refusal.value)
    assert f"belongs to another run: {said}" in text and "\n" not in text and len(text) < 500
    assert {path.name: publish.verify(path) for path in (tmp_path / "checkpoints").glob("[0-9]*")} == before


def test_what_does_not_change_the_numbers_may_change(
    recipe: Recipe, go: Callable, unbroken: dict, tmp_path: Path
) -> None:
    shutil.copytree(unbroken["base"].folder / "checkpoints", tmp_path / "checkpoints")
    part = replace(recipe.stages["base"], steps=7, share=0.9, accumulate=2)
    ran = go(replace(recipe, stages={"base": part}, keep=3), "base", tmp_path, steps=7)
    assert [step.step for step in ran.seen] == [7]


@pytest.mark.parametrize(
    ("keep", "expected"), [(1, [4, 5]), (3, [3, 4, 5]), *[(2, [4, 5]), (50, [1, 2, 3, 4, 5])][: examples(0, 2)]]
)
def test_only_the_newest_checkpoints_are_kept_and_never_fewer_than_two(
    keep: int, expected: list[int], recipe: Recipe, go: Callable, tmp_path: Path
) -> None:
    ran = go(replace(recipe, save_every=1, keep=keep), "spatial_sr", tmp_path, steps=5)
    assert [int(path.name) for path in ran.checkpoints] == expected
    for path in ran.checkpoints:
        publish.verify(path)


def rewritten(run_folder: Path, change: Callable[[dict], object]) -> None:
    """Every checkpoint anew, with another recipe in its identity."""
    for file in run_folder.glob("checkpoints/*/state.json"):
        numbers = json.loads(file.read_text())
        change(numbers["identity"]["recipe"])
        with publish.folder(file.parent) as partial:
            shutil.copy(file.parent / "tensors.safetensors", partial)
            (partial / "state.json").write_text(json.dumps(numbers))


def without_buckets(recipe: dict) -> None:
    assert recipe["stage"]["task"].pop("buckets") == []  # it is at its default


def of_format_1(recipe: dict) -> None:
    """The task a word, and every stage's fields beside it."""
    beside = {"factor": 1, "intervals": 5, "bridge": None, "spread": 0.1, "low_res_noise": 0.0, "relative_loss": False}
    recipe["stage"] = beside | flat(recipe["stage"])


@pytest.mark.parametrize(
    ("age", "name"), [(without_buckets, "base"), (of_format_1, "base"), (of_format_1, "temporal_sr")]
)
def test_a_checkpoint_from_before_is_gone_on_from(
    age: Callable, name: str, recipe: Recipe, go: Callable, unbroken: dict, tmp_path: Path
) -> None:
    shutil.copytree(unbroken[name].checkpoints[0], tmp_path / "checkpoints" / "00000004")
    rewritten(tmp_path, age)
    ran = go(recipe, name, tmp_path)
    assert [step.step for step in ran.seen] == [5, 6] and ran.notes == {}
    assert fingerprint(ran)["tensors"] == fingerprint(unbroken[name])["tensors"]


def test_a_checkpoint_from_before_of_another_task_is_refused(
    recipe: Recipe, go: Callable, unbroken: dict, tmp_path: Path
) -> None:
    shutil.copytree(unbroken["base"].checkpoints[0], tmp_path / "checkpoints" / "00000004")
    rewritten(tmp_path, of_format_1)
    part = recipe.stages["base"]
    other = replace(part, stage=replace(part.stage, task=Base(buckets="auto")))
    with pytest.raises(ValueError, match=r"recipe.stage.task.buckets was \[\], now it is \"auto\""):
        go(replace(recipe, stages={"base": other}), "base", tmp_path, steps=8)


# what the names of a transformer's weights were in format 1
_BEFORE = {
    "norm_out.linear.": "leave_modulation.",
    "scale_shift_table": "table",
    "network.modulation.": "network.share.",
    "average.modulation.": "average.share.",
    "time_embed.mlp.": "time.layers.",
    "pooled_text_proj.": "pooled.",
    "text_proj.": "words.",
    "null_text": "null_word",
    "number_proj.": "numbers.",
    "pos_embed.": "place.",
    "proj_in.": "enter.",
    "proj_out.": "leave.",
    "attn.proj.": "attention.out.",
    "attn.": "attention.",
    "q_norm.": "query_norm.",
    "k_norm.": "key_norm.",
    "gate_up_proj.": "inside.",
    "down_proj.": "outside.",
}


@pytest.mark.parametrize("read", [True, False])
def test_a_checkpoint_with_the_names_of_an_earlier_format_is_gone_on_from(
    read: bool, recipe: Recipe, go: Callable, unbroken: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def before(name: str) -> str:
        for new, old in _BEFORE.items():
            name = name.replace(new, old)
        return name

    checkpoint = shutil.copytree(unbroken["base"].checkpoints[0], tmp_path / "checkpoints" / "00000004")
    tensors = load_file(checkpoint / "tensors.safetensors")
    old, numbers = {before(name): tensor for name, tensor in tensors.items()}, (checkpoint / "state.json").read_text()
    assert len(old) == len(tensors) and sum(name in tensors for name in old) < 0.7 * len(old)
    with publish.folder(checkpoint) as partial:
        save_file(old, partial / "tensors.safetensors")
        (partial / "state.json").write_text(numbers)
    if not read:
        monkeypatch.setattr(keys, "FORMATS", {})
    ran = go(recipe, "base", tmp_path)
    assert [step.step for step in ran.seen] == ([5, 6] if read else [1, 2, 3, 4, 5, 6])
    assert ran.notes == {} if read else "has an unknown tensor" in ran.notes[1]
    assert fingerprint(ran)["tensors"] == fingerprint(unbroken["base"])["tensors"]


@pytest.fixture(scope="module")
def world() -> WorldSource:
    """So few scenes that six steps of four clips see two looks at them, and then the shuffled third epoch."""
    return WorldSource(open_world("uniform,fall", size=10), size=32, fps=12.0, looks=2)


@pytest.fixture(scope="module")
def on_a_world(world: WorldSource, recipe: Recipe, go: Callable, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Six steps on it with nothing kept."""
    return fingerprint(go(recipe, "base", tmp_path_factory.mktemp("world"), folder=world))


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize(
    ("workers", "stops"), [(2, (3,)), *[(0, (4, 5)), (0, ()), (0, (3,))][: examples(0, 3)]], ids=str
)
def test_a_run_on_a_world_ends_alike_with_kept_clips_without_them_and_with_workers(
    workers: int,
    stops: tuple[int, ...],
    world: WorldSource,
    recipe: Recipe,
    go: Callable,
    on_a_world: dict,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began: list[Ahead] = []
    monkeypatch.setattr(loader, "Shards", partial(Shards, largest=4))
    monkeypatch.setattr(loader, "Ahead", lambda *given: began.append(Ahead(*given)) or began[-1])
    kept = replace(world, store=Store(tmp_path / "cache"))
    for name in ("fresh", "filled"):  # the second one reads what the first has made
        ran = go(replace(recipe, workers=workers), "base", tmp_path / name, stops=stops, folder=kept)
        assert fingerprint(ran) == on_a_world and ran.notes == {}
        assert any(one._children for one in began) == (workers > 0)
    assert not any(one.processes for one in began)
    assert len(list((tmp_path / "cache").rglob("*.records"))) == 5


@pytest.mark.slow  # `cases/test_caches.py` removes one in mid-run
def test_a_cache_that_vanishes_or_fills_up_during_a_run_changes_nothing_but_its_notes(
    world: WorldSource, recipe: Recipe, go: Callable, on_a_world: dict, tmp_path: Path
) -> None:
    full = go(recipe, "base", tmp_path / "full", folder=replace(world, store=Store(tmp_path / "small", 1000)))
    assert fingerprint(full) == on_a_world
    assert [text for text in full.notes.values() if "has no room for more clips" in text]
    stage = initial("base", recipe.stages["base"], recipe.seed, torch.device("cpu"))
    kept = replace(world, store=Store(tmp_path / "cache"))
    for event in train_stage(stage, recipe, kept, Budget(steps=6), tmp_path / "vanishing"):
        if isinstance(event, TrainingStep) and event.step in (3, 5):
            shutil.rmtree(tmp_path / "cache")
    tensors = sorted((tmp_path / "vanishing" / "checkpoints").glob("[0-9]*"))[-1] / "tensors.safetensors"
    assert publish.sha256(tensors) == on_a_world["tensors"]


def test_another_number_of_looks_is_other_data(
    world: WorldSource, recipe: Recipe, go: Callable, tmp_path: Path
) -> None:
    go(recipe, "base", tmp_path, folder=world, steps=2)
    with pytest.raises(ValueError, match="data was"):
        go(recipe, "base", tmp_path, folder=replace(world, looks=1), steps=4)
