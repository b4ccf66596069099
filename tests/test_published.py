"""A published folder is read as its manifest has it, each file once: what is used is what was checked."""

import os
from pathlib import Path

import pytest

from framefall import publish
from framefall.published import Corrupt, Published, reading


@pytest.fixture
def there(tmp_path: Path) -> Path:
    with publish.folder(tmp_path / "there") as partial:
        (partial / "a").write_bytes(b"alpha")
        (partial / "b").write_bytes(b"beta")
    return tmp_path / "there"


def test_what_is_read_is_what_the_manifest_says(there: Path) -> None:
    published = Published(there)
    assert published.read("a", 5) == b"alpha" and published.sizes == {"a": 5, "b": 4}
    assert published.rest() == publish.verify(there)


def test_a_file_that_changes_after_its_folder_was_looked_at_is_refused(there: Path) -> None:
    published = Published(there)
    (there / "a").write_bytes(b"gamma")
    with pytest.raises(Corrupt, match="a is not what the manifest says"):
        published.read("a", 5)
    with pytest.raises(Corrupt, match="a is not what the manifest says"):
        published.rest()


def test_no_more_is_read_than_allowed_and_nothing_that_is_refused_at_sight(there: Path) -> None:
    with pytest.raises(Corrupt, match="at most 4 bytes"):
        Published(there).read("a", 4)

    def refuse(file: int) -> None:
        raise Corrupt("no")

    with pytest.raises(Corrupt, match=r"^no$"):
        Published(there).read("a", 5, refuse)


@pytest.mark.parametrize("kind", ["link", "pipe", "device", "linked folder"])
def test_what_is_no_plain_file_is_refused(kind: str, there: Path, tmp_path: Path) -> None:
    path = there / ("more" if kind == "linked folder" else "a")
    path.unlink(missing_ok=True)
    (tmp_path / "same").write_bytes(b"alpha")
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"link": tmp_path / "same", "device": "/dev/zero", "linked folder": tmp_path}[kind])
    with pytest.raises(Corrupt, match=path.name):
        publish.verify(there)


def test_a_folder_that_is_replaced_meanwhile_is_read_again(there: Path) -> None:
    seen = []

    def use(published: Published) -> bytes:
        first = published.read("a", 10)
        seen.append(first)
        if len(seen) == 1:
            with publish.folder(there) as partial:
                (partial / "a").write_bytes(b"new alpha")
                (partial / "b").write_bytes(b"new beta")
        return first + b" " + published.read("b", 10)

    assert reading(there, use) == b"new alpha new beta" and seen == [b"alpha", b"new alpha"]
