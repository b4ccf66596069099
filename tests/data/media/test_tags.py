"""Tags come back from every kind of file that is written."""

from pathlib import Path

import numpy as np
import pytest

from framefall.data.media.decode import DecodeError
from framefall.data.media.tags import LARGEST, read_tags
from framefall.data.media.writer import BESIDE, WRITERS, write

TAGS = {"title": "a ball; 'quoted' = ü\nnew line", "comment": '{"a": "' + "x" * 3000 + '"}'}


@pytest.fixture
def film() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (5, 16, 24, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", WRITERS)
def test_tags_come_back(suffix: str, film: np.ndarray, tmp_path: Path) -> None:
    write(tmp_path / f"a{suffix}", [film], 12.0, TAGS)
    found = read_tags(tmp_path / f"a{suffix}")
    assert {name: found[name] for name in TAGS} == TAGS
    write(tmp_path / f"b{suffix}", [film], 12.0)
    assert not TAGS.keys() & read_tags(tmp_path / f"b{suffix}").keys()  # the control


def test_tags_without_their_file_are_gone(film: np.ndarray, tmp_path: Path) -> None:
    write(tmp_path / "a.npy", [film], 12.0, TAGS)
    (tmp_path / f"a.npy{BESIDE}").unlink()
    assert read_tags(tmp_path / "a.npy") == {}


def test_what_is_no_video_is_refused(film: np.ndarray, tmp_path: Path) -> None:
    for name, text, sentence in (("a.mp4", "words", "does not begin like"), ("b.mp4", "#EXTM3U\nc.mp4", "a playlist")):
        (tmp_path / name).write_text(text)
        with pytest.raises(DecodeError, match=sentence):
            read_tags(tmp_path / name)
    with pytest.raises(DecodeError, match="not there"):
        read_tags(tmp_path / "nowhere.mp4")
    write(tmp_path / "a.npy", [film], 12.0, TAGS)
    (tmp_path / f"a.npy{BESIDE}").write_text("{")
    with pytest.raises(DecodeError, match="tags are damaged"):
        read_tags(tmp_path / "a.npy")
    (tmp_path / f"a.npy{BESIDE}").write_text(" " * (LARGEST + 1))
    with pytest.raises(DecodeError, match="at most 4,194,304 bytes"):
        read_tags(tmp_path / "a.npy")


def test_a_gif_that_ends_early_has_no_tags_or_is_refused(film: np.ndarray, tmp_path: Path) -> None:
    write(tmp_path / "a.gif", [film], 12.0, TAGS)
    data = (tmp_path / "a.gif").read_bytes()
    for end in range(14, len(data) - 4000, 97):
        (tmp_path / "b.gif").write_bytes(data[:end])
        assert read_tags(tmp_path / "b.gif") == {}
