"""What refusals need: things that are in the way, and what every refusal must be."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file in the way, and an empty folder."""
    root = tmp_path_factory.mktemp("there")
    (root / "file.txt").write_text("words")
    (root / "scene.json").write_text("{}")
    (root / "words.json").write_text("words")
    (root / "empty").mkdir()
    return root


@pytest.fixture
def refused(clips: Path, trained: Path, there: Path, framefall: Callable) -> Callable[[str, int, str], None]:
    """A command line is refused: one sentence on stderr, an exit code, and no file written."""

    def check(line: str, code: int, sentence: str) -> None:
        before = sorted(there.rglob("*"))
        said = framefall(*line.format(clips=clips, trained=trained, there=there).split())
        *notes, refusal = said.err.splitlines()
        assert said.code == code and said.out == ""
        assert refusal.startswith("framefall: ") and sentence in refusal and "Traceback" not in said.err
        assert not notes or "2 files are used, 0 are skipped" in notes[0] or "simulated world" in notes[0]
        assert sorted(there.rglob("*")) == before

    return check
