"""Rates that are measured quickly: what they are on this machine is no test's concern."""

from collections.abc import Iterator

import pytest

from framefall.bench.speed import timing


@pytest.fixture(scope="module", autouse=True)
def small_products() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "PRODUCT", 512)
        yield
