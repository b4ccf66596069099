"""What the cases share: each is built anew for a test, and a sound toy model lies beside them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cases.drawing import like_a_model
from cases.folders import CASES
from cases.odd_models import MODELS, UNSIGNED

Case = Callable[[str], Path]


@pytest.fixture
def case(tmp_path: Path, request: pytest.FixtureRequest) -> Case:
    """`case("odd-size-45x33")`: a new folder with the inputs of that case; an odd model is made out of `trained`."""

    def build(name: str) -> Path:
        out = tmp_path / name
        if name in CASES:
            CASES[name](out)
        else:
            shutil.copytree(request.getfixturevalue("trained"), out)
            MODELS[name](out)
            if name not in UNSIGNED:
                like_a_model(out)
        return out

    return build


def refused(said: object) -> bool:
    """Whether a command (`Said`) ended with one sentence that begins with `framefall: ` and no traceback."""
    code, text = said.code, said.err.strip()  # type: ignore[attr-defined]
    last = text.splitlines()[-1] if text else ""
    return code in (1, 2) and last.startswith("framefall: ") and "Traceback" not in text
