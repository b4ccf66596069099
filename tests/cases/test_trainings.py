"""What users meet when they train: nothing that is there is lost, and what cannot work is refused before any step.

Each test that needs a control has it beside the promise: the naive way of the same, which must break.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from children import Child, command

from cases.conftest import Case, refused
from framefall import locks, publish
from framefall.cascade.saved import checkpoint
from framefall.cascade.saved.checkpoint import load_cascade, with_stage

Run = Callable[..., object]
TOY = ("--recipe", "micro", "--stage", "base", "--steps", "1")


def log(model: Path, stage: str = "base") -> list[int]:
    """The steps in a run's log."""
    rows = (model.with_name(f"{model.name}.training") / stage / "log.jsonl").read_text().splitlines()
    return [row["step"] for row in map(json.loads, rows) if "loss" in row]


def naive_with_stage(folder: Path, name: str, stage: object, config: object, dtype: torch.dtype) -> None:
    """The control: all stages read and written again, in the number format of the newest."""
    before = load_cascade(folder) if folder.exists() else None
    kept = {} if before is None else {one.name: one for one in before.stages}
    kept[name] = stage
    stages = tuple(kept[one] for one in config.stages if one in kept)  # type: ignore[attr-defined]
    planned = {one.name: one.config for one in stages}
    checkpoint.save(checkpoint.Cascade(config=checkpoint.replace(config, stages=planned), stages=stages), folder, dtype)


def test_a_stage_after_another_leaves_its_bytes_and_what_it_was_trained_on(
    case: Case, framefall: Run, tmp_path: Path
) -> None:
    out, new = case("stage-after-stage"), tmp_path / "new"
    first = framefall("train", out / "one", "-o", new, *TOY, "--set", "weights=float32")
    before = {name: publish.sha256(new / name) for name in ("base.safetensors",)}
    part = load_cascade(new).card.stages["base"]  # type: ignore[union-attr]
    second = framefall("train", out / "two", "-o", new, "--recipe", "micro", "--stage", "temporal_sr", "--steps", "1")
    assert first.code == second.code == 0, second.err  # type: ignore[attr-defined]
    found = load_cascade(new)
    assert {name: publish.sha256(new / name) for name in before} == before
    assert found.config.trained_on == ["a red square.mp4", "a blue square.mp4"]
    assert found.card is not None and found.card.stages["base"] == part
    naive_with_stage(new, "temporal_sr", found.stage("temporal_sr"), found.config, torch.bfloat16)  # the control
    assert publish.sha256(new / "base.safetensors") != before["base.safetensors"]


def test_a_recipe_with_other_stage_names_takes_nothing_away(
    case: Case, framefall: Run, trained: Path, tmp_path: Path
) -> None:
    out, new = case("stage-after-stage"), tmp_path / "new"
    whole = load_cascade(trained)
    config, stage = whole.config, whole.stage("temporal_sr")
    with_stage(new, "temporal_sr", stage, config, torch.float32)
    before = publish.verify(new)
    small = [f"stages.base.stage.shape.{side}=16" for side in ("height", "width")]
    words = [word for setting in [*small, "stages.base.batch=2"] for word in ("--set", setting)]
    said = framefall(
        "train", out / "two", "-o", new, "--recipe", "sora_like", "--stage", "base", "--steps", "1", *words
    )
    assert refused(said) and "temporal_sr" in said.err, said.err  # type: ignore[attr-defined]
    assert publish.verify(new) == before and not new.with_name("new.training").exists()
    other = checkpoint.replace(config, stages={"base": config.stages["base"]})
    with pytest.raises(ValueError, match=r"base must have a place among the stages .* temporal_sr"):
        with_stage(new, "base", whole.stage("base"), other, torch.float32)
    assert publish.verify(new) == before
    naive_with_stage(new, "base", whole.stage("base"), other, torch.float32)  # the control
    assert not (new / "temporal_sr.safetensors").exists()


