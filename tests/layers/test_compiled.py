import shutil
from typing import Any

import pytest
import torch

from framefall.layers import compiled, fused, kernel
from framefall.layers.patterns import window
from framefall.layers.sparse import sparse_attend

SOURCES = [("window_attention", "WIDTH=1"), ("fused",)]


@pytest.fixture
def rebuilt(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Libraries are looked for anew, before the test and after it."""
    compiled.library.cache_clear()
    yield monkeypatch
    compiled.library.cache_clear()


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_a_library_is_built_wherever_there_is_a_compiler(source):
    assert compiled.has(*source) == any(map(shutil.which, ("g++", "c++", "clang++")))


@pytest.mark.parametrize("compiler", ["false", "true", "no-such-compiler"])
def test_without_a_working_compiler_there_is_another_way(rebuilt, tmp_path, compiler):
    rebuilt.setenv("FRAMEFALL_CACHE", str(tmp_path))
    rebuilt.setenv("PATH", str(tmp_path) if compiler.startswith("no") else "/usr/bin:/bin")
    rebuilt.setenv("CXX", compiler)
    parts = torch.randn(3, 2, 150, 16, generator=torch.Generator().manual_seed(0)).unbind()
    assert not kernel.serves(*parts, window(4))
    assert not any(compiled.has(*source) for source in SOURCES)
    mask = window(4).mask(150)
    true = torch.nn.functional.scaled_dot_product_attention(*(part.double() for part in parts), mask)
    assert (sparse_attend(*parts, window(4)).double() - true).abs().max() < 1e-5
    gate, value = parts[0].chunk(2, dim=-1)
    assert torch.equal(fused.gate_values(parts[0]), torch.nn.functional.silu(gate) * value)
    assert not list(tmp_path.rglob("*.so"))  # nothing half made is left


def test_a_cache_that_cannot_be_written_is_no_error(rebuilt, tmp_path):
    (tmp_path / "file").write_text("in the way")
    rebuilt.setenv("FRAMEFALL_CACHE", str(tmp_path / "file"))
    assert not any(compiled.has(*source) for source in SOURCES)


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_a_library_is_built_once(rebuilt, source):
    built = compiled.library(*source)
    compiled.library.cache_clear()
    rebuilt.setattr("subprocess.run", None)  # nothing may be run
    again = compiled.library(*source)
    assert (built is None) == (again is None)
    assert built is None or built._name == again._name


def test_a_variable_switches_all_of_them_off(monkeypatch):
    monkeypatch.setenv("FRAMEFALL_NO_KERNEL", "1")
    assert not any(compiled.has(*source) for source in SOURCES)


def test_whether_there_is_a_library_is_marked_as_constant_in_the_way_that_torch_marks_it():
    @torch.compiler.assume_constant_result
    def marked() -> bool:
        return True

    mark = vars(marked).items()
    assert mark and mark <= vars(compiled.has).items() and not mark <= vars(compiled.is_read).items()
