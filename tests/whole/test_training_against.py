"""The script that trains two trees side by side: a tree beside itself is as fast as itself."""

import importlib.util
import io
import json
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("training_against", ROOT / "scripts" / "training_against.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_worker_takes_as_many_steps_as_it_is_asked_for(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "CLIPS", 4)
    monkeypatch.setattr("sys.stdin", io.StringIO("1\n9\n"))
    threads = torch.get_num_threads()
    script.worker("micro", "spatial_sr", "stages.spatial_sr.batch=1", "data.size=32")
    torch.set_num_threads(threads)
    about, one, nine = map(json.loads, capsys.readouterr().out.splitlines())
    assert about["batch"] == 1 and about["ms_a_clip_once"] > 0 and 0 < one < nine


def test_the_first_module_that_there_is_is_taken(script: ModuleType) -> None:
    assert (
        script._one_of("framefall.no_such_module", "framefall.video", "framefall.noise").__name__ == "framefall.video"
    )
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        script._one_of("framefall.no_such_module")


@pytest.mark.slow
def test_a_tree_beside_itself_is_as_fast_as_itself(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    script.main(ROOT, "micro", "spatial_sr", "1", "data.size=32")
    found = json.loads(capsys.readouterr().out)
    assert found["ours"]["commit"] == found["other"]["commit"]
    assert 0.7 < found["other_over_ours"]["median"] < 1.4
