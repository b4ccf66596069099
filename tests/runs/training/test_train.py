import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from framefall import publish
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.config import override
from framefall.data.folder import Folder, open_folder
from framefall.data.media.writer import write
from framefall.progress import Done, Note, Started
from framefall.recipes.registry import RECIPES
from framefall.runs.training.train import Trained, named, train
from framefall.train.loop import Budget, TrainingStep, initial, train_stage
from framefall.train.recipe import Recipe

STAGES = ["base", "temporal_sr", "spatial_sr"]


def toy() -> Recipe:
    """What `trained` was trained by."""
    return replace(RECIPES["micro"](), save_every=2)


def test_a_run_publishes_a_cascade_that_knows_what_it_was_trained_on(trained: Path) -> None:
    publish.verify(trained)
    cascade = load_cascade(trained)
    assert [stage.name for stage in cascade.stages] == list(cascade.config.stages) == STAGES
    assert cascade.config.name == trained.name and cascade.config.trained_on == ["0001.mp4", "0002.mp4"]
    for name, part in RECIPES["micro"]().stages.items():
        assert cascade.stage(name).config == part.stage


@pytest.mark.parametrize("name", STAGES)
def test_each_stage_leaves_what_it_needs_to_go_on_and_a_strip_of_samples(name: str, trained: Path) -> None:
    run = trained.with_name("toy.training") / name
    assert [path.name for path in sorted((run / "checkpoints").iterdir())] == ["00000002", "00000004"]
    assert json.loads((run / "recipe.json").read_text())["name"] == "micro"
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "loss" in row] == [1, 2, 3, 4] and any((run / "tensorboard").iterdir())
    measured = [row["step"] for row in rows if "held_out_loss" in row]
    assert measured[-1] == 4 and measured == sorted(set(measured))  # before the end where a step took long enough
    sheet = cv2.imread(str(run / "samples" / "00000004.png"))
    assert sheet is not None and min(sheet.shape[:2]) > 16 and sheet.std() > 10


def test_the_model_is_published_after_every_stage(folder: Folder, tmp_path: Path) -> None:
    there, events = {}, []
    for event in train.events(folder, tmp_path / "m", "micro", steps=1):
        events.append(event)
        if isinstance(event, TrainingStep):
            found = (tmp_path / "m").exists() and sorted(path.stem for path in (tmp_path / "m").glob("*.safetensors"))
            there[event.stage] = found
    assert there == {"base": False, "temporal_sr": ["base"], "spatial_sr": ["base", "temporal_sr"]}
    losses = {event.stage: event.loss for event in events if isinstance(event, TrainingStep)}
    assert events[0] == Started("train") and isinstance(events[-1], Done)
    found = events[-1].result
    assert isinstance(found, Trained) and found.model == str(tmp_path / "m") and found.skipped == {}
    assert found.steps == dict.fromkeys(STAGES, 1) and found.losses == losses
    assert list(found.held_out) == list(found.verdicts) == STAGES and found.trends == {}


def test_a_folder_by_its_path_is_opened_on_the_way_and_what_is_of_no_use_is_told(clips: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "good.mp4").symlink_to(clips / "0001.mp4")
    (source / "bad.mp4").write_bytes(b"no video")
    events = list(train.events(source, tmp_path / "m", "micro", stages=["spatial_sr"], steps=1))
    assert any(isinstance(event, Note) and "bad.mp4" in event.text for event in events)
    assert list(events[-1].result.skipped) == ["bad.mp4"] and events[-1].result.steps == {"spatial_sr": 1}


def test_a_run_that_is_cancelled_leaves_no_half_a_model_and_goes_on_to_the_same_one(
    folder: Folder, trained: Path, tmp_path: Path
) -> None:
    run = train.events(folder, tmp_path / "toy", toy(), steps=4)
    for event in run:
        if isinstance(event, TrainingStep) and event.stage == "base" and event.step == 3:
            run.close()
    assert not (tmp_path / "toy").exists()  # the first stage was not done
    assert [path.name for path in tmp_path.rglob("*") if ".partial-" in path.name] == []
    with pytest.raises(ValueError, match=r"holds an earlier run; pass --resume"):
        train(folder, tmp_path / "toy", toy(), steps=4)
    found = train(folder, tmp_path / "toy", toy(), steps=4, resume=True)
    assert found.steps == dict.fromkeys(STAGES, 4)
    assert publish.verify(tmp_path / "toy") == publish.verify(trained)


def test_a_measurement_before_which_a_run_was_killed_is_made_up_for(
    folder: Folder, trained: Path, tmp_path: Path
) -> None:
    """The last step's checkpoint was there, and nothing after it: neither its measurement nor the model."""
    runs = shutil.copytree(trained.with_name("toy.training"), tmp_path / "toy.training")
    for name in STAGES:
        log = runs / name / "log.jsonl"
        rows = [line for line in log.read_text().splitlines(keepends=True) if '"held_out_loss"' not in line]
        log.write_text("".join(rows))
    assert train(folder, tmp_path / "toy", toy(), steps=4, resume=True).steps == {}
    assert publish.verify(tmp_path / "toy") == publish.verify(trained)  # with the same card


