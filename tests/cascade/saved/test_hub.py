"""Models to a hub and back, over HTTP to a server on this machine; strangers' repositories are refused there."""

import hashlib
import json
import os
import pickle
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from framefall.cascade.cascade import Cascade
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import MODEL, save
from hub_server import TOKEN, serving

hub_library = pytest.importorskip("huggingface_hub", reason="the extra framefall[hub]")
NAME = "ours/toy"
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # how the library itself uploads


@pytest.fixture
def hub(monkeypatch, tmp_path):
    from huggingface_hub import constants

    with serving() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        template = f"{server.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # its upload is a protocol of its own
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield server


@pytest.fixture
def model(cascade, tmp_path):
    save(cascade, tmp_path / "model")
    return tmp_path / "model"


def read(name=NAME, **how):
    from huggingface_hub import constants

    from framefall.cascade.saved.hub import Hub  # what the cascade's own method calls, with the cache of `hub`

    return Hub.from_pretrained(name, cache_dir=constants.HF_HUB_CACHE, **how).cascade


def same(one: Cascade, other: Cascade) -> bool:
    return one.config == other.config and all(
        torch.equal(tensor, theirs.backbone.state_dict()[name])
        for ours, theirs in zip(one.stages, other.stages, strict=True)
        for name, tensor in ours.backbone.state_dict().items()
    )


