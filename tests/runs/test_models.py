import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from framefall.cascade.about.card import CARD
from framefall.cascade.saved.checkpoint import load_cascade, parameters, save
from framefall.runs.models import about_model, models
from framefall.weights import SHIPPED


def test_every_shipped_model_says_what_it_knows() -> None:
    found = {model.name: model for model in models()}
    assert found.keys() == {path.parent.name for path in SHIPPED.glob("*/manifest.json")} >= {"pico", "worlds"}
    for model in found.values():
        assert model.license and model.trained_on and model.words
        for stage in model.stages.values():
            assert stage.card is not None and stage.card.seen > 0 and stage.card.clips > 0
    assert len(found["pico"].stages["base"].card.captions) == 6 and found["pico"].stages["base"].card.failures
    assert "pendulum" in found["worlds"].stages["base"].card.scenes


def test_a_trained_model_says_what_it_was_trained_on(trained: Path) -> None:
    model = about_model(trained)
    sizes = {stage.name: parameters(stage.backbone.parameters()) for stage in load_cascade(trained).stages}
    assert {name: stage.parameters for name, stage in model.stages.items()} == sizes
    assert model.words == {"a": 1, "man": 1, "talks": 1, "in": 1, "moving": 1, "car": 1}
    base = model.stages["base"].card
    assert (base.sources, base.clips, base.captioned, base.seen) == (["0001.mp4", "0002.mp4"], 6, 1, 16)
    assert base.scores.keys() == {"held_out_loss", "held_out_error"}
    assert any("Base has seen 16 clips and makes" in one for one in base.failures)
    assert any("none is held out" in one for one in base.failures)


def test_a_model_without_a_card_has_stages_and_no_more(trained: Path, tmp_path: Path) -> None:
    save(replace(load_cascade(trained), card=None), tmp_path / "old")
    assert not (tmp_path / "old" / CARD).exists()
    model = about_model(tmp_path / "old")
    assert model.words == {} and all(stage.card is None for stage in model.stages.values())


def test_what_is_no_model_is_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a model must be a folder or a shipped name"):
        about_model("nobody")
    with pytest.raises(ValueError, match="name a model's folder, not a checkpoint's"):
        about_model(next((trained.with_name("toy.training") / "base" / "checkpoints").iterdir()))
    broken = Path(shutil.copytree(trained, tmp_path / "broken"))
    (broken / CARD).write_text(json.dumps({}))
    with pytest.raises(ValueError, match="not what the manifest says"):
        about_model(broken)
