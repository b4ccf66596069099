"""The files of a source wherever they are."""

import zipfile
from pathlib import Path

import fsspec
import pytest

from framefall.data.remote.tree import SourceError, braces, is_url, tree


def test_braces_stand_for_what_a_shell_makes_of_them() -> None:
    assert braces("a/{008..011}.tar") == ["a/008.tar", "a/009.tar", "a/010.tar", "a/011.tar"]
    assert braces("{a,b}-{1..2}") == ["a-1", "a-2", "b-1", "b-2"] and braces("{3..1}") == ["3", "2", "1"]
    assert braces("plain.tar") == ["plain.tar"] and braces("{x}") == ["{x}"]
    for bomb in ("{0..99999999999}", "{0..999}" * 4):
        with pytest.raises(SourceError, match="at most 1,000,000 files"):
            braces(bomb)


def test_what_is_a_url(tmp_path: Path) -> None:
    assert all(map(is_url, ("s3://b/c", "zip://::a.zip", "memory://x", "zip://*.mp4::s3://b/a.zip")))
    assert not any(
        map(
            is_url,
            (
                Path("s3://b/c"),
                "/a/zip::http://host/a",
                "clips",
                "/a/b",
                "all:20k",
                "fall@2",
                r"C:\clips",
                str(tmp_path),
            ),
        )
    )


def test_a_file_has_another_identity_once_it_has_changed(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"one")
    before = tree(tmp_path).files["a.mp4"]
    assert tree(tmp_path).files["a.mp4"] == before and before.size == 3
    (tmp_path / "a.mp4").write_bytes(b"two")
    assert tree(tmp_path).files["a.mp4"].identity != before.identity


def test_files_are_named_below_the_source_and_hidden_ones_are_not_there(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe({"/tree/in/b.mp4": b"b", "/tree/a.mp4": b"a", "/tree/.git/c.mp4": b"c", "/other/d.mp4": b"d"})
    found = tree("memory://tree")
    assert list(found.files) == ["a.mp4", "in/b.mp4"]
    assert fsspec.open(found.files["in/b.mp4"].url).open().read() == b"b"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("deep/in/a.mp4", b"zipped")
    url = f"zip://::{tmp_path / 'a.zip'}"
    assert [(name, file.size) for name, file in tree(url).files.items()] == [("deep/in/a.mp4", 6)]
    memory.rm("/tree", recursive=True)
    memory.rm("/other", recursive=True)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("memory://nothing/here", "there and hold files|is not; check its name"),
        ("nosuch://bucket/folder", "nosuch://bucket/folder must be readable, and is not: Protocol not known: nosuch"),
        ("zip://::/no/such.zip", "the source must be there"),
        ("/no/such/{0..2}.tar", "the source must be there, /no/such/0.tar is not; check its name"),
    ],
)
def test_what_cannot_be_reached_is_said_in_a_sentence(source: str, sentence: str) -> None:
    with pytest.raises(SourceError, match=sentence):
        tree(source)
