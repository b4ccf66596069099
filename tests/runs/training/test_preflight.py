import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from framefall import publish
from framefall.cascade.saved.checkpoint import size
from framefall.config import override
from framefall.data.folder import Folder, open_folder
from framefall.recipes.registry import RECIPES
from framefall.recipes.systems import miniature
from framefall.runs.sources import WorldSource
from framefall.runs.training import preflight
from framefall.runs.training.train import train
from framefall.train.loop import TrainingStep
from framefall.train.recipe import Recipe
from framefall.worlds.captions.sentences import numbers
from framefall.worlds.world import open_world

STAGES = ["base", "temporal_sr", "spatial_sr"]


def toy(*settings: str) -> Recipe:
    return override(RECIPES["micro"](), ["save_every=2", *settings])  # type: ignore[no-any-return]


@pytest.fixture
def refused(folder: Folder, tmp_path: Path) -> Callable[..., None]:
    """A training is refused in one sentence before its first step, and nothing is written or lost."""

    def check(
        match: str, recipe: Recipe, output: Path | None = None, source: object = folder, **options: object
    ) -> None:
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
        seen = []
        with pytest.raises(ValueError, match=match) as refusal:
            for event in train.inside(source, output or tmp_path / "new", recipe, **({"steps": 1} | options)):
                seen.append(event)
        assert not any(isinstance(event, TrainingStep) for event in seen)
        assert "\n" not in str(refusal.value) and ("; " in str(refusal.value) or ": " in str(refusal.value))
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before

    return check


@pytest.mark.parametrize("name", RECIPES)
def test_the_stages_of_every_recipe_fit_each_other(name: str) -> None:
    for recipe in (RECIPES[name](), miniature(RECIPES[name]())):
        preflight.check_stages({stage: part.stage for stage, part in recipe.stages.items()})


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (["temporal_sr.stage.shape.height=32"], "temporal_sr must work at the size that it is given, 16x16, got 16x32"),
        (["base.stage.shape.width=32"], "temporal_sr must work at the size that it is given, 32x16, got 16x16"),
        (["temporal_sr.stage.shape.fps=24"], "temporal_sr makes 12 frames a second of the 6 of base, and is set to 24"),
        (["temporal_sr.stage.task.factor=3"], "temporal_sr makes 18 frames a second of the 6 of base, and is set"),
        (["spatial_sr.stage.shape.fps=24"], "spatial_sr makes 12 frames a second of the 12 of temporal_sr"),
        (["spatial_sr.stage.shape.height=31"], "crops that must be multiples of its factor 2, got 32x31"),
        (["spatial_sr.stage.shape.height=64"], "spatial_sr makes 32x32 of what comes before it, and its crops must"),
        (
            ["spatial_sr.stage.shape.channels=1", "spatial_sr.stage.backbone.channels=1"],
            "spatial_sr must take the 3 channels that temporal_sr makes, got 1",
        ),
    ],
)  # fmt: skip
def test_stages_that_do_not_fit_are_refused(settings: list[str], sentence: str, refused: Callable) -> None:
    refused(sentence, toy(*(f"stages.{setting}" for setting in settings)))


def test_a_base_comes_first(refused: Callable) -> None:
    recipe = toy()
    stages = {name: recipe.stages[name] for name in ("temporal_sr", "base", "spatial_sr")}
    refused("a base must come first, base comes after temporal_sr", replace(recipe, stages=stages))


def test_clips_too_small_or_short_for_a_later_stage_are_refused_before_the_first(
    refused: Callable, folder: Folder
) -> None:
    small = replace(folder, shots=tuple(replace(shot, height=24) for shot in folder.shots))
    refused("spatial_sr cannot be trained on this source: crops need shots of at least 32x32", toy(), source=small)
    short = replace(folder, shots=tuple(replace(shot, frames=2) for shot in folder.shots))
    refused(
        "base cannot be trained on this source: a window of 8 frames needs a shot of at least 8", toy(), source=short
    )
    world = WorldSource(open_world("fall", size=4), size=24, fps=12.0)
    refused("spatial_sr cannot be trained on this source: crops of 32x32 must fit", toy(), source=world)


