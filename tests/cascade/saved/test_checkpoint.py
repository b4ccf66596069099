"""A cascade as a folder: it comes back as it was, and one that is damaged, or forged, is refused in one sentence."""

import json
import pickle
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from framefall import publish
from framefall.cascade.cascade import CascadeConfig
from framefall.cascade.request import Request
from framefall.cascade.saved import checkpoint
from framefall.cascade.saved.checkpoint import find, load_cascade, parameters, save, with_stage
from framefall.cascade.saved.tensors import read_tensors
from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import Sampling
from framefall.models import keys

# folders as format 1 wrote them, every weight moved by noise: a transformer, an interpolator and a convolutional net
# (a); a U-Net on latents and one on pixels (b); with some pixels of what each made then
OLD_MODELS = Path(__file__).parent / "old_models"
EXPECTED = json.loads((OLD_MODELS / "expected.json").read_text())
STAGE = "spatial_sr"


def weights(stage: Stage) -> dict[str, torch.Tensor]:
    return stage.backbone.state_dict()


def same(one: Stage, two: Stage) -> bool:
    here, there = weights(one), weights(two)
    return (
        one.name == two.name and one.config == two.config and all(torch.equal(here[k], there[k]) for k in here | there)
    )


def test_a_cascade_comes_back_as_it_was(cascade, model):
    found = load_cascade(model)
    assert found.config == cascade.config
    assert all(same(*pair) for pair in zip(found.stages, cascade.stages, strict=True))
    assert not any(stage.backbone.training for stage in found.stages)
    assert torch.equal(found.sample(Request("a ball")), cascade.sample(Request("a ball")))


def test_half_the_bytes_keep_weights_to_8_bits(cascade, model, tmp_path):
    save(cascade, tmp_path / "small", torch.bfloat16)
    found = load_cascade(tmp_path / "small")
    for one, two in zip(found.stages, cascade.stages, strict=True):
        for name, tensor in weights(two).items():
            assert torch.equal(weights(one)[name], tensor.bfloat16().float())
    assert not same(found.stages[0], cascade.stages[0])
    sizes = [
        sum(file.stat().st_size for file in folder.glob("*.safetensors")) for folder in (tmp_path / "small", model)
    ]
    assert sizes[0] < 0.55 * sizes[1]
    save(found, tmp_path / "again", torch.bfloat16)  # nothing more is lost
    assert all(same(*pair) for pair in zip(load_cascade(tmp_path / "again").stages, found.stages, strict=True))


def test_a_model_carries_a_card_that_says_what_it_is(model, cascade):
    card = (model / "README.md").read_text()
    assert "# toy" in card and "Apache-2.0" in card and all(f"| {stage.name} |" in card for stage in cascade.stages)


def test_loading_draws_no_random_numbers(model):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    load_cascade(model)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_file_that_is_cut_off_after_loading_ends_nothing(model, cascade):
    found = load_cascade(model)
    (model / f"{STAGE}.safetensors").write_bytes(b"")  # a mapped file would now end the process
    assert same(found.stage(STAGE), cascade.stage(STAGE))


def test_parameters_are_counted(cascade):
    counted = parameters(cascade.stage(STAGE).backbone.parameters())
    assert counted == sum(tensor.numel() for tensor in weights(cascade.stage(STAGE)).values()) > 10_000


def test_a_stage_is_added_in_its_place_and_the_others_keep_their_weights(cascade, tmp_path):
    folder = tmp_path / "grown"
    for name in ("spatial_sr", "base", "temporal_sr"):  # in any order
        with_stage(folder, name, cascade.stage(name), cascade.config, torch.float32)
    found = load_cascade(folder)
    assert [stage.name for stage in found.stages] == ["base", "temporal_sr", "spatial_sr"]
    assert all(same(*pair) for pair in zip(found.stages, cascade.stages, strict=True))


