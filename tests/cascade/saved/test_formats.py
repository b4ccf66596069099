"""Configs of before, as they lie in models and checkpoints: a stage's task was a word, its fields lay beside it."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from formats_before import flat
from framefall.cascade.cascade import CascadeConfig
from framefall.cascade.saved import formats
from framefall.cascade.saved.checkpoint import load_cascade, read_config
from framefall.cascade.saved.formats import FORMAT, upgrade_cascade, upgrade_stage
from framefall.cascade.stage_config import Sampling, StageConfig
from framefall.cascade.tasks import Base
from framefall.config import chosen, from_dict, to_dict
from framefall.data.buckets import Bucket
from framefall.diffusion.guidance_config import Guidance
from framefall.publish import MANIFEST, folder
from framefall.recipes.registry import RECIPES
from framefall.weights import FILMED, SHIPPED

# what every stage had beside its task in format 1, whatever the task: these were the defaults
BESIDE = {
    "factor": 1,
    "intervals": 5,
    "known": 0,
    "buckets": [],
    "bridge": None,
    "spread": 0.1,
    "low_res_noise": 0.0,
    "relative_loss": False,
}


def before(stage: dict) -> dict:
    """A stage's config as format 1 would have said it."""
    return BESIDE | flat(format_2(stage))


def format_2(stage: dict) -> dict:
    """A stage's config as format 2 would have said it, which had these three numbers of guidance."""

    def flat(sampling: dict) -> dict:
        guidance = {f"guidance_{name}": sampling["guidance"][name] for name in ("scale", "interval", "rescale")}
        return {name: value for name, value in sampling.items() if name != "guidance"} | guidance

    return {**stage, "fast": flat(stage["fast"]), "best": flat(stage["best"])}


def cascade_before(config: CascadeConfig) -> dict:
    values = to_dict(config)
    values.pop("format")
    return {**values, "stages": {name: before(stage) for name, stage in values["stages"].items()}}


def test_a_config_of_format_2_keeps_its_guidance() -> None:
    own = Sampling(guidance=Guidance(scale=7.5, interval=(0.2, 0.8), rescale=0.1), shift=2.0)
    stage = replace(RECIPES["micro"]().stages["base"].stage, best=own)
    config = CascadeConfig(name="toy", stages={"base": stage})
    values = to_dict(config)
    old = {**values, "stages": {"base": format_2(values["stages"]["base"])}, "format": 2}
    assert "guidance" not in old["stages"]["base"]["best"] and old["stages"]["base"]["best"]["guidance_scale"] == 7.5
    assert from_dict(CascadeConfig, upgrade_cascade(old)) == config
    with pytest.raises(ValueError, match="does not fit CascadeConfig"):  # the control: it does need it
        from_dict(CascadeConfig, old)
    for number in (float("nan"), True, -1.0):
        wrong = json.loads(json.dumps(old))
        wrong["stages"]["base"]["best"]["guidance_scale"] = number
        with pytest.raises(ValueError, match=r"best\.guidance"):
            from_dict(CascadeConfig, upgrade_cascade(wrong))


def plainly(stage: StageConfig) -> StageConfig:
    """The stage with no guidance that formats 1 and 2 had no words for."""
    own = stage.best.guidance
    known = Guidance(scale=own.scale, interval=own.interval, rescale=own.rescale)
    return replace(stage, best=replace(stage.best, guidance=known))


@pytest.mark.parametrize("name", RECIPES)
def test_a_config_of_before_says_the_same_when_it_is_upgraded(name: str) -> None:
    stages = {key: plainly(part.stage) for key, part in RECIPES[name]().stages.items()}
    base = stages["base"]
    if base.task.structure:  # which nothing was told of then
        stages["base"] = replace(
            base, task=replace(base.task, structure=""), backbone=replace(base.backbone, structure_channels=0)
        )
    if base.task.motion:
        stages["base"] = replace(base, task=replace(base.task, motion=False))
    config = CascadeConfig(name=name, stages=stages)
    old = cascade_before(config)
    assert from_dict(CascadeConfig, upgrade_cascade(old)) == config
    with pytest.raises(ValueError, match="does not fit CascadeConfig"):  # the control: it does need it
        from_dict(CascadeConfig, old)


def test_every_field_of_a_task_of_before_is_brought_along() -> None:
    stages = RECIPES["worlds"]().stages
    shapes = (Bucket(frames=4, height=16, width=16),)
    base = {**before(to_dict(stages["base"].stage)), "known": 2, "buckets": [to_dict(shape) for shape in shapes]}
    found = from_dict(StageConfig, upgrade_stage(base))
    assert (found.task.known, found.task.buckets) == (2, shapes)
    changed = {"factor": 3, "bridge": 0.7, "spread": 0.2, "low_res_noise": 0.4, "relative_loss": False}
    for name, own in (("temporal_sr", {"intervals": 7}), ("spatial_sr", {})):
        old = before(to_dict(stages[name].stage)) | changed | own
        task = from_dict(StageConfig, upgrade_stage(old)).task
        assert {field: getattr(task, field) for field in changed | own} == changed | own