def test_of_two_trainings_into_one_folder_one_is_refused_and_told_who_trains(
    case: Case, framefall: Run, tmp_path: Path
) -> None:
    out, new = case("two-trainings-one-folder"), tmp_path / "new"
    words = ["train", out / "one", "-o", new, "--recipe", "micro", "--stage", "base", "--steps", "100000"]
    child = command(*words)
    try:
        runs = tmp_path / "new.training" / "base"
        until(lambda: (runs / "log.jsonl").exists() and (runs / "log.jsonl").stat().st_size, child)
        for more in ((), ("--resume",)):  # both begin no run of their own
            said = framefall("train", out / "two", "-o", new, *TOY, *more)
            assert refused(said) and said.code == 1, said.err  # type: ignore[attr-defined]
            assert f"base of {new} is being trained by process {child.pid}" in said.err  # type: ignore[attr-defined]
    finally:
        child.kill()
        child.join()
    assert framefall("train", out / "one", "-o", tmp_path / "other", *TOY).code == 0  # type: ignore[attr-defined]
    said = framefall("train", out / "two", "-o", new, *TOY, *(("--resume",) if (runs / "checkpoints").exists() else ()))
    assert "is being trained" not in said.err  # type: ignore[attr-defined]  # a lock ends with its process


@pytest.mark.parametrize("kept_apart", [True, False])
def test_stages_published_at_the_same_time_are_all_there(kept_apart: bool, trained: Path, tmp_path: Path) -> None:
    """Without taking turns, the control, of the same races some lose a stage."""
    rounds = 5
    names = ("base", "temporal_sr")
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(len(names))
    children = [
        context.Process(target=publishing, args=(name, trained, tmp_path, rounds, barrier, kept_apart))
        for name in names
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
        assert child.exitcode == 0
    whole = 0
    for number in range(rounds):
        model = tmp_path / str(number)
        publish.verify(model)
        whole += all((model / f"{name}.safetensors").exists() for name in names)
    assert (whole == rounds) == kept_apart
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(map(str, range(rounds)))


def publishing(name: str, trained: Path, folder: Path, rounds: int, barrier: object, kept_apart: bool) -> None:
    """Publishes one stage of model after model, each at the same moment as another process another stage."""
    torch.set_num_threads(1)
    found = load_cascade(trained)
    if not kept_apart:
        locks.in_turn = lambda _: nullcontext()  # type: ignore[assignment]
    for number in range(rounds):
        barrier.wait(60)  # type: ignore[attr-defined]
        with_stage(folder / str(number), name, found.stage(name), found.config, torch.float32)
    os._exit(0)


@pytest.mark.parametrize("stage", ["base", "temporal_sr", "spatial_sr"])
def test_a_last_step_that_is_not_finite_publishes_nothing(
    stage: str, case: Case, framefall: Run, tmp_path: Path
) -> None:
    out, new = case("last-step-not-finite"), tmp_path / "new"
    settings = [f"stages.{stage}.optim.adam_lr=1e38", f"stages.{stage}.optim.warmup_steps=0"]
    words = [word for one in settings for word in ("--set", one)]
    said = framefall("train", out / "clips", "-o", new, "--recipe", "micro", "--stage", stage, "--steps", "2", *words)
    assert refused(said) and said.code == 1, said.err  # type: ignore[attr-defined]
    assert "a red square.mp4" in said.err and "not finite" in said.err  # type: ignore[attr-defined]
    assert not new.exists() and not (tmp_path / "new.training" / stage / "checkpoints").exists()


@pytest.mark.usefixtures("forked")
def test_a_motion_that_is_not_finite_reads_nothing_outside_of_the_memory() -> None:
    """The control ends its process: a place of NaN becomes an index, and the gradient is written there."""
    code = (
        "import torch, torch.nn.functional as F; places = torch.full((2, 64, 64, 2), torch.nan, requires_grad=True);"
        " F.grid_sample(torch.ones(2, 3, 64, 64, requires_grad=True), places, padding_mode='border',"
        " align_corners=False).sum().backward()"
    )
    naive = subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    assert naive.returncode < 0
    from framefall.layers.motion import warp

    video = torch.ones(1, 3, 2, 64, 64, requires_grad=True)
    flow = torch.zeros(1, 2, 2, 64, 64)
    flow[0, 0, 1] = torch.nan
    moved = warp(video, flow.requires_grad_())
    assert bool(moved[:, :, 1].isnan().all()) and bool((moved[:, :, 0] == 1).all())
    moved.sum().backward()


@pytest.mark.parametrize("settings", [(), ("stages.spatial_sr.stage.shape.height=64",)])
def test_what_a_later_stage_cannot_use_is_refused_before_the_first(
    settings: tuple[str, ...], case: Case, framefall: Run, tmp_path: Path
) -> None:
    out, new = case("clips-smaller-than-ssr-crop"), tmp_path / "new"
    words = [word for setting in settings for word in ("--set", setting)]
    said = framefall("train", out / "clips", "-o", new, "--recipe", "micro", "--steps", "1", *words)
    assert refused(said) and "spatial_sr" in said.err  # type: ignore[attr-defined]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips-smaller-than-ssr-crop"]


def test_half_a_model_is_refused_before_the_first_step(case: Case, clips: Path, framefall: Run, tmp_path: Path) -> None:
    out = case("half-a-model")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    said = framefall("train", clips, "-o", out, *TOY)
    assert refused(said) and "temporal_sr.safetensors" in said.err, said.err  # type: ignore[attr-defined]
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert not out.with_name(f"{out.name}.training").exists()


def test_numbers_that_no_stage_reads_are_named(case: Case, framefall: Run, tmp_path: Path) -> None:
    out = case("numbers-beside-clips")
    said = framefall("train", out / "clips", "-o", tmp_path / "new", *TOY)
    assert "numbers a clip and no stage of micro reads any" in said.err  # type: ignore[attr-defined]
    assert "backbone.numbers=1 if it should" in said.err  # type: ignore[attr-defined]


def test_clips_without_captions_are_said_to_teach_no_prompt(case: Case, framefall: Run, tmp_path: Path) -> None:
    out = case("clips-without-captions")
    said = framefall("train", out / "clips", "-o", tmp_path / "new", *TOY)
    assert "no take has a caption" in said.err or "caption" in said.err  # type: ignore[attr-defined]
    made = framefall(
        "generate", "a large dog", "--model", tmp_path / "new", "--until", "base", "-o", tmp_path / "o.mp4"
    )
    assert made.code == 0 and "was trained without captions" in made.err  # type: ignore[attr-defined]


def test_clips_are_not_mirrored_under_captions_that_say_left_and_right(
    case: Case, framefall: Run, tmp_path: Path
) -> None:
    out, new = case("captions-say-left-and-right"), tmp_path / "new"
    said = framefall("train", out / "clips", "-o", new, *TOY)
    assert "no clip is mirrored for base" in said.err and "'right'" in said.err  # type: ignore[attr-defined]

    def flips() -> bool:
        return bool(json.loads((tmp_path / "new.training/base/recipe.json").read_text())["stages"]["base"]["flip"])

    assert not flips()
    more = ("--recipe", "micro", "--stage", "base", "--steps", "2", "--resume")
    assert framefall("train", out / "clips", "-o", new, *more).code == 0 and not flips()  # type: ignore[attr-defined]
    for path in (out / "clips").glob("*.txt"):  # the control: other words, and half of the clips are mirrored
        path.write_text("a square moves")
    framefall("train", out / "clips", "-o", tmp_path / "other", *TOY)
    assert json.loads((tmp_path / "other.training/base/recipe.json").read_text())["stages"]["base"]["flip"]


def test_the_same_training_again_has_every_step_once(case: Case, framefall: Run, tmp_path: Path) -> None:
    """Killed before its first checkpoint and started again; killed between two and gone on with."""
    out, new = case("same-training-again"), tmp_path / "new"
    run = tmp_path / "new.training" / "base"

    def start(*more: str, steps: int) -> None:
        words = ["train", out / "clips", "-o", new, "--recipe", "micro", "--stage", "base", "--steps", "100000", *more]
        child = command(*words)
        until(lambda: (run / "log.jsonl").exists() and len(log(new)) >= steps, child)
        child.kill()
        child.join()

    start("--set", "save_every=1000", steps=4)
    assert not (run / "checkpoints").exists() and log(new)[:4] == [1, 2, 3, 4]
    start("--set", "save_every=5", steps=8)
    steps = max(int(path.name) for path in (run / "checkpoints").glob("0*")) + 2
    words = ("--recipe", "micro", "--stage", "base", "--steps", str(steps), "--set", "save_every=5", "--resume")
    torn = (run / "log.jsonl").read_bytes() + b'{"step": 9'
    (run / "log.jsonl").write_bytes(torn)  # as a kill in the middle of a line leaves it
    assert framefall("train", out / "clips", "-o", new, *words).code == 0  # type: ignore[attr-defined]
    assert log(new) == list(range(1, steps + 1))


def until(happened: Callable[[], object], child: Child) -> None:
    """Looks again and again until it happened; a child that ends before is an error."""
    last = time.monotonic() + 120
    while not happened():
        assert child.is_alive() and time.monotonic() < last
        time.sleep(0.01)