def test_a_training_that_starts_from_a_model_knows_what_that_knew(trained: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    write(source / "zebra.mkv", [np.random.default_rng(0).integers(0, 255, (24, 64, 64, 3), np.uint8)], 12.0)
    train(source, tmp_path / "m", toy(), stages=["base"], steps=1, init=trained)
    card, before = (load_cascade(one).card for one in (tmp_path / "m", trained))
    assert card is not None and before is not None and list(card.stages) == ["base"]
    now, then = card.stages["base"], before.stages["base"]
    assert now.captions == ["a man talks in a moving car", "zebra"] and now.words["zebra"] == now.words["car"] == 1
    assert now.sources == ["0001.mp4", "0002.mp4", "zebra.mkv"] and now.seen == then.seen + 4
    assert now.scores != then.scores


def test_a_deeper_network_starts_from_a_shallower_model(trained: Path, folder: Folder, tmp_path: Path) -> None:
    recipe = override(toy(), ["stages.base.stage.backbone.depth=3"])
    train(folder, tmp_path / "m", recipe, stages=["base"], steps=1, init=trained)
    deep, shallow = (load_cascade(one).stage("base").backbone.state_dict() for one in (tmp_path / "m", trained))
    assert "blocks.2.attn.qkv.weight" in deep.keys() - shallow.keys()
    torch.testing.assert_close(deep["blocks.2.attn.qkv.weight"], shallow["blocks.1.attn.qkv.weight"], rtol=0, atol=0.05)
    assert deep["blocks.1.attn.proj.weight"].abs().max() < 0.05 < shallow["blocks.1.attn.proj.weight"].abs().max()


@pytest.mark.slow  # `cases/test_trainings.py` trains one after another
def test_stages_may_be_trained_one_by_one_in_any_order(folder: Folder, trained: Path, tmp_path: Path) -> None:
    for name in ("spatial_sr", "base", "temporal_sr"):
        assert train(folder, tmp_path / "toy", toy(), stages=[name], steps=4).steps == {name: 4}
    assert list(load_cascade(tmp_path / "toy").config.stages) == STAGES
    assert publish.verify(tmp_path / "toy") == publish.verify(trained)


def test_minutes_are_shared_among_the_stages(folder: Folder, tmp_path: Path) -> None:
    recipe = RECIPES["micro"]()
    shared = {"base": 0.7, "temporal_sr": 0.15, "spatial_sr": 0.15}
    stages = {name: replace(part, share=shared[name]) for name, part in recipe.stages.items()}
    train(folder, tmp_path / "m", replace(recipe, stages=stages), minutes=0.015)
    spent = {}
    for name in STAGES:
        newest = max((tmp_path / "m.training" / name / "checkpoints").iterdir())
        spent[name] = json.loads((newest / "state.json").read_text())["state"]["minutes"]
    for name, share in shared.items():
        assert spent[name] >= 0.015 * share
    assert spent["base"] > 2 * max(spent["temporal_sr"], spent["spatial_sr"])


@pytest.mark.parametrize("name", RECIPES)
def test_a_stage_that_a_recipe_does_not_have_is_refused(name: str, folder: Folder, tmp_path: Path) -> None:
    known = ", ".join(RECIPES[name]().stages)
    with pytest.raises(ValueError, match=f"a stage must be one of {known}; got 'sr'"):
        train(folder, tmp_path / "m", name, stages=["sr"], steps=1)
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_is_found_by_its_name_or_refused_with_those_that_are_there(folder: Folder, tmp_path: Path) -> None:
    assert named("micro") == RECIPES["micro"]()
    with pytest.raises(ValueError, match=f"recipe must be one of {', '.join(RECIPES)}; got 'huge'"):
        train(folder, tmp_path / "m", "huge", steps=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("budget", [{"steps": 0}, {"steps": -1}, {"minutes": 0.0}, {"minutes": float("nan")}])
def test_no_time_is_refused_and_not_taken_for_the_recipes_own(budget: dict, folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="steps and minutes must be above 0, got"):
        train(folder, tmp_path / "m", "micro", **budget)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def simple(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """One short clip: a white square crosses a red and a blue half."""
    root = tmp_path_factory.mktemp("simple")
    frames = np.zeros((8, 64, 64, 3), np.uint8)
    frames[:, :, :32], frames[:, :, 32:] = (220, 40, 40), (30, 60, 200)
    for at, frame in enumerate(frames):
        frame[40:56, 4 + 6 * at : 20 + 6 * at] = 240
    write(root / "clip.mkv", (frame[None] for frame in frames), fps=6.0)
    return open_folder(root, RECIPES["micro"]().data)


def told(source: Folder, output: Path, steps: int) -> tuple[Trained, list[str]]:
    """A base of so many steps, and what was noted meanwhile."""
    recipe = override(RECIPES["micro"](), ["save_every=1000", "stages.base.flip=false"])
    *events, done = train.events(source, output, recipe, stages=["base"], steps=steps)
    assert isinstance(done, Done)
    # the clip is its own measure, and that is said
    assert "measured on clips of the training set: none is held out" in done.result.said()
    return done.result, [event.text for event in events if isinstance(event, Note)]


def test_a_model_that_was_trained_too_briefly_is_not_said_to_be_trained(simple: Folder, tmp_path: Path) -> None:
    found, notes = told(simple, tmp_path / "m", steps=2)
    assert found.enough is False and found.said().startswith(
        f"{found.model} is written, but cannot make a picture yet:"
    )
    assert "base has seen 8 clips and makes colours and no scene" in found.said()
    assert "base 2 steps of 4 clips, its only piece 8 times" in notes[0]
    assert "this is not enough: base will see about 8 clips" in notes[1] and "take --steps" in notes[1]
    assert [text for text in notes if "tenth" in text] == []


@pytest.mark.slow
def test_a_model_that_was_trained_for_long_is_said_to_be_trained(simple: Folder, tmp_path: Path) -> None:
    short, _ = told(simple, tmp_path / "short", steps=2)
    long, notes = told(simple, tmp_path / "long", steps=110)
    assert long.enough is True and long.said().startswith(f"{long.model} is trained: base has seen 440 clips and makes")
    assert "scenes that can be recognised" in long.said() and long.held_out["base"] < short.held_out["base"] / 5
    tenth = [text for text in notes if "after a tenth of its budget" in text]
    assert len(tenth) == 1 and "this will not do" in tenth[0]  # by what is known then: 440 clips of one piece are few


def test_a_run_that_is_looked_at_is_the_same_as_its_stages_trained_bare(folder: Folder, trained: Path) -> None:
    """Estimates, measurements and strips, beside the loop alone: no bit of the weights differs."""
    for name in STAGES:
        stage = initial(name, toy().stages[name], 0, torch.device("cpu"))
        run = trained.parent / "bare" / name
        for _ in train_stage(stage, toy(), folder, Budget(steps=4), run):
            pass
        bare = {key: tensor.bfloat16().float() for key, tensor in stage.backbone.state_dict().items()}
        model = load_cascade(trained).stage(name).backbone.state_dict()
        assert all(torch.equal(bare[key], model[key]) for key in model)


def test_what_is_held_out_measures_and_is_not_trained_on(folder: Folder, tmp_path: Path) -> None:
    kept = replace(folder, validation=frozenset({"0002.mp4"}))
    found = train(kept, tmp_path / "m", toy(), stages=["spatial_sr"], steps=2)
    assert found.verdicts["spatial_sr"].kept_back and "none is held out" not in found.said()
    assert load_cascade(tmp_path / "m").config.trained_on == ["0001.mp4"]


def test_what_stands_there_is_not_overwritten(folder: Folder, trained: Path, tmp_path: Path) -> None:
    before = publish.verify(trained)
    with pytest.raises(ValueError, match=r"holds an earlier run; pass --resume"):
        train(folder, trained, "micro", steps=1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match=r"mine exists and is not a Framefall model; choose another name"):
        train(folder, tmp_path / "mine", "micro", steps=1)
    assert publish.verify(trained) == before and (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_a_finished_run_that_is_resumed_changes_nothing(folder: Folder, trained: Path) -> None:
    before = publish.verify(trained)
    events = list(train.inside(folder, trained, toy(), steps=4, resume=True))
    assert events == [] and publish.verify(trained) == before


def test_training_starts_from_another_models_weights(trained: Path, folder: Folder, tmp_path: Path) -> None:
    """At a rate of nothing the start is the end; from fresh weights, the control, it is not."""
    still = override(toy(), ["stages.base.optim.adam_lr=0", "stages.base.optim.muon_lr=0", "weights=float32"])
    for name, init in (("from", trained), ("fresh", None)):
        train(folder, tmp_path / name, still, stages=["base"], steps=1, init=init)
    start, same, other = (
        load_cascade(model).stage("base").backbone.state_dict()
        for model in (trained, tmp_path / "from", tmp_path / "fresh")
    )
    assert all(torch.equal(start[key], same[key]) for key in start)
    assert not all(torch.equal(start[key], other[key]) for key in start)


@pytest.mark.parametrize(
    ("settings", "stages", "sentence"),
    [
        (["stages.base.stage.backbone.depth=1"], ["base"], "network for base: depth is 2 in toy and 1 in micro"),
        (["stages.base.stage.backbone.words=9"], ["base"], "network for base: words is 24 in toy and 9 in micro"),
    ],
)
def test_a_start_that_does_not_fit_is_refused_before_anything_is_done(
    settings: list[str], stages: list[str], sentence: str, trained: Path, folder: Folder, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=sentence):
        train(folder, tmp_path / "m", override(toy(), settings), stages=stages, steps=1, init=trained)
    assert list(tmp_path.iterdir()) == []