def signed(folder: Path) -> None:
    """The manifest of what is there now: a stranger signs whatever he has."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    files.pop("manifest.json")
    listed = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    (folder / "manifest.json").write_text(json.dumps({"format_version": 1, "files": listed}))


def test_what_is_pushed_comes_back_and_makes_the_same_clip(hub, cascade):
    address = cascade.push_to_hub(NAME, token=TOKEN)
    assert address.startswith(f"{hub.address}/{NAME}/commit/")
    found = read()
    assert same(found, cascade)
    request = Request(seed=3, until="base")
    assert torch.equal(found.sample(request), cascade.sample(request))
    other = replace(cascade, config=replace(cascade.config, description="other"))
    assert not same(found, other)
    puts = [line for line in hub.asked if line.startswith("PUT /lfs/")]
    assert len(puts) == len(cascade.stages)  # weights went as large files, the rest in the commit


def test_pushing_again_takes_away_a_stage_that_is_no_more(hub, cascade):
    cascade.push_to_hub(NAME, token=TOKEN)
    base = {"base": cascade.config.stages["base"]}
    alone = Cascade(config=replace(cascade.config, stages=base), stages=cascade.stages[:1])
    alone.push_to_hub(NAME, token=TOKEN, commit_message="the base alone")
    _, files = hub.found(NAME, "main")
    assert set(files) == {".gitattributes", "README.md", "base.safetensors", "config.json", "manifest.json"}
    assert same(read(), alone)


def test_a_revision_is_kept_apart_and_the_cache_serves_without_a_network(hub, cascade, model):
    first = hub.put(NAME, model)
    described = replace(cascade, config=replace(cascade.config, description="the second"))
    save(described, model)
    hub.put(NAME, model)
    assert read(revision=first).config.description == ""
    assert read().config.description == "the second"
    hub.asked.clear()
    assert read(local_files_only=True).config.description == "the second" and hub.asked == []
    assert read(revision=first, local_files_only=True).config.description == "" and hub.asked == []
    read()
    assert not [line for line in hub.asked if line.startswith("GET") and "safetensors" in line]  # they are there


def test_without_a_network_the_cache_is_read_as_it_is(hub, cascade, model, monkeypatch):
    from huggingface_hub import constants

    hub.put(NAME, model)
    read()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # nobody listens there
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{address}/{{repo_id}}/{{revision}}/{{filename}}"
        )
        assert same(read(), cascade)
        with pytest.raises(ValueError, match="must be in the hub's cache to be read without a network"):
            read("ours/other")


def test_a_damaged_cache_is_noticed(hub, model):
    hub.put(NAME, model)
    read()
    from huggingface_hub import constants

    (blob,) = [
        path
        for path in Path(constants.HF_HUB_CACHE).rglob("snapshots/*/base.safetensors")
    ]  # fmt: skip
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.resolve().write_bytes(data)
    with pytest.raises(ValueError, match=r"ours/toy: base.safetensors is not what the manifest says"):
        read()
    assert read(force_download=True).config.name == "toy"


def pickled(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(os.getcwd))
    signed(folder)


def code(folder: Path) -> None:
    (folder / "modeling.py").write_text("raise SystemExit")


def other_bytes(folder: Path) -> None:
    path = folder / "base.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def other_size(folder: Path) -> None:
    (folder / "base.safetensors").write_bytes((folder / "base.safetensors").read_bytes() + b"0")


def too_large(folder: Path) -> None:
    (folder / "base.safetensors").write_bytes(bytes(1 << 23))
    signed(folder)


def large_words(folder: Path) -> None:
    (folder / "config.json").write_bytes(b" " * (1 << 21))
    signed(folder)


def outside(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["../../outside.json"] = manifest["files"]["config.json"]
    (folder / "manifest.json").write_text(json.dumps(manifest))


def no_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def odd_config(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["stages"]["base"]["backbone"]["dim"] = -1
    (folder / "config.json").write_text(json.dumps(config))
    signed(folder)


HOSTILE = {
    odd_config: "ours/toy/config.json does not fit",
    pickled: "'pytorch_model.bin'.*nothing that could run",
    code: "'modeling.py'.*nothing that could run",
    other_bytes: "base.safetensors is not what the manifest says",
    other_size: "base.safetensors must have the .* bytes of its manifest, the hub says",
    too_large: "base.safetensors may have at most .* bytes, has 8,388,608",
    large_words: "config.json may have at most 1,048,576 bytes",
    outside: "'../../outside.json'.*nothing that could run",
    no_manifest: "must have a manifest.json",
}


@pytest.mark.parametrize("spoil", HOSTILE, ids=lambda spoil: spoil.__name__)
def test_a_hostile_repository_is_refused_in_one_sentence(hub, model, spoil, tmp_path):
    spoil(model)
    hub.put(NAME, model)
    with pytest.raises(ValueError, match=HOSTILE[spoil]) as refused:
        read()
    text = str(refused.value)
    assert "\n" not in text and NAME in text and str(tmp_path) not in text
    if spoil is not other_bytes:  # of which only the bytes tell
        fetched = [
            line for line in hub.asked if line.startswith("GET") and line.endswith((".safetensors", ".bin", ".py"))
        ]
        assert fetched == []


def test_the_hubs_own_way_would_have_fetched_it(hub, model, tmp_path):
    pickled(model)
    hub.put(NAME, model)
    found = hub_library.snapshot_download(NAME, cache_dir=tmp_path / "theirs")
    assert pickle.loads((Path(found) / "pytorch_model.bin").read_bytes()) is os.getcwd


def test_a_hostile_folder_is_refused_as_well(model):
    pickled(model)
    with pytest.raises(ValueError, match="nothing that could run"):
        Cascade.from_pretrained(model)


def test_pictures_and_the_hubs_own_files_beside_a_model_are_left_there(hub, cascade, model):
    hub.put(NAME, model, **{".gitattributes": b"*", "demo.gif": b"GIF89a", "samples/a.mp4": b"?"})
    assert same(read(), cascade)
    assert not [line for line in hub.asked if "/resolve/" in line and line.endswith((".gif", ".mp4"))]


@pytest.mark.parametrize(
    ("name", "how", "sentence"),
    [
        ("nobody/nothing", {}, "neither a folder here nor a model on the hub"),
        ("no/such/name", {}, "must be a folder, a shipped name or a repository"),
        (NAME, {"revision": "v9"}, "has no revision 'v9'"),
    ],
)
def test_what_is_not_there_is_said_in_one_sentence(hub, model, name, how, sentence):
    hub.put(NAME, model)
    with pytest.raises(ValueError, match=sentence) as refused:
        read(name, **how)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("token", [None, "hf_another"])
def test_pushing_without_the_right_is_refused_in_one_sentence(hub, cascade, token):
    with pytest.raises(ValueError, match="log in") as refused:
        cascade.push_to_hub(NAME, token=token or False)
    assert "\n" not in str(refused.value) and NAME not in hub.repositories


def test_saving_replaces_a_model_and_nothing_else(cascade, tmp_path):
    cascade.save_pretrained(tmp_path / "model")
    cascade.save_pretrained(tmp_path / "model")
    assert same(Cascade.from_pretrained(tmp_path / "model"), cascade)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / MODEL.needs).write_text("mine")
    with pytest.raises(ValueError, match="never replaced"):
        cascade.save_pretrained(tmp_path / "mine")
    assert (tmp_path / "mine" / MODEL.needs).read_text() == "mine"


def test_a_shipped_model_needs_no_hub():
    assert Cascade.from_pretrained("pico").config.name == "pico"


def test_without_its_library_the_extra_is_named(cascade, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.delitem(sys.modules, "framefall.cascade.saved.hub", raising=False)
    for ask in (lambda: Cascade.from_pretrained("pico"), lambda: cascade.push_to_hub(NAME)):
        with pytest.raises(ValueError, match=r"pip install 'framefall\[hub\]'"):
            ask()


@pytest.mark.usefixtures("forked")
def test_the_environment_names_the_hub_and_nothing_is_asked_before(hub, cascade, model, tmp_path):
    """A process of its own: HF_ENDPOINT and HF_HOME are read when the library is imported."""
    hub.put(NAME, model)
    code = (
        "import framefall, sys; framefall.Cascade\n"
        "assert 'huggingface_hub' not in sys.modules\n"
        "import framefall.cascade.saved.hub\n"
        "print('imported', flush=True); input()\n"
        f"print(framefall.Cascade.from_pretrained({NAME!r}).config.name)"
    )
    environment = os.environ | {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "home")}
    environment |= {"HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "0"}
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert child.stdout.readline() == "imported\n"
    assert hub.asked == []
    out, _ = child.communicate("\n", timeout=120)
    assert out == "toy\n" and hub.asked
