"""A model that asks for more than any machine has, or is no model, is refused at once, by whatever opens it."""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from children import program

from cases.conftest import Case, refused
from cases.drawing import like_a_model, sparse
from cases.odd_models import MODELS, config, tensors

CPU_SECONDS, MEMORY = 5.0, 1 << 20  # of which ru_maxrss counts kilobytes: a gigabyte
HOSTILE = [name for name in MODELS if name.startswith(("config-", "tensor", "manifest-"))]
SILENT = ("card.json", "README.md")


def _set(*path: str, to: object) -> Callable[[Path], None]:
    """Changes one value of the config."""

    def change(folder: Path) -> None:
        values = json.loads((folder / "config.json").read_text())
        inner = values["stages"]
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = to
        (folder / "config.json").write_text(json.dumps(values))
        like_a_model(folder)

    return change


def _text(old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config(folder, (old, new))
        like_a_model(folder)

    return change


def _dtype(kind: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        tensors(folder, kind)
        like_a_model(folder)

    return change


def _odd_file(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        make(folder / name)

    return change


def _outside(path: Path) -> None:
    """A link to a file that is sound, and elsewhere."""
    path.symlink_to("/etc/passwd")


def _large(path: Path) -> None:
    sparse(path, 20 << 30)
    manifest = path.with_name("manifest.json")
    values = json.loads(manifest.read_text())
    values["files"][path.name] = {"bytes": 20 << 30, "sha256": "0" * 64}
    manifest.write_text(json.dumps(values))


VARIANTS = {
    "width 1e9": _set("base", "shape", "width", to=10**9),
    "channels 1e9": _set("base", "shape", "channels", to=10**9),
    "dim 1e6": _set("base", "backbone", "dim", to=10**6),
    "dim 32768": _set("base", "backbone", "dim", to=32768),
    "words 1e9": _set("base", "backbone", "words", to=10**9),
    "patch 0": _set("base", "backbone", "patch", to=[2, 0, 4]),
    "detail 1e9": _set("base", "backbone", "detail", to=10**9),
    "bottleneck 1e9": _set("base", "backbone", "bottleneck", to=10**9),
    "numbers 1e9": _set("base", "backbone", "numbers", to=10**9),
    "steps 1e9": _set("base", "fast", "steps", to=10**9),
    "shift 1e300": _set("base", "fast", "shift", to=1e300),
    "known 1e9": _set("base", "task", "known", to=10**9),
    "factor 1e9": _set("temporal_sr", "task", "factor", to=10**9),
    "intervals 50000": _set("temporal_sr", "task", "intervals", to=50_000),
    "factor of space 1e4": _set("spatial_sr", "task", "factor", to=10**4),
    "depth of space 1e6": _set("spatial_sr", "backbone", "depth", to=10**6),
    "mix_every 0": _set("spatial_sr", "backbone", "mix_every", to=0),
    "buckets": _set("base", "task", "buckets", to=[{"frames": 10**9, "height": 10**9, "width": 10**9}]),
    "large bucket": _set("base", "task", "buckets", to=[{"frames": 64, "height": 8000, "width": 8000}]),
    "huge number": _text('"fps": 6.0', '"fps": ' + "9" * 5000),
    "nested": _text('"license"', '"more": ' + "[" * 5000 + "]" * 5000 + ', "license"'),
    "twice": _text('"license"', '"name": "a", "license"'),
    "minus infinity": _text('"fps": 6.0', '"fps": -Infinity'),
    "int8": _dtype("I8"),
    "complex": _dtype("C64"),
    "float8": _dtype("F8_E4M3"),
    "int64": _dtype("I64"),
    "fifo as weights": _odd_file("base.safetensors", os.mkfifo),
    "fifo as config": _odd_file("config.json", os.mkfifo),
    "fifo too many": _odd_file("more.json", os.mkfifo),
    "folder as weights": _odd_file("base.safetensors", Path.mkdir),
    "device as card": _odd_file("card.json", lambda path: path.symlink_to("/dev/zero")),
    "link outside": _odd_file("README.md", _outside),
    "weights of 20 GB": _odd_file("base.safetensors", _large),
    "notes of 20 GB": _odd_file("README.md", _large),
    "config of 2 GB": _odd_file("config.json", lambda path: sparse(path, 2 << 30)),
}


def _refused_at_once(framefall: Callable[..., object], model: Path, out: Path) -> None:
    """`verify` and `generate` say the same of it, soon and in little memory, and write nothing."""
    before = sorted(one.name for one in model.iterdir())
    for words in (("verify", model), ("generate", "x", "-o", out / "o.mp4", "--model", model)):
        start, peak = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        said = framefall(*words)
        assert refused(said), (words[0], said)
        assert len(said.err.strip().splitlines()) == 1  # type: ignore[attr-defined]
        assert time.process_time() - start < CPU_SECONDS
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < MEMORY
    assert sorted(one.name for one in model.iterdir()) == before and not list(out.iterdir())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_model_is_refused_by_verify_and_generate(name: str, case: Case, framefall, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    _refused_at_once(framefall, case(name), tmp_path / "out")


@pytest.mark.parametrize("name", VARIANTS)
def test_so_are_others_of_their_kinds(name: str, trained: Path, framefall, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    shutil.copytree(trained, tmp_path / "model")
    VARIANTS[name](tmp_path / "model")
    _refused_at_once(framefall, tmp_path / "model", tmp_path / "out")


def test_a_sound_model_is_not_refused(trained: Path, framefall, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "model")
    like_a_model(tmp_path / "model")
    assert framefall("verify", tmp_path / "model").code == 0


@pytest.mark.parametrize("command", ["models", "init", "upscale"])
def test_every_other_way_in_refuses_it_too(command: str, case: Case, clips: Path, framefall, tmp_path: Path) -> None:
    model, video = case("config-depth-1e5"), clips / "0002.mp4"
    words = {
        "models": ("models", model),
        "init": ("train", clips, "-o", tmp_path / "new", "--recipe", "micro", "--steps", 1, "--init", model),
        "upscale": ("upscale", video, "-o", tmp_path / "o.mp4", "--space", 2, "--time", 1, "--model", model),
    }
    assert refused(framefall(*words[command]))
    assert not (tmp_path / "new").exists() and not (tmp_path / "o.mp4").exists()


_NAIVE = """
import json, resource, sys, time
from framefall.models.registry import build
from framefall.models.transformer import TransformerConfig
values = json.load(open(sys.argv[1]))["stages"]["base"]["backbone"]
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 2,) * 2)
build(TransformerConfig(**{**values, "patch": tuple(values["patch"]), "text_dim": 0}))
"""


def test_whoever_builds_what_a_config_says_runs_out(case: Case) -> None:
    child = program(_NAIVE, case("config-depth-1e5") / "config.json")
    child.join()
    assert child.exitcode != 0


def test_whoever_just_opens_a_pipe_waits(case: Case) -> None:
    code = f"open({str(case('manifest-is-a-fifo') / 'manifest.json')!r}).read()"
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "-S", "-c", code], timeout=0.5, check=False)
