"""Layers with a compiled way and a plain one."""

import pytest


@pytest.fixture(params=["kernel", "torch"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to the same answer; where nothing can be compiled, the first is the second."""
    monkeypatch.setenv("FRAMEFALL_NO_KERNEL", "1" if request.param == "torch" else "0")
    return request.param
