import json
from dataclasses import asdict, dataclass, field
from typing import Literal

import pytest

from framefall.config import chosen, from_dict, from_json, override, to_dict, to_json
from framefall.diffusion.times import LogitNormal
from framefall.video import VideoShape


@dataclass(frozen=True, kw_only=True)
class Conv:
    kind: Literal["conv"] = "conv"
    width: int = 64


@dataclass(frozen=True, kw_only=True)
class Transformer:
    kind: Literal["transformer"] = "transformer"
    patch: tuple[int, int, int] = (1, 2, 2)
    rate: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Recipe:
    name: str
    backbone: Conv | Transformer = field(default_factory=Conv)
    shape: VideoShape = field(default_factory=VideoShape)
    times: LogitNormal = field(default_factory=LogitNormal)
    steps: int = 100
    compile: bool = False
    prompt: str | None = None
    stages: tuple[VideoShape, ...] = ()


RECIPE = Recipe(
    name="fall é \u2028", backbone=Transformer(patch=(2, 8, 8)), stages=(VideoShape(), VideoShape(frames=61)), steps=7
)


@pytest.mark.parametrize("recipe", [RECIPE, Recipe(name="")], ids=["full", "bare"])
def test_a_config_comes_back_as_it_went(recipe):
    back = from_json(Recipe, to_json(recipe))
    assert back == recipe and type(back.backbone) is type(recipe.backbone)
    assert from_json(Recipe, to_json(recipe).encode()) == recipe
    assert from_dict(Recipe, to_dict(recipe)) == recipe
    assert json.loads(to_json(recipe)) == json.loads(json.dumps(asdict(recipe)))
    assert from_dict(Recipe, {**to_dict(recipe), "steps": 8}) != recipe  # the control


@dataclass(frozen=True, kw_only=True)
class Later:
    """A `Conv` as it is after it has got another field."""

    kind: Literal["conv"] = "conv"
    bias: bool = False
    width: int = 64


def test_what_is_chosen_stays_the_same_when_a_field_comes_later():
    assert chosen(Conv(width=8)) == chosen(Later(width=8)) == {"kind": "conv", "width": 8}
    assert chosen(Later(width=8, bias=True)) != chosen(Conv(width=8))  # the control: it was set
    assert to_dict(Conv(width=8)) != to_dict(Later(width=8))  # the naive way
    assert chosen((Conv(), Later(bias=True)))[1] == {"kind": "conv", "bias": True}


def test_what_is_chosen_is_enough_to_tell_configs_apart():
    assert chosen(Recipe(name="")) == {"name": ""}
    assert chosen(Recipe(name="", backbone=Transformer())) == {"name": "", "backbone": {"kind": "transformer"}}
    assert from_dict(Recipe, chosen(RECIPE)) == RECIPE
    assert chosen(RECIPE, ["Transformer.rate"]) == json.loads(json.dumps(asdict(RECIPE), default=str)) | {
        "backbone": {"kind": "transformer", "patch": [2, 8, 8]}
    }
    assert chosen(RECIPE, ["Conv.rate"])["backbone"]["rate"] == RECIPE.backbone.rate  # another class's field stays


def test_numbers_keep_every_bit():
    shape = VideoShape(fps=30000 / 1001)
    assert from_json(VideoShape, to_json(shape)).fps == 30000 / 1001


def test_defaults_fill_what_is_not_said():
    assert from_dict(Recipe, {"name": "a"}) == Recipe(name="a")
    assert from_dict(VideoShape, {"fps": 12}) == VideoShape(fps=12.0)  # a whole number is a number


