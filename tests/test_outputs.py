"""What has a name goes only if Framefall made it, as it was made; everything else is refused and left alone."""

import os
import re
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from framefall import outputs, publish
from framefall.data.media.writer import FRAMES, VideoWriter, video_output, write
from framefall.outputs import FolderKind

KIND = FolderKind("frames", needs="fps.txt")


def fill(path: Path, text: str = "made", **how: object) -> None:
    """Writes a file of ours."""
    with outputs.file(path, **how).writing() as partial:  # type: ignore[arg-type]
        partial.write_text(f'{{"a": "{text}"}}\n')


def fill_folder(path: Path, text: str = "made", **how: object) -> None:
    """Writes a folder of ours."""
    with outputs.folder(path, KIND, **how).writing() as partial:  # type: ignore[arg-type]
        (partial / "fps.txt").write_text("24\n")
        (partial / "part").mkdir()
        (partial / "part" / "a.txt").write_text(text)


def snapshot(folder: Path) -> dict[str, object]:
    """All that is in a folder, links not followed."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        content = path.read_bytes() if stat.S_ISREG(mode) else os.readlink(path) if path.is_symlink() else b""
        found[path.relative_to(folder).as_posix()] = (stat.S_IFMT(mode), content)
    return found


# ---------------------------------------------------------------- files


def test_what_is_ours_and_as_it_was_is_replaced_and_anything_else_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    fill(path, "one")
    fill(path, "two")
    assert '"two"' in path.read_text()
    path.write_text(path.read_text().replace("two", "my"))  # changed by its user
    with pytest.raises(ValueError, match="not as Framefall made it: --overwrite"):
        fill(path, "three")
    assert '"my"' in path.read_text()
    fill(path, "three", overwrite=True)
    assert '"three"' in path.read_text() and [one.name for one in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("kind", ["a named pipe", "a socket", "a device", "a folder"])
def test_what_is_no_file_is_never_replaced(tmp_path: Path, kind: str, overwrite: bool) -> None:
    path = {"a device": Path("/dev/null")}.get(kind, tmp_path / "a.json")
    if kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))
    before = path.lstat()
    for write_it in (lambda: fill(path, overwrite=overwrite), lambda: _plain(path)):
        with pytest.raises((ValueError, FileExistsError), match=f"is {kind}, "):
            write_it()
    assert path.lstat().st_mode == before.st_mode and path.lstat().st_ino == before.st_ino


def _plain(path: Path) -> None:
    with publish.file(path) as partial:
        partial.write_text("")


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    link, target = tmp_path / "a.json", tmp_path / "disk" / "there.json"
    link.symlink_to(Path("disk") / "there.json")
    for text in ("one", "two"):  # it dangles first
        fill(link, text)
        assert link.is_symlink() and f'"{text}"' in target.read_text() and not target.is_symlink()
    target.write_text("my own")
    with pytest.raises(ValueError, match="--overwrite"):
        fill(link)
    assert target.read_text() == "my own" and link.is_symlink()
    _plain(link)  # what Framefall keeps for itself follows links too
    assert link.is_symlink() and target.read_text() == ""
    fill_folder(tmp_path / "disk" / "model")
    (tmp_path / "model").symlink_to(tmp_path / "disk" / "model")
    fill_folder(tmp_path / "model", "new")
    assert (tmp_path / "model").is_symlink() and (tmp_path / "disk" / "model" / "part" / "a.txt").read_text() == "new"


def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "away.json").symlink_to(tmp_path / "unmounted" / "a.json")
    (tmp_path / "loop.json").symlink_to(tmp_path / "pool.json")
    (tmp_path / "pool.json").symlink_to(tmp_path / "loop.json")
    before = snapshot(tmp_path)
    for name in ("away.json", "loop.json"):
        with pytest.raises(ValueError, match=name):
            fill(tmp_path / name, overwrite=True)
    assert snapshot(tmp_path) == before


def test_what_is_read_is_never_replaced_by_whatever_name(tmp_path: Path) -> None:
    source = tmp_path / "in" / "a.json"
    fill(source)  # even what is Framefall's own
    (tmp_path / "link.json").symlink_to(source)
    (tmp_path / "folder").symlink_to(source.parent)
    os.link(source, tmp_path / "hard.json")
    before = snapshot(tmp_path)
    names = [source, tmp_path / "in" / ".." / "in" / "a.json", tmp_path / "folder" / "a.json"]
    for name in [*names, tmp_path / "link.json", tmp_path / "hard.json", Path(os.path.relpath(source))]:
        for given in (source, tmp_path / "link.json", tmp_path / "hard.json"):
            with pytest.raises(ValueError, match="is never replaced"):
                outputs.file(name, overwrite=True, sources=[given])
    assert snapshot(tmp_path) == before
    outputs.file(tmp_path / "in" / "b.json", sources=[source])  # beside it is another file


def test_an_output_lies_neither_in_its_source_nor_around_it(tmp_path: Path) -> None:
    for part in ("frames", "a.txt"):  # a user's, of which one part was made by Framefall
        fill_folder(tmp_path / "clips" / "part" / part)
    (tmp_path / "link").symlink_to(tmp_path / "clips" / "part")
    for name in ("clips/a.json", "clips/part/new/a.json", "link/a.json"):
        with pytest.raises(ValueError, match=r"lies in .*, which is read"):
            outputs.file(tmp_path / name, overwrite=True, sources=[tmp_path / "clips"])
    for source in ("clips/part/frames", "clips/part/a.txt", "link/frames"):
        with pytest.raises(ValueError, match=r"clips holds .*, which is read"):
            outputs.folder(tmp_path / "clips", KIND, overwrite=True, sources=[tmp_path / source])
    with pytest.raises(ValueError, match="is never replaced"):
        outputs.folder(tmp_path / "clips", KIND, overwrite=True, sources=[tmp_path / "link" / ".."])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("file.txt/a.json", "must lie in a folder"),
        ("file.txt/deep/a.json", "must lie in a folder"),
        ("n" * 250 + ".json", "must have at most 200 bytes"),
        ("n" * 300 + "/a.json", "cannot be written"),
        ("\N{SNOWMAN}" * 80 + ".json", "must have at most 200 bytes"),
    ],
)  # fmt: skip
def test_a_name_that_cannot_be_written_is_refused_at_once(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "file.txt").write_text("words")
    with pytest.raises(ValueError, match=sentence):
        outputs.file(tmp_path / name)
    assert list(snapshot(tmp_path)) == ["file.txt"]


def test_a_folder_that_cannot_be_written_into_is_refused_at_once() -> None:
    for name in ("/proc/self/fdinfo/a.json", "/sys/kernel/new/a.json"):
        if Path(name).parents[1].is_dir():
            with pytest.raises(ValueError, match="must be written, and"):
                outputs.file(name)


def test_two_outputs_are_two_files(tmp_path: Path) -> None:
    (tmp_path / "a-001.json").symlink_to(tmp_path / "a-000.json")
    with pytest.raises(ValueError, match="is two of them"):
        outputs.files([tmp_path / "a-000.json", tmp_path / "a-001.json"])


def test_all_are_looked_at_before_the_first_is_written(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text("mine")
    with pytest.raises(ValueError, match=r"b\.json is there"):
        outputs.files([tmp_path / name for name in ("a.json", "b.json")])
    assert [one.name for one in tmp_path.iterdir()] == ["b.json"]


# ---------------------------------------------------------------- folders


def _add_file(folder: Path) -> None:
    (folder / "part" / "notes.txt").write_text("mine")


def _add_empty_folder(folder: Path) -> None:
    (folder / "mine").mkdir()


def _add_link(folder: Path) -> None:
    (folder / "mine").symlink_to("nowhere")


def _add_hidden(folder: Path) -> None:
    (folder / ".mine").write_text("mine")


def _add_pipe(folder: Path) -> None:
    os.mkfifo(folder / "mine")


def _change(folder: Path) -> None:
    (folder / "part" / "a.txt").write_text("mine")


def _remove(folder: Path) -> None:
    (folder / "part" / "a.txt").unlink()


def _link_instead(folder: Path) -> None:
    (folder / "part" / "a.txt").rename(folder.parent / "a.txt")
    (folder / "part" / "a.txt").symlink_to(folder.parent / "a.txt")


CHANGES: list[Callable[[Path], None]] = [
    _add_file, _add_empty_folder, _add_link, _add_hidden, _add_pipe, _change, _remove, _link_instead,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_is_replaced_only_as_it_was_made(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = tmp_path / "frames"
    fill_folder(path, "one")
    fill_folder(path, "two")
    change(path)
    before = snapshot(tmp_path)
    with pytest.raises(ValueError, match="no longer as Framefall made it"):
        fill_folder(path, "three")
    assert snapshot(tmp_path) == before
    fill_folder(path, "three", overwrite=True)
    assert publish.verify(path) and (path / "part" / "a.txt").read_text() == "three"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_a_user_or_of_another_kind_is_never_replaced(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "fps.txt").write_text("24\n")
    (tmp_path / "holiday" / "1.png").write_bytes(b"mine")
    with publish.folder(tmp_path / "model") as partial:
        (partial / "config.json").write_text("{}")
    (tmp_path / "a file").write_text("mine")
    before = snapshot(tmp_path)
    for name in ("holiday", "model", "a file", "."):
        with pytest.raises(ValueError, match=r"never replaced|is a file"):
            fill_folder(tmp_path / name, overwrite=overwrite)
    assert snapshot(tmp_path) == before
    (tmp_path / "empty").mkdir()
    fill_folder(tmp_path / "empty")


def test_frames_are_ours_only_with_the_names_that_ours_have(tmp_path: Path) -> None:
    with publish.folder(tmp_path / "frames") as partial:
        (partial / "fps.txt").write_text("24\n")
        (partial / "holiday.png").write_bytes(b"mine")
    with pytest.raises(ValueError, match=r"holiday\.png is not Framefall's"):
        outputs.folder(tmp_path / "frames", FRAMES)


# ---------------------------------------------------------------- meanwhile


def test_a_file_that_somebody_makes_meanwhile_stays_and_what_was_made_has_a_name_beside_it(tmp_path: Path) -> None:
    for found in (False, True):
        path = tmp_path / f"{found}" / "a.json"
        if found:
            fill(path, "old")
        with pytest.raises(publish.Taken, match=r"a-1\.json"), outputs.file(path).writing() as partial:
            partial.write_text('{"a": "late"}\n')
            fill(path, "first", overwrite=True)
        assert '"first"' in path.read_text() and '"late"' in path.with_name("a-1.json").read_text()
        assert {one.name for one in path.parent.iterdir()} == {"a.json", "a-1.json"}


def test_a_folder_that_gets_a_users_file_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "frames"
    fill_folder(path, "old")
    with pytest.raises(publish.Taken), outputs.folder(path, KIND).writing() as partial:
        (partial / "fps.txt").write_text("24\n")
        (path / "part" / "notes.txt").write_text("mine")  # the folder's own time of change stays
    assert (path / "part" / "notes.txt").read_text() == "mine" and (path / "part" / "a.txt").read_text() == "old"


@pytest.mark.parametrize("swaps", [True, False])
def test_of_many_writers_of_a_name_one_wins_and_the_others_are_told(
    tmp_path: Path, swaps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not swaps:
        monkeypatch.setattr(publish, "_renameat2", lambda *_: False)  # as on a system without it
    for turn in range(10):
        path, told = tmp_path / str(turn) / "a.json", []
        ready = threading.Barrier(4)

        def write_it(who: int, path: Path = path, told: list[int] = told, ready: threading.Barrier = ready) -> None:
            output = outputs.file(path)
            ready.wait()
            try:
                with output.writing() as partial:
                    partial.write_text(f'{{"who": {who}}}\n')
            except publish.Taken:
                told.append(who)

        threads = [threading.Thread(target=write_it, args=(who,)) for who in range(4)]
        [one.start() for one in threads]
        [one.join() for one in threads]
        assert len(told) == 3
        files = sorted(one.read_text()[:9] for one in path.parent.iterdir())
        assert files == [f'{{"who": {who}' for who in range(4)] and not any(
            f": {who}" in path.read_text() for who in told
        )


def test_a_killed_writers_file_is_swept_when_the_next_looks(tmp_path: Path) -> None:
    output = outputs.file(tmp_path / "a.json")
    pid = os.fork()
    if pid == 0:
        with output.writing() as partial:
            partial.write_text("half")
            os._exit(0)
    os.waitpid(pid, 0)
    assert len(list(tmp_path.iterdir())) == 1
    outputs.file(tmp_path / "b.json")
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- videos


def test_a_picture_has_one_frame_and_a_video_goes_elsewhere(tmp_path: Path) -> None:
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    assert write(tmp_path / "a.png", [frames[:1]], 24.0, {"comment": "hello"}) == 1
    assert (tmp_path / "a.png").is_file()
    with pytest.raises(ValueError, match=r"b\.png is one picture, and the video has more frames; name it b\.mp4"):
        write(tmp_path / "b.png", [frames], 24.0)
    assert [one.name for one in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.mkv", "a.gif", "a.npy", "a"])
def test_a_video_is_written_twice_and_not_over_what_changed(tmp_path: Path, name: str) -> None:
    frames = np.zeros((2, 16, 16, 3), np.uint8)
    for shade in (10, 200):
        write(tmp_path / name, [frames + np.uint8(shade)], 24.0, {"title": "x"})
    changed = tmp_path / name
    changed = changed / "000001.png" if changed.is_dir() else changed
    changed.write_bytes(changed.read_bytes() + b"x")
    before = snapshot(tmp_path)
    with pytest.raises(ValueError, match="--overwrite"):
        write(tmp_path / name, [frames], 24.0, {"title": "x"})
    with pytest.raises(ValueError, match="--overwrite"):
        VideoWriter(tmp_path / name, 24.0)  # before any frame
    assert snapshot(tmp_path) == before
    write(tmp_path / name, [frames], 24.0, {"title": "x"}, overwrite=True)
    write(tmp_path / name, [frames], 24.0, {"title": "x"})


def test_the_tags_beside_an_array_are_an_output_too(tmp_path: Path) -> None:
    (tmp_path / "a.npy.json").write_text('{"mine": 1}')
    with pytest.raises(ValueError, match=r"a\.npy\.json is there"):
        video_output(tmp_path / "a.npy")


# rooms that publish what nobody has named: the cache, a run's folder, a model looked at before, the studio's home
OWN = {
    "cascade/saved/checkpoint.py", "data/cached/store.py", "data/media/sheet.py", "layers/compiled.py", "outputs.py",
    "runs/training/distill.py", "runs/training/knowledge.py", "runs/training/reinforce.py", "runs/training/train.py",
    "studio/home.py", "train/journal.py", "train/resume.py",
}  # fmt: skip


def test_what_a_person_names_goes_through_outputs() -> None:
    root = Path(publish.__file__).parent
    found = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if re.search(r"publish\.(file|folder)\(", path.read_text())
    }
    assert found == OWN, "a command writes with outputs.file or outputs.folder, which replace nothing of a user's"


def test_the_naive_way_destroys_all_of_that(tmp_path: Path) -> None:
    """The control: what `publish` does for Framefall's own files would fail every test above."""
    (tmp_path / "a.json").write_text("mine")
    _plain(tmp_path / "a.json")
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "1.png").write_bytes(b"mine")
    with publish.folder(tmp_path / "holiday"):
        pass
    assert not (tmp_path / "a.json").read_text() and not (tmp_path / "holiday" / "1.png").exists()