def test_a_stage_is_replaced_and_the_others_keep_their_weights(cascade, model, fresh):
    other = fresh("base", cascade.stage("base").config)
    with_stage(model, "base", other, replace(cascade.config, description="newer"), torch.float32)
    found = load_cascade(model)
    assert same(found.stage("base"), other) and not same(other, cascade.stage("base"))
    assert all(same(found.stage(name), cascade.stage(name)) for name in ("temporal_sr", "spatial_sr"))
    assert found.config.description == "newer"


def test_a_replaced_stage_may_have_another_shape_than_the_others_were_planned_with(cascade, model):
    """The others keep the configs that their weights were made with, whatever the new recipe says of them."""
    changed = {name: replace(config, fast=Sampling(steps=3)) for name, config in cascade.config.stages.items()}
    with_stage(model, "base", cascade.stage("base"), replace(cascade.config, stages=changed), torch.float32)
    assert load_cascade(model).stage("spatial_sr").config == cascade.stage("spatial_sr").config


def test_a_damaged_cascade_is_not_built_upon(cascade, model):
    (model / "base.safetensors").write_bytes(b"")
    with pytest.raises(publish.Corrupt):
        with_stage(model, "temporal_sr", cascade.stage("temporal_sr"), cascade.config, torch.float32)


def test_a_shipped_cascade_is_found_by_its_name(model, monkeypatch, cascade, tmp_path_factory):
    monkeypatch.setattr(checkpoint, "SHIPPED", model.parent)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert find("toy") == model and load_cascade("toy").config == cascade.config
    assert find(model) == model
    with pytest.raises(ValueError, match=r"a model must be a folder or a shipped name \(toy\), got 'tyo'; train one"):
        find("tyo")
    with pytest.raises(ValueError, match="a model must be a folder or a shipped name"):
        find("elsewhere/toy")


def test_where_nothing_is_shipped_the_list_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path / "none")
    with pytest.raises(ValueError, match=r"\(none\), got 'nano'"):
        find("nano")


def test_a_config_survives_the_file(cascade, model):
    config = CascadeConfig(
        name="é", stages=dict(cascade.config.stages), license="CC0-1.0", description='"quoted"', trained_on=["a", "b"]
    )
    save(replace(cascade, config=config), model)
    assert load_cascade(model).config == config


@pytest.mark.parametrize("name", EXPECTED)
def test_a_folder_with_the_names_of_an_earlier_format_makes_what_it_made_then(name):
    expected, cascade = EXPECTED[name], load_cascade(OLD_MODELS / name)  # verifies hashes

    def distance(seed: int) -> float:
        made = cascade.sample(Request(expected["caption"], seed=seed))
        assert list(made.shape) == expected["shape"]
        then = torch.tensor(expected["values"])
        return float((made.flatten()[expected["places"]] - then).norm() / then.norm())

    assert distance(expected["seed"]) < 0.05  # 0 on the processor that made it, 0.02 where products are of float32
    assert distance(expected["seed"] + 1) > 0.15


@pytest.mark.parametrize("name", EXPECTED)
def test_without_the_table_of_names_an_earlier_folder_is_refused(name, monkeypatch):
    monkeypatch.setattr(keys, "FORMATS", {})
    said = r"base.* has an unknown tensor \S+: it belongs to another config"
    with pytest.raises(publish.Corrupt, match=said):
        load_cascade(OLD_MODELS / name)


def test_an_earlier_folder_is_written_anew_under_todays_names(tmp_path):
    save(load_cascade(OLD_MODELS / "b"), tmp_path / "new")
    names = read_tensors(tmp_path / "new" / "base.safetensors").keys()
    assert names == load_cascade(tmp_path / "new").stage("base").backbone.state_dict().keys()
    assert not any(re.search(r"enter|leave|lateral", name) for name in names)


# damage: what a flipped bit, a lost file or another program leaves


def signed(model: Path, change: Callable[[Path], None]) -> Path:
    """A copy in which something is changed and the manifest agrees: made by whoever wants to harm, not by accident."""
    forged = model.with_name("forged")
    with publish.folder(forged) as partial:
        shutil.copytree(model, partial, dirs_exist_ok=True, ignore=shutil.ignore_patterns(publish.MANIFEST))
        change(partial)
    publish.verify(forged)
    return forged