@pytest.mark.parametrize(
    "values, sentence",
    [
        ({"name": "a", "step": 3}, "step: "),
        ({"name": "a", "shape": {"frame": 3}}, "shape.frame: "),
        ({"name": "a", "stages": [{}, {"height": 8, "heigth": 8}]}, "stages.1.heigth: "),
        ({}, "name: "),
        ({"name": "a", "steps": "many"}, "steps: .* got 'many'"),
        ({"name": "a", "steps": "12"}, "steps: .* got '12'"),
        ({"name": "a", "steps": 1.5}, "steps: .* got 1.5"),
        ({"name": "a", "steps": True}, "steps: .* got True"),
        ({"name": "a", "compile": 1}, "compile: .* got 1"),
        ({"name": 3}, "name: .* got 3"),
        ({"name": "a", "shape": 3}, "shape: .* got 3"),
        ({"name": "a", "shape": {"width": 0}}, "shape.width: must be at least 1, got 0"),
        ({"name": "a", "times": {"std": -1.0}}, "times.std: must be at least 0, got -1.0"),
        ({"name": "a", "backbone": {"kind": "mamba"}}, "backbone"),
        ({"name": "a", "backbone": {"kind": "conv", "patch": [1, 2, 2]}}, "backbone"),
        ([1, 2], "Recipe: "),
        (None, "Recipe: "),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_by_name(values, sentence):
    with pytest.raises(ValueError, match=f"^train.json does not fit Recipe: {sentence}") as caught:
        from_dict(Recipe, values, origin="train.json")
    assert type(caught.value) is ValueError and "\n" not in str(caught.value)


def test_broken_json_is_refused():
    for text in ("", "{", '{"name": "a"} trailing', "\x00"):
        with pytest.raises(ValueError, match=r"^config does not fit Recipe"):
            from_json(Recipe, text)


def test_the_kind_chooses_the_class():
    recipe = from_dict(Recipe, {"name": "a", "backbone": {"kind": "transformer"}})
    assert recipe.backbone == Transformer()
    assert from_dict(Recipe, {"name": "a", "backbone": {"kind": "conv", "width": 8}}).backbone == Conv(width=8)


def test_settings_replace_values_by_their_path():
    changed = override(RECIPE, ["steps=9", "shape.width=32", "times.mean=1e-1", "compile=true", 'prompt="a ball=red"'])
    assert (changed.steps, changed.shape.width, changed.times.mean) == (9, 32, 0.1)
    assert changed.compile is True and changed.prompt == "a ball=red"
    assert override(RECIPE, ["prompt=the earth turns"]).prompt == "the earth turns"  # plain text needs no quotes
    assert override(changed, ["prompt=null"]).prompt is None
    assert override(RECIPE, ["backbone.patch=[1, 4, 4]"]).backbone == Transformer(patch=(1, 4, 4))
    assert override(RECIPE, ['backbone={"kind": "conv"}']).backbone == Conv()
    assert RECIPE.steps == 7 and override(RECIPE, []) == RECIPE


@pytest.mark.parametrize(
    "setting, sentence",
    [
        ("steps", "must look like key=value, got 'steps'"),
        ("step=3", r"setting 'step' is unknown; known here: backbone, .*steps"),
        ("shape.breadth=3", r"setting 'shape.breadth' is unknown; known here: channels, .*width"),
        ("shapes.width=3", r"setting 'shapes.width' is unknown; known here: backbone"),
        ("steps.more=3", r"setting 'steps.more' is unknown"),
        ("backbone.width=3", r"'backbone.width' is unknown; known here: kind, patch, rate"),
        ("steps=many", "settings does not fit Recipe: steps: .* got 'many'"),
        ("shape.width=-1", "settings does not fit Recipe: shape.width: must be at least 1"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused(setting, sentence):
    with pytest.raises(ValueError, match=sentence):
        override(RECIPE, [setting])


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "true", "1e999"])
@pytest.mark.parametrize("text", ['{"fps": %s}', '{"name": "a", "times": {"mean": %s}}'], ids=["own", "inner"])
def test_a_number_that_is_none_is_refused_wherever_it_stands(text: str, number: str) -> None:
    kind = VideoShape if "fps" in text else Recipe
    with pytest.raises(ValueError, match=r"does not fit .*(fps|times\.mean): Input should be a"):
        from_json(kind, text % number)
    from_json(kind, text % "1.5")  # the control


@pytest.mark.parametrize("number", ["NaN", "Infinity"])
def test_nor_does_a_setting_bring_one_in(number: str) -> None:
    with pytest.raises(ValueError, match=r"times\.mean: Input should be a finite number"):
        override(RECIPE, [f"times.mean={number}"])