def test_places_that_cannot_be_written_are_refused(refused: Callable, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("words")
    refused("must lie in a folder, and .*file is a file", toy(), tmp_path / "file" / "deep" / "m")
    refused("exists and is not a Framefall model", toy(), tmp_path / "file")
    refused("exists and is not a Framefall model", toy(), tmp_path / "file", resume=True)
    (tmp_path / "m.training").write_text("words")
    refused("m.training must be free for checkpoints and logs, and is a file", toy(), tmp_path / "m")
    refused("/proc/m must be written, and /proc cannot be", toy(), Path("/proc/m"))


def test_a_disk_that_is_too_small_is_refused(refused: Callable, tmp_path: Path) -> None:
    imagen = RECIPES["imagen_video"]()  # 11 billion parameters
    free = shutil.disk_usage(tmp_path).free
    weights = sum(size(part.stage) for part in imagen.stages.values())
    if free < 2 * weights * 16:
        refused(r"checkpoints need [\d.]+ GiB beside .*new.training, and the disk has", imagen)
    preflight.check_space(toy(), STAGES, tmp_path / "new.training")  # and this one has room


def test_checkpoints_are_as_large_as_was_reckoned_or_smaller(trained: Path) -> None:
    recipe = toy()
    for name in STAGES:
        newest = max((trained.with_name("toy.training") / name / "checkpoints").iterdir())
        real = (newest / "tensors.safetensors").stat().st_size
        reckoned = size(recipe.stages[name].stage) * preflight._COPIES * preflight._BYTES
        assert 0.5 * reckoned < real < 1.1 * reckoned


@pytest.fixture
def model(trained: Path, tmp_path: Path) -> Path:
    """A copy of the toy model, without its training."""
    return shutil.copytree(trained, tmp_path / "m")


def damage(model: Path) -> None:
    path = model / "base.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_broken_model_is_refused_as_output_and_as_a_start(refused: Callable, model: Path, tmp_path: Path) -> None:
    (model / "spatial_sr.safetensors").unlink()
    with publish.folder(model) as partial:  # without its last stage, and whole
        for path in model.iterdir():
            if path.name == "config.json":
                config = json.loads(path.read_text())
                del config["stages"]["spatial_sr"]
                (partial / path.name).write_text(json.dumps(config))
            elif path.name != publish.MANIFEST:
                shutil.copy(path, partial / path.name)
    preflight.check_model(model, toy(), ["spatial_sr"])  # the control
    damage(model)
    refused("m is no longer as Framefall made it .*is not what the manifest says", toy(), model,
            stages=["spatial_sr"])  # fmt: skip
    refused("is not what the manifest says", toy(), model, stages=["spatial_sr"], resume=True)
    refused("is not what the manifest says", toy(), tmp_path / "other", init=model)


def test_a_model_of_other_stages_is_not_added_to(refused: Callable, model: Path) -> None:
    two = replace(toy(), stages={name: toy().stages[name] for name in ("base", "spatial_sr")})
    refused("m has a stage temporal_sr that recipe micro does not know and would lose", two, model, resume=True)
    other = toy("stages.temporal_sr.stage.shape.fps=24", "stages.base.stage.shape.fps=12",
                "stages.spatial_sr.stage.shape.fps=24")  # fmt: skip
    refused("m and recipe micro must fit each other: spatial_sr makes 12 frames a second", other, model,
            stages=["spatial_sr"], resume=True)  # fmt: skip


def test_a_later_stage_of_another_run_is_refused_before_the_first_goes_on(
    refused: Callable, trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained, tmp_path / "toy")
    shutil.copytree(trained.with_name("toy.training"), tmp_path / "toy.training")
    refused("spatial_sr/checkpoints/.* belongs to another run: recipe.flip was true, now it is false",
            toy("stages.spatial_sr.flip=false"), tmp_path / "toy", resume=True, steps=9)  # fmt: skip


@pytest.fixture(scope="module")
def numbered(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Two clips, one of which has two numbers and both of which have captions."""
    root = tmp_path_factory.mktemp("numbered")
    for name, source in (("0001", "bikes"), ("0002", "carphone_pristine")):
        shutil.copy(real / f"{source}.mp4", root / f"{name}.mp4")
        (root / f"{name}.txt").write_text("something moves")
    (root / "0001.json").write_text(json.dumps({"numbers": [0.5, 1.0]}))
    return open_folder(root, RECIPES["micro"]().data)


def test_numbers_that_a_stage_takes_and_the_source_has_not_are_refused(
    refused: Callable, folder: Folder, numbered: Folder
) -> None:
    key = "stages.base.stage.backbone.numbers"
    refused("base takes 2 numbers a clip, and the source has none; add them", toy(f"{key}=2"))
    refused(f"base takes 3 numbers a clip, and the source has 2; --set {key}=2", toy(f"{key}=3"), source=numbered)
    assert preflight.check_source(toy(f"{key}=2"), STAGES, numbered) == [
        "1 takes have no numbers: base reads zeros for them"
    ]


def test_what_nobody_reads_is_noted(numbered: Folder, folder: Folder) -> None:
    (note,) = preflight.check_source(toy(), STAGES, numbered)
    assert note.startswith("the source has 2 numbers a clip and no stage of micro reads any; --set stages.base.")
    deaf = toy("stages.base.stage.backbone.text_dim=0")
    (note,) = preflight.check_source(deaf, STAGES, folder)
    assert note == "1 of 6 takes have captions, and no stage of micro reads any"
    silent = replace(folder, shots=tuple(replace(shot, caption=None) for shot in folder.shots))
    (note,) = preflight.check_source(toy(), STAGES, silent)
    assert "no take has a caption" in note
    assert preflight.check_source(deaf, STAGES, silent) == preflight.check_source(toy(), STAGES, folder) == []
    assert preflight.check_source(toy(), ["spatial_sr"], silent) == []  # it would not read them


def test_a_worlds_numbers_are_as_many_as_is_said() -> None:
    for name in ("fall", "collision"):
        log = open_world(name, size=2).log(0)
        assert numbers(log.scene).shape == (preflight.WORLD_NUMBERS,) and np.isfinite(numbers(log.scene)).all()


def test_what_is_fine_is_let_through(folder: Folder, tmp_path: Path) -> None:
    recipe = toy()
    preflight.check_places(tmp_path / "deep" / "m", tmp_path / "deep" / "m.training")
    preflight.check_free(tmp_path / "deep" / "m", tmp_path / "deep" / "m.training", STAGES)
    preflight.check_model(tmp_path / "deep" / "m", recipe, STAGES)
    assert preflight.check_runs(tmp_path / "deep" / "m.training", recipe, STAGES, folder).keys() == set(STAGES)
    assert list(tmp_path.iterdir()) == []  # looking writes nothing


def test_a_stage_without_a_run_is_not_gone_on_with_but_kept(tmp_path: Path) -> None:
    """Its run was removed, or it came from somebody else: a run that begins anew would replace it."""
    model, runs = tmp_path / "m", tmp_path / "m.training"
    model.mkdir()
    (model / "base.safetensors").touch()
    with pytest.raises(ValueError, match=r"holds a trained base already, and .* no run to go on with"):
        preflight.check_free(model, runs, ["base"], resume=True)
    preflight.check_free(model, runs, ["temporal_sr"], resume=True)  # not trained yet
    (runs / "base" / "checkpoints").mkdir(parents=True)
    preflight.check_free(model, runs, ["base"], resume=True)
    with pytest.raises(ValueError, match="holds an earlier run"):
        preflight.check_free(model, runs, ["base"])
