"""A model folder that is damaged, or forged, is refused in one sentence that names the fault."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from framefall import publish
from framefall.cascade.checkpoint import load_cascade
from framefall.cascade.stage import Stage

STAGE = "spatial_sr"


def weights(stage: Stage) -> dict[str, torch.Tensor]:
    return stage.backbone.state_dict()


def same(one: Stage, two: Stage) -> bool:
    here, there = weights(one), weights(two)
    return (
        one.name == two.name and one.config == two.config and all(torch.equal(here[k], there[k]) for k in here | there)
    )


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
    (lambda t: t.update({"leave.bias": torch.zeros(5)}), r"leave\.bias must have shape \(12,\), got \(5,\)"),
    (lambda t: t.pop("leave.bias"), r"spatial_sr\.safetensors lacks leave\.bias: it belongs to another config"),
    (lambda t: t.update({"spy": torch.zeros(1)}), r"has an unknown tensor spy"),
    (lambda t: t["leave.bias"].fill_(torch.nan), r"leave\.bias holds numbers that are not finite"),
    (lambda t: t["enter.weight"].view(-1)[7:8].fill_(-torch.inf), r"enter\.weight holds numbers that are not finite"),
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
    (lambda c: c["stages"]["base"].update(task="spatial_sr"), "factor must be 1 for a base stage"),
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
