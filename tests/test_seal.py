"""A seal says of every byte of a file whether it is as it was, and no reader of the file minds it."""

import io
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from examples import examples
from framefall.data.media.decode import decode
from framefall.data.media.writer import WRITERS, write
from framefall.seal import FORMS, seal, sealed

FRAMES = np.random.default_rng(0).integers(0, 255, (4, 32, 48, 3), np.uint8)


def _picture(kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(FRAMES[0]).save(stream, format=kind)
    return stream.getvalue()


def _archive() -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, frames=FRAMES)
    return stream.getvalue()


PLAIN: dict[str, Callable[[], bytes]] = {
    ".png": _picture,
    ".npz": _archive,
    ".json": lambda: (json.dumps({"a": [1, 2]}, indent=2) + "\n").encode(),
    # what reads NetCDF is an extra: that it does not mind is tested with the format
    **dict.fromkeys((".nc", ".nc4"), lambda: b"\x89HDF\r\n\x1a\n" + FRAMES.tobytes()),
    **dict.fromkeys((".tif", ".tiff"), lambda: _picture("TIFF")),
    ".jsonl": lambda: b'{"number": 0}\n{"number": 1}\n',
    ".html": lambda: b"<!doctype html><p>hello</p>\n",
}


@pytest.fixture(params=sorted(FORMS))
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A sealed file of each kind, in a folder of its own."""
    path = tmp_path / f"a{request.param}"
    if request.param in PLAIN:
        path.write_bytes(PLAIN[request.param]())
        seal(path)
    else:
        write(path, [FRAMES], 24.0)  # seals it
    return path


def test_every_kind_of_video_has_a_form() -> None:
    assert {suffix for suffix in WRITERS if suffix} <= FORMS.keys()  # a folder has its manifest


def test_a_sealed_file_is_known_and_read_as_before(made: Path) -> None:
    assert sealed(made)
    if made.suffix == ".json":
        assert json.loads(made.read_text()).pop("framefall-sha256")
    elif made.suffix == ".npz":
        assert zipfile.ZipFile(made).testzip() is None and np.array_equal(np.load(made)["frames"], FRAMES)
    elif made.suffix == ".npy":
        assert np.array_equal(np.load(made), FRAMES) and np.array_equal(np.load(made, mmap_mode="r"), FRAMES)
    elif made.suffix == ".png":
        with Image.open(made) as image:
            assert np.array_equal(np.asarray(image), FRAMES[0]) and "framefall-sha256" in image.text
    elif made.suffix in (".tif", ".tiff"):
        with Image.open(made) as image:
            assert np.array_equal(np.asarray(image), FRAMES[0])
    elif made.suffix not in (".html", ".jsonl", ".nc", ".nc4"):
        assert len(list(decode(made))) == len(FRAMES)


def test_any_other_bit_breaks_a_seal(made: Path) -> None:
    content, chance = made.read_bytes(), random.Random(0)
    bits = [chance.randrange(8 * len(content)) for _ in range(examples(40, 1000))]
    for bit in [0, 8 * len(content) - 1, *bits]:
        other = bytearray(content)
        other[bit // 8] ^= 1 << bit % 8
        made.write_bytes(other)
        assert not sealed(made)
    for other in (content[:-1], content + b"\n", content[: len(content) // 2], b"", content + content):
        made.write_bytes(other)
        assert not sealed(made)
    made.write_bytes(content)
    assert sealed(made)


def test_compact_json_is_sealed_too_and_other_kinds_have_no_seal(tmp_path: Path) -> None:
    for text in ('{"a": 1}\n', '{"a": {"b": 2}}\n'):
        path = tmp_path / "a.json"
        path.write_text(text)
        seal(path)
        values = json.loads(path.read_text())
        assert sealed(path) and values.pop("framefall-sha256") and values == json.loads(text)
    (tmp_path / "a.txt").write_text("words")
    seal(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == "words" and not sealed(tmp_path / "a.txt")


def test_what_users_have_is_not_taken_for_sealed(tmp_path: Path) -> None:
    for suffix in FORMS:
        path = tmp_path / f"a{suffix}"
        for content in (b"", b"x", bytes(500), b"framefall-sha256" + b"0" * 64):
            path.write_bytes(content)
            assert not sealed(path)
