"""Layers with a compiled way and a plain one."""

import pytest

from framefall.layers import compiled


@pytest.fixture
def built() -> None:
    """The libraries are there. Whether they are wherever there is a compiler is for `test_compiled.py` to say."""
    if not (compiled.has("fused") and compiled.has("window_attention", "WIDTH=1")):
        pytest.skip("the compiled way is NOT tested: no C++ compiler was found here (install g++ or clang++)")


@pytest.fixture(params=["kernel", "torch"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to the same answer; where nothing can be compiled, the first is skipped aloud."""
    monkeypatch.setenv("FRAMEFALL_NO_KERNEL", "1" if request.param == "torch" else "0")
    if request.param == "kernel":
        request.getfixturevalue("built")
    return str(request.param)
