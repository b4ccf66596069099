"""From ids to files: no name leads out of its root, whatever is swapped meanwhile."""

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from framefall.studio.files import Roots, open_inside, opened, roots
from framefall.studio.home import Home
from framefall.studio.queue import Refused

PARTS = [
    "a",
    "b",
    "ä ö",
    "..",
    ".",
    "",
    "link",
    "out",
    "file.txt",
    "secret",
    "\0",
    "a" * 300,
    "C:",
    "::$DATA",
    "\u202e",
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with folders, files and links, and a secret beside it."""
    base = tmp_path_factory.mktemp("tree")
    root = base / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "ä ö").mkdir()
    for folder in (root, root / "a", root / "a" / "b", root / "ä ö"):
        (folder / "file.txt").write_text("inside")
    (base / "secret").write_text("secret")
    (root / "link").symlink_to(base / "secret")
    (root / "out").symlink_to(base)
    (root / "a" / "out").symlink_to("..")
    os.mkfifo(root / "a" / "pipe")
    return root


@settings(max_examples=examples(30, 20_000), deadline=None)
@given(st.lists(st.sampled_from(PARTS) | st.text(max_size=5), max_size=5))
def test_what_opens_lies_inside_and_whatever_plainly_lies_inside_opens(tree: Path, parts: list[str]) -> None:
    relative = "/".join(parts)
    plain = relative == "" or all(part not in ("", ".", "..") for part in relative.split("/"))
    wanted = None
    if plain and "\0" not in relative:
        try:
            path = tree / relative
            linked = any(one.is_symlink() for one in (path, *path.parents) if one != tree and tree in one.parents)
            wanted = path if (path.is_file() or path.is_dir()) and not linked else None
        except (OSError, ValueError):
            wanted = None
    try:
        with opened(tree, relative) as descriptor:
            assert wanted is not None and os.path.samestat(os.fstat(descriptor), wanted.stat())
    except Refused as error:
        assert wanted is None and error.status == 404


def naive(root: Path, relative: str) -> int:
    """Control: looks whether the path lies inside, then opens it."""
    path = Path(os.path.realpath(root / relative))
    if not path.is_relative_to(os.path.realpath(root)):
        raise Refused(404, "")
    return os.open(root / relative, os.O_RDONLY)


def escapes(open_, root: Path, races: int) -> int:
    """Whether a name that another thread swaps for a link out of the root opens what lies there."""
    swapped, stop = root / "swapped", threading.Event()
    inside, outside = root / "a" / "file.txt", root.parent / "secret"

    def swap() -> None:
        while not stop.is_set():
            for target in (inside, outside):
                temporary = root / "temporary"
                (os.link if target is inside else os.symlink)(target, temporary)
                os.replace(temporary, swapped)
                swapped.unlink(missing_ok=True)
                (os.link if target is inside else os.symlink)(target, swapped)

    thread, out = threading.Thread(target=swap), 0
    thread.start()
    for _ in range(races):
        try:
            descriptor = open_(root, "swapped")
        except (Refused, OSError):
            continue
        out += os.read(descriptor, 10) == b"secret"
        os.close(descriptor)
        if out:
            break
    stop.set()
    thread.join()
    swapped.unlink(missing_ok=True)
    return out


def test_a_link_that_takes_the_name_meanwhile_leads_nowhere_and_the_naive_check_is_led(tree: Path) -> None:
    assert escapes(open_inside, tree, 1000) == 0
    assert escapes(naive, tree, 20_000) > 0


def test_pipes_are_not_waited_for(tree: Path) -> None:
    with pytest.raises(Refused):
        open_inside(tree, "a/pipe")


def test_folders_are_listed_by_ids_that_nobody_else_makes(tree: Path, tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    found = Roots(home, (tree,))
    (top,) = found.listed()
    listed = found.folder(top.id)
    assert [one.name for one in listed.folders] == ["a", "ä ö"] and listed.parent is None
    inner = found.folder(listed.folders[0].id)
    assert inner.name == "a" and inner.parent == top.id and found.path(inner.folders[0].id) == tree / "a" / "b"
    assert str(tree) not in listed.model_dump_json()
    place, _, seal = listed.folders[0].id.partition(".")
    other = Home(tmp_path / "other")
    other.prepare()
    for wrong in (
        "",
        place,
        f"{place}.",
        f"{place}.{seal[:-1]}0x",
        f"MC8uLg.{seal}",
        Roots(other, (tree,)).listed()[0].id,
    ):
        with pytest.raises(Refused, match="no folder of this id"):
            found.path(wrong)


def test_a_folder_that_became_a_link_or_is_gone_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    (tmp_path / "root" / "inner").mkdir(parents=True)
    found = roots(home, [tmp_path / "root"])
    inner = found.folder(found.listed()[0].id).folders[0].id
    (tmp_path / "root" / "inner").rmdir()
    with pytest.raises(Refused):
        found.path(inner)
    (tmp_path / "root" / "inner").symlink_to(tmp_path)
    with pytest.raises(Refused):
        found.path(inner)
    with pytest.raises(ValueError, match="--root must be a folder"):
        roots(home, [tmp_path / "nowhere"])