def config_with(change: Callable[[dict], object]) -> Callable[[Path], None]:  # type: ignore[type-arg]
    def edit(folder: Path) -> None:
        values = json.loads((folder / "config.json").read_text())
        change(values)
        (folder / "config.json").write_text(json.dumps(values))

    return edit


def tensors_with(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        tensors = load_file(folder / f"{STAGE}.safetensors")
        change(tensors)
        save_file(tensors, folder / f"{STAGE}.safetensors")

    return edit


@pytest.mark.parametrize("name", ["config.json", "base.safetensors", "spatial_sr.safetensors"])
@pytest.mark.parametrize("place", [0.0, 0.5, 0.999])
def test_a_flipped_bit_is_found(model, name, place):
    content = bytearray((model / name).read_bytes())
    content[int(place * len(content))] ^= 1
    (model / name).write_bytes(content)
    with pytest.raises(publish.Corrupt, match=rf"{name} is not what the manifest says"):
        load_cascade(model)


def test_a_missing_file_is_named(model):
    (model / "base.safetensors").unlink()
    with pytest.raises(publish.Corrupt, match=r"base\.safetensors is listed in the manifest and missing"):
        load_cascade(model)


def test_a_stage_without_its_file_is_named(model):
    forged = signed(model, lambda folder: (folder / "base.safetensors").unlink())
    with pytest.raises(publish.Corrupt, match=r"base\.safetensors is missing: restore the folder"):
        load_cascade(forged)


def test_a_file_too_many_is_named(model):
    (model / "extra.safetensors").write_bytes(b"")
    with pytest.raises(publish.Corrupt, match=r"extra\.safetensors is not in the manifest"):
        load_cascade(model)


def test_a_folder_that_was_never_published_is_refused(tmp_path):
    with pytest.raises(publish.Corrupt, match=r"has no manifest\.json"):
        load_cascade(tmp_path)


def test_a_newer_version_asks_for_an_update(model):
    manifest = json.loads((model / publish.MANIFEST).read_text())
    (model / publish.MANIFEST).write_text(json.dumps(manifest | {"format_version": 2}))
    with pytest.raises(publish.Corrupt, match="has format version 2, this Framefall reads 1: update Framefall"):
        load_cascade(model)


# malice, or another program's mistake: the manifest agrees

TENSORS = [
    (lambda t: t.update({"conv_out.bias": torch.zeros(5)}), r"conv_out\.bias must have shape \(12,\), got \(5,\)"),
    (lambda t: t.pop("conv_out.bias"), r"spatial_sr\.safetensors lacks conv_out\.bias: it belongs to another config"),
    (lambda t: t.update({"spy": torch.zeros(1)}), r"has an unknown tensor spy"),
    (lambda t: t["conv_out.bias"].fill_(torch.nan), r"conv_out\.bias holds numbers that are not finite"),
    (
        lambda t: t["conv_in.weight"].view(-1)[7:8].fill_(-torch.inf),
        r"conv_in\.weight holds numbers that are not finite",
    ),
]


@pytest.mark.parametrize(("change", "sentence"), TENSORS)
def test_weights_that_do_not_fit_are_refused_by_name(model, change, sentence):
    forged = signed(model, tensors_with(change))
    with pytest.raises(publish.Corrupt, match=sentence) as refused:
        load_cascade(forged)
    assert "\n" not in str(refused.value)


def test_a_copy_in_which_nothing_is_changed_loads(model, cascade):
    forged = signed(model, tensors_with(lambda tensors: None))
    assert same(load_cascade(forged).stage(STAGE), cascade.stage(STAGE))


CONFIGS = [
    (lambda c: c.update(surprise=1), "surprise: Unexpected keyword argument"),
    (lambda c: c["stages"]["base"].update(surprise=1), "surprise: Unexpected keyword argument"),
    (lambda c: c["stages"]["base"]["backbone"].update(kind="os.system"), "kind"),
    (lambda c: c["stages"]["base"]["backbone"].update(dim="64"), "dim: Input should be a valid integer"),
    (lambda c: c["stages"]["base"]["backbone"].update(heads=7), "dim / heads must be a multiple of 8"),
    (lambda c: c["stages"]["base"]["task"].update(kind="spatial_sr"), "spatial_sr.known: Unexpected keyword argument"),
    (lambda c: c["stages"]["base"].update(task={"kind": "os.system"}), "task: Input tag 'os.system' found"),
    (lambda c: c["stages"]["base"].update(task="spatial_sr"), "task"),
    (lambda c: c["stages"].update({"../toy/base": c["stages"].pop("base")}), "a stage's name must be made of letters"),
    (lambda c: c.pop("stages"), "stages"),
]


@pytest.mark.parametrize(("change", "sentence"), CONFIGS)
def test_a_config_that_does_not_fit_is_refused_in_one_sentence(model, change, sentence):
    forged = signed(model, config_with(change))
    with pytest.raises(ValueError, match=sentence) as refused:
        load_cascade(forged)
    assert str(refused.value).startswith(f"{forged / 'config.json'} does not fit CascadeConfig")
    assert "\n" not in str(refused.value)


def test_a_config_that_is_no_json_is_refused(model):
    forged = signed(model, lambda folder: (folder / "config.json").write_bytes(b"\xff{"))
    with pytest.raises(ValueError, match=r"config\.json does not fit"):
        load_cascade(forged)


class Bomb:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("dump", [pickle.dumps, None], ids=["pickle", "torch"])
def test_a_pickle_in_place_of_weights_is_never_executed(model, tmp_path, dump):
    trace, bomb = tmp_path / "executed", tmp_path / "bomb"
    if dump is None:
        torch.save(Bomb(trace), bomb)
    else:
        bomb.write_bytes(dump(Bomb(trace)))
    forged = signed(model, lambda folder: shutil.copy(bomb, folder / "base.safetensors"))
    with pytest.raises(publish.Corrupt, match=r"base\.safetensors is not a whole safetensors file"):
        load_cascade(forged)
    assert not trace.exists()
    torch.load(bomb, weights_only=False) if dump is None else pickle.loads(bomb.read_bytes())
    assert trace.exists()  # the bomb works: it was only never lit


def test_half_a_file_is_not_a_whole_one(model):
    def halve(folder: Path) -> None:
        content = (folder / "base.safetensors").read_bytes()
        (folder / "base.safetensors").write_bytes(content[: len(content) // 2])

    with pytest.raises(publish.Corrupt, match=r"base\.safetensors is not a whole safetensors file"):
        load_cascade(signed(model, halve))


def test_the_other_stages_keep_their_bytes_and_what_was_said_of_the_model(cascade, model):
    said = replace(cascade.config, license="CC0-1.0", trained_on=["a.mp4"], distilled_from="another", description="old")
    save(replace(cascade, config=said), model, torch.float32)
    before = publish.verify(model)
    plain = replace(cascade.config, trained_on=["b.mp4"], description="")
    with_stage(model, "base", cascade.stage("base"), plain, torch.bfloat16)
    after = publish.verify(model)
    changed = {name for name in before if after.get(name) != before[name]}
    assert changed == {"base.safetensors", "config.json", "README.md"} and after.keys() == before.keys()
    found = load_cascade(model).config
    assert (found.license, found.distilled_from, found.description) == ("CC0-1.0", "another", "old")
    assert found.trained_on == ["a.mp4", "b.mp4"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3.4e38])  # the last is not finite as bfloat16
def test_weights_that_are_not_finite_are_not_published(value, cascade, model, fresh):
    before, broken = publish.verify(model), fresh("base", cascade.stage("base").config)
    next(broken.backbone.parameters()).data.view(-1)[0] = value
    with pytest.raises(ValueError, match=r"base must be finite to be written, and \S+ is not; go on from an earlier"):
        with_stage(model, "base", broken, cascade.config, torch.bfloat16)
    assert publish.verify(model) == before and [one.name for one in model.parent.iterdir()] == [model.name]
