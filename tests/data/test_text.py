import pytest

from framefall.data.text import read_text, whole

SAID = "eine Laterne grüßt, déjà vu"


@pytest.mark.parametrize(
    ("encoding", "remark"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-16", ""),
        ("utf-32", ""),
        ("utf-16-le", "UTF-16"),
        ("utf-16-be", "UTF-16"),
        ("latin-1", "Latin-1"),
        ("cp1252", "Latin-1"),
    ],
)
def test_text_is_read_in_any_of_the_usual_encodings(tmp_path, encoding, remark):
    file = tmp_path / "a.txt"
    file.write_bytes(SAID.encode(encoding))
    text, said = read_text(file)
    assert text == SAID and (remark in said if remark else not said)


@pytest.mark.parametrize("content", [b"\xff\xfea", b"a\0b", bytes(range(256))])
def test_what_is_no_text_is_refused(tmp_path, content):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(ValueError, match="text"):
        read_text(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain 🔥", "plain 🔥"),
        ("half \ud83d", "half �"),
        ("\udd25 half", "� half"),
        ("\ud83d\udd25", "🔥"),
        ("\udcff", "�"),
    ],
)
def test_halves_of_characters_are_joined_or_replaced(text, expected):
    assert whole(text) == expected
    whole(text).encode()
    if text != expected:
        with pytest.raises(UnicodeEncodeError):  # the control: as it came nothing can be done with it
            text.encode()
