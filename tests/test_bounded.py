"""Files of strangers are read as plain files alone, and no larger than they may be; JSON has one meaning."""

import os
import socket
from pathlib import Path

import pytest

from framefall import bounded


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 2 << 30)


ODD = {
    "pipe": (_pipe, "is no plain file"),
    "socket": (_socket, "is no plain file"),
    "folder": (Path.mkdir, "is no plain file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "is no plain file"),
    "holes": (_sparse, "is made of holes"),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_plain_file_is_refused_before_it_is_read(kind: str, tmp_path: Path, monkeypatch) -> None:
    make, sentence = ODD[kind]
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    make(Path("odd"))
    with pytest.raises(bounded.Unreadable, match=sentence):
        bounded.open_plain("odd")


def test_no_more_than_allowed_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(1000))
    assert bounded.read(path, 1000) == bytes(1000)
    with pytest.raises(bounded.Unreadable, match="at most 999 bytes"):
        bounded.read(path, 999)
    with bounded.opened(path, 1000) as file:
        path.write_bytes(bytes(2000))  # it grows after its size was looked at
        with pytest.raises(bounded.Unreadable, match="at most 1,000 bytes"):
            bounded.read_all(file, path, 1000)


def test_a_link_is_followed_only_where_that_is_meant(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "link").symlink_to("a")
    assert bounded.read_json(tmp_path / "link") == 1
    with pytest.raises(bounded.Unreadable, match="is a link"):
        bounded.read(tmp_path / "link", follow=False)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"a": 1, "a": 2}', "once"),
        ('{"a": NaN}', "finite"),
        ('{"a": -Infinity}', "finite"),
        ('{"a": 1e999}', "finite"),
        ('{"a": ' + "9" * 5000 + "}", "digits"),
        ("[" * 100_000, "nested"),
        ('{"a":' * 100_000, "nested"),
        ('{"a": 1', "Expecting"),
    ],
)
def test_json_is_refused_in_one_way(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        bounded.parse(text)


def test_plain_json_is_what_it_was() -> None:
    assert bounded.parse('{"a": [1, 2.5, "x", null, true]}') == {"a": [1, 2.5, "x", None, True]}