def rescaled(stage: StageConfig) -> StageConfig:
    """The stage with the rescaling of guidance that recipes had when the shipped model was trained."""
    ways = {
        name: replace(way, guidance=replace(way.guidance, rescale=0.7))
        for name, way in (("fast", stage.fast), ("best", stage.best))
    }
    return replace(stage, **ways)


def test_the_older_shipped_model_is_of_before_and_is_what_its_recipe_says() -> None:
    path = SHIPPED / FILMED / "config.json"
    found = read_config(path)
    recipe = {name: rescaled(part.stage) for name, part in RECIPES[FILMED]().stages.items()}
    assert found.format == FORMAT
    above = {name: stage for name, stage in recipe.items() if name != "base"}
    times = found.stages["temporal_sr"].times  # it was trained at more of them than it is asked at
    assert times.pure_share == 0.5 < above["temporal_sr"].times.pure_share
    above["temporal_sr"] = replace(above["temporal_sr"], times=times)
    assert {name: stage for name, stage in found.stages.items() if name != "base"} == above
    base = found.stages["base"]  # its recipe has patches of one frame since
    assert base.task == Base() and base.best.guidance == recipe["base"].best.guidance
    assert "format" not in (stored := json.loads(path.read_text())) and stored["stages"]["base"]["task"] == "base"


def test_a_model_of_before_loads_and_is_saved_in_the_present_format(cascade, model: Path, tmp_path: Path) -> None:
    values = cascade_before(cascade.config)
    with folder(tmp_path / "old") as partial:
        for file in model.iterdir():
            if file.name not in (MANIFEST, "config.json"):
                (partial / file.name).write_bytes(file.read_bytes())
        (partial / "config.json").write_text(json.dumps(values))
    assert load_cascade(tmp_path / "old").config == cascade.config
    assert json.loads((model / "config.json").read_text())["format"] == FORMAT


def test_what_is_of_the_present_format_stays_as_it_is() -> None:
    stage = to_dict(RECIPES["micro"]().stages["temporal_sr"].stage)
    assert upgrade_stage(stage) == stage
    once = upgrade_stage(before(stage))
    assert upgrade_stage(once) == once and to_dict(from_dict(StageConfig, once)) == stage


@pytest.mark.parametrize("odd", [None, 3, [], {}, {"task": None}, {"task": "magic", "factor": 2}])
def test_what_is_not_as_expected_is_left_for_the_schema_to_refuse(odd: object) -> None:
    assert upgrade_stage(odd) == odd
    with pytest.raises(ValueError, match="does not fit CascadeConfig"):
        from_dict(CascadeConfig, upgrade_cascade({"name": "toy", "stages": {"base": odd}}))
    assert upgrade_cascade({"name": "toy", "stages": odd} if not isinstance(odd, dict) else {"name": "toy"})


def changed(model: Path, change: Callable[[dict], object]) -> Path:
    values = json.loads((model / "config.json").read_text())
    change(values)
    (model / "config.json").write_text(json.dumps(values))
    return model / "config.json"


@pytest.mark.parametrize("version", [FORMAT + 1, 99, "2", None])
def test_a_config_of_a_format_to_come_asks_for_an_update(model: Path, version: object) -> None:
    path = changed(model, lambda values: values.update(format=version))
    with pytest.raises(ValueError, match=f"must be of format {FORMAT} or earlier, got {version!r}; update Framefall"):
        read_config(path)


def test_what_a_fingerprint_is_of_says_all_of_a_config() -> None:
    for make in RECIPES.values():
        for part in make().stages.values():
            assert from_dict(StageConfig, json.loads(json.dumps(chosen(part.stage)))) == part.stage
            assert formats.before(part.stage) == formats.before(from_dict(StageConfig, to_dict(part.stage)))


def test_configs_are_written_for_old_fingerprints_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash is of 30 November 2026. A field that has come since must stand in `formats.LATER`."""
    latents = {
        "shape": {},
        "task": {"kind": "base", "buckets": [{"frames": 16, "height": 32, "width": 32}]},
        "backbone": {"kind": "unet", "channels": 4, "text_dim": 32},
        "latent": {"latent_channels": 4},
        "text": {"name": "a", "sha256": "0" * 64, "dim": 32},
    }
    kinds = {"base": "transformer", "temporal_sr": "interpolator", "spatial_sr": "convnet"}
    said = [{"shape": {}, "task": {"kind": task}, "backbone": {"kind": kind}} for task, kind in kinds.items()]
    base, *others = (from_dict(StageConfig, values) for values in (*said, latents))
    text = "".join(formats.before(stage) for stage in (base, *others))
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "13136ba3d6485c757368ba7f71208484c38a9fcc2aaf8d20b95727feb9f401d2"
    )
    monkeypatch.setattr(formats, "LATER", ("Sampling.anchors",))  # as if it had come since
    assert '"anchors"' not in formats.before(base)
    assert '"anchors": 2' in formats.before(replace(base, fast=Sampling(anchors=2)))
