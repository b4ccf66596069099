"""What fuzzing found, each as small as it was made: the answer is a value or one sentence."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from framefall.data.folder import FolderConfig, open_folder


@pytest.mark.parametrize("number", ["9" * 50, "1e39", "-1e300", "1e999", "nan"])
@pytest.mark.parametrize("name", ["captions.csv", "a.json"])
def test_a_number_beyond_what_is_kept_is_none(name: str, number: str, tmp_path: Path) -> None:
    """As float32 it would be infinite, and poison a training."""
    place = tmp_path / "pictures"
    place.mkdir()
    for one in ("a.png", "b.png", "c.png"):
        Image.fromarray(np.zeros((24, 32, 3), np.uint8)).save(place / one)
    table = f"file,speed\na.png,{number}\nb.png,2\nc.png,3\n"
    (place / name).write_text(table if name == "captions.csv" else f'{{"numbers": [{number}]}}')
    found = open_folder(place, FolderConfig(size=16, cache=str(tmp_path / "cache")))
    assert all(shot.numbers is None or np.isfinite(shot.numbers).all() for shot in found.shots)
    assert name in str(found.report)
