"""What is remembered of bytes elsewhere."""

from pathlib import Path

from framefall.data.cached import contents
from framefall.data.cached.store import Store


def test_what_is_known_comes_back_for_its_source_alone_and_damage_is_nothing(tmp_path: Path) -> None:
    store, known = Store(tmp_path), {"a" * 64: "b" * 64}
    assert contents.load(store, "s3://one") == {}
    contents.save(store, "s3://one", known)
    assert contents.load(store, "s3://one") == known and contents.load(store, "s3://two") == {}
    (file,) = (tmp_path / "contents").iterdir()
    for damage in (b"", b"[]", b"{", b'{"' + b"a" * 64 + b'": "../../x"}'):
        file.write_bytes(damage)
        assert contents.load(store, "s3://one") == {}


def test_what_is_known_is_the_same_file_in_whatever_order_it_was_found_out(tmp_path: Path) -> None:
    known = {letter * 64: "b" * 64 for letter in "dac"}
    written = []
    for order in (list(known), sorted(known)):
        contents.save(Store(tmp_path), "a.tar", {name: known[name] for name in order})
        (file,) = (tmp_path / "contents").iterdir()
        written.append(file.read_bytes())
    assert written[0] == written[1]
