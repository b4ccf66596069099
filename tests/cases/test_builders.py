"""Each case is built as it says, and the same each time."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cases.folders import CASES
from examples import examples

LARGE = {"clip-of-31-minutes", "h264-40-megapixels"}  # seconds to draw: their tests build them


def _bytes(folder: Path) -> dict[str, bytes]:
    plain = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    return {
        str(path.relative_to(folder)): path.read_bytes()[:100_000] for path in plain if path.stat().st_size < 1 << 28
    }


@pytest.mark.parametrize("name", sorted(CASES.keys() - LARGE)[:: examples(3, 1)])
def test_a_case_is_the_same_each_time(name: str, case: Callable[[str], Path], tmp_path: Path) -> None:
    first = _bytes(case(name))
    (tmp_path / name).rename(tmp_path / "before")
    assert _bytes(case(name)) == first
    assert any((tmp_path / name).rglob("*"))
