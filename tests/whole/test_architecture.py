"""The newcomer's map is true: its list of files is the package's, and every place that it sends people to is there."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
spec = importlib.util.spec_from_file_location("file_map", ROOT / "scripts" / "file_map.py")
assert spec is not None and spec.loader is not None
file_map = importlib.util.module_from_spec(spec)
spec.loader.exec_module(file_map)

ROWS = re.findall(r"^\| (?!to change|---)([^|]*) \| ([^|]*) \|([^|]*)\|$", PAGE.partition("## Every file")[0], re.M)


def test_the_list_of_files_is_that_of_the_package() -> None:
    assert file_map.with_listing(PAGE) == PAGE, "run: python scripts/file_map.py"
    assert PAGE.count("| `") > 200


def test_a_file_without_a_row_would_be_noticed(tmp_path: Path) -> None:
    (tmp_path / "framefall").mkdir()
    (tmp_path / "framefall" / "new.py").write_text('"""Something new."""\n')
    assert file_map.listing(tmp_path / "framefall") == "| `new.py` | Something new. |\n"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_place_to_change_something_is_there(row: tuple[str, str, str]) -> None:
    """Files and folders exist, and a name in capitals or a class is in the file that the row names for it."""
    _, place, registry = row
    paths = re.findall(r"`([a-z_/-]+(?:\.py|\.js|\.css|/))`", place + registry)
    texts = [(ROOT if path.startswith("tests/") else ROOT / "src" / "framefall") / path for path in paths]
    assert all(path.exists() for path in texts), paths
    found = "".join(path.read_text(encoding="utf-8") for path in texts if path.is_file())
    for name in re.findall(r"`(_?[A-Z][A-Za-z_]*)", place + registry):
        assert re.search(rf"\b{name}\b", found), f"{name} is in none of {paths}"


def test_the_map_has_twenty_places_to_go_to() -> None:
    assert len(ROWS) >= 20
