"""A published name holds the whole old content or the whole new content, whatever happens while it is written.

This file is also the program that is killed: `python test_publish.py COMMAND FOLDER` forks a child for every
fault and prints what a reader then finds. Struck are all calls around a change of names, the first of each kind, and
every sixth other one; under `make test-full` each system call of a publish is struck once by each fault.
"""

import builtins
import errno
import io
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from framefall import outputs, publish

sys.path.insert(0, str(Path(__file__).parent))  # as a program it finds its neighbours too
from examples import examples

EVERY = examples(6, 1)  # of so many calls of a publish one is struck
OLD = {"config.json": b"old " * 20, "part/weights.bin": b"\x01" * 3000}
NEW = {"config.json": b"new " * 30, "part/weights.bin": b"\x02" * 5000, "part/more.bin": b"\x03" * 700}
KILLS = ("kill before", "kill after")
ERRORS = {"no space": errno.ENOSPC, "broken disk": errno.EIO}


def write_all(where: Path, files: dict[str, bytes]) -> None:
    """Writes in two strokes, so that a kill can fall in the middle of a file."""
    for name, content in files.items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(where / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            for part in (content[: len(content) // 2], content[len(content) // 2 :]):
                while part:  # a disk that fills up takes a part of it first
                    part = part[os.write(descriptor, part) :]
        finally:
            os.close(descriptor)


def publish_folder(path: Path, files: dict[str, bytes] = NEW) -> None:
    with publish.folder(path) as partial:
        write_all(partial, files)


def publish_folder_without_swap(path: Path) -> None:
    publish._exchange = lambda one, other: False  # type: ignore[assignment]  # as on a system without renameat2
    publish_folder(path)


def publish_file(path: Path) -> None:
    with publish.file(path / "config.json") as partial:
        write_all(partial.parent, {partial.name: NEW["config.json"]})


def output_folder(path: Path) -> None:
    with outputs.folder(path, outputs.FolderKind("a model", needs="config.json")).writing() as partial:
        write_all(partial, NEW)


def output_file(path: Path) -> None:
    with outputs.file(path / "config.json", overwrite=True).writing() as partial:
        write_all(partial.parent, {partial.name: NEW["config.json"]})


def write_in_place(path: Path) -> None:
    """The naive way, as a control: it must be caught."""
    write_all(path, NEW)
    publish._write_manifest(path)


SAFE = (publish_folder, publish_folder_without_swap, publish_file, output_folder, output_file)
WRITERS = {writer.__name__: writer for writer in (*SAFE, write_in_place)}
FILES = ("publish_file", "output_file")  # those that write one file


# ---------------------------------------------------------------- faults


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[dict[str, Any]]]:
    cache: dict[str, list[dict[str, Any]]] = {}
    memory = Path("/dev/shm")  # a kill is told apart by what was called: hundreds of real syncs would only take time
    place = memory if os.access(memory, os.W_OK) else tmp_path_factory.mktemp("faults")

    def run(writer: str) -> list[dict[str, Any]]:
        if writer not in cache:
            with tempfile.TemporaryDirectory(dir=place) as folder:
                cache[writer] = program("faults", Path(folder), writer)
        return cache[writer]

    return run


@pytest.mark.parametrize("writer", ["publish_folder", "publish_file", *examples([], ["output_folder", "output_file"])])
def test_a_kill_at_any_call_leaves_the_whole_old_or_the_whole_new(faults, writer: str) -> None:
    struck = [fault for fault in faults(writer) if fault["fault"] in KILLS]
    assert {fault["found"] for fault in struck} == {"old", "new"}, "both sides of the rename must have been struck"
    assert all(fault["killed"] for fault in struck) and len(struck) >= 20 // EVERY + 6
    assert {"open", "write", "fsync", "close"} <= {fault["call"] for fault in struck}
    assert all(fault["swept"] in ("old", "new") and not fault["left"] for fault in struck)


@pytest.mark.parametrize("writer", [writer.__name__ for writer in SAFE[: examples(4, 5)]])
def test_an_error_at_any_call_leaves_the_whole_old_or_the_whole_new(faults, writer: str) -> None:
    struck = [fault for fault in faults(writer) if fault["fault"] in ERRORS]
    assert {fault["found"] for fault in struck} == {"old", "new"} and not any(fault["left"] for fault in struck)
    failed = [fault for fault in struck if not fault["done"]]
    errors = {fault["error"] for fault in failed}
    assert {"OSError"} <= errors <= {"OSError", "ValueError"} and len(failed) >= 10 // EVERY + 4
    assert all(fault["found"] == "new" for fault in struck if fault["done"])


def test_where_folders_cannot_be_swapped_a_sweep_brings_the_old_one_back(faults) -> None:
    struck = [fault for fault in faults("publish_folder_without_swap") if fault["fault"] in KILLS]
    assert {fault["found"] for fault in struck} == {"old", "new", "missing"}
    assert {fault["swept"] for fault in struck} == {"old", "new"} and not any(fault["left"] for fault in struck)


def test_writing_in_place_is_caught(faults) -> None:
    struck = [fault for fault in faults("write_in_place") if fault["fault"] in KILLS]
    assert sum(fault["found"] == "corrupt" for fault in struck) >= 5 // EVERY + 1


def test_what_is_published_is_on_disk_before_and_after_its_name_changes(tmp_path: Path) -> None:
    for writer, mover in (("publish_folder", "_exchange"), ("publish_file", "replace")):
        events = [tuple(event) for event in program("order", tmp_path, writer)]
        (moved,) = [index for index, (call, _) in enumerate(events) if call == mover]
        written = {name for call, name in events[:moved] if call == "write"}
        assert written
        for name in written:
            writes = [index for index, event in enumerate(events) if event == ("write", name)]
            assert any(event == ("fsync", name) for event in events[max(writes) : moved]), f"{name} is not synced"
        target = str(tmp_path / "target")
        around = target if writer == "publish_file" else str(tmp_path)
        assert ("fsync", around) in events[moved:]
    # the broken control: plain writing syncs at most the manifest
    plain = [tuple(event) for event in program("order", tmp_path, "write_in_place")]
    assert {name for call, name in plain if call == "write"} - {name for call, name in plain if call == "fsync"}


@pytest.mark.parametrize("limit", [40, 4000])  # bytes: within the small file; within the large one
def test_a_full_disk_is_an_oserror_and_costs_nothing(tmp_path: Path, limit: int) -> None:
    for writer in ("publish_folder", "publish_file") if limit == 40 else ("publish_folder",):
        shutil.rmtree(tmp_path / "target", ignore_errors=True)
        (result,) = program("full", tmp_path, writer, str(limit))
        assert result["error"] == "OSError" and result["found"] == "old" and not result["litter"]
    (naive,) = program("full", tmp_path, "write_in_place", str(limit))
    assert naive["found"] == "corrupt"


# ---------------------------------------------------------------- round trips and exceptions


def test_a_folder_comes_back_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "model"
    for files in (OLD, NEW):
        publish_folder(path, files)
        assert contents(path) == files
        assert publish.verify(path) == {name: publish.sha256(path / name) for name in files}
    assert [p.name for p in path.parent.iterdir()] == ["model"]


def test_a_file_comes_back_whole_and_was_written_under_its_own_suffix(tmp_path: Path) -> None:
    path = tmp_path / "new" / "clip.v2.mp4"
    for content in (b"first", b"second"):
        with publish.file(path) as partial:
            assert partial.suffix == ".mp4" and partial.parent == path.parent and partial.name.startswith(".")
            partial.write_bytes(content)
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
def test_an_exception_in_the_block_leaves_the_old_content_and_nothing_else(tmp_path: Path, interruption: type) -> None:
    folder, file = tmp_path / "model", tmp_path / "out.bin"
    publish_folder(folder, OLD)
    file.write_bytes(b"old")
    with pytest.raises(interruption), publish.folder(folder) as partial:
        write_all(partial, NEW)
        raise interruption
    with pytest.raises(interruption), publish.file(file) as partial:
        partial.write_bytes(b"half")
        raise interruption
    publish.verify(folder)
    assert contents(folder) == OLD and file.read_bytes() == b"old"
    assert {p.name for p in tmp_path.iterdir()} == {"model", "out.bin"}


def test_one_process_may_write_one_name_twice_at_once(tmp_path: Path) -> None:
    with publish.folder(tmp_path / "model") as outer:
        write_all(outer, OLD)
        publish_folder(tmp_path / "model", NEW)
        publish.sweep(tmp_path)  # what this process still writes is no litter
    assert contents(tmp_path / "model") == OLD


# ---------------------------------------------------------------- damage


@pytest.fixture
def model(tmp_path: Path) -> Path:
    publish_folder(tmp_path / "model")
    return tmp_path / "model"


def test_a_flipped_bit_is_refused_by_the_name_of_its_file(model: Path) -> None:
    chance = random.Random(0)
    for _ in range(examples(60, 300)):
        name = chance.choice(sorted(NEW))
        with flipped(model / name, chance.randrange(8 * len(NEW[name]))), pytest.raises(publish.Corrupt) as refusal:
            publish.verify(model)
        assert str(model / name) in str(refusal.value)
    publish.verify(model)


def test_a_flipped_bit_of_the_manifest_is_refused(model: Path) -> None:
    manifest = model / publish.MANIFEST
    for bit in range(0, 8 * manifest.stat().st_size, examples(29, 1)):
        with flipped(manifest, bit), pytest.raises(publish.Corrupt, match=str(model)):
            publish.verify(model)


def test_a_missing_an_extra_and_a_swapped_file_are_refused_by_name(model: Path) -> None:
    one, other = model / "part/weights.bin", model / "part/more.bin"
    (model / "extra.txt").write_text("hello")
    with pytest.raises(publish.Corrupt, match=r"extra\.txt is not in the manifest"):
        publish.verify(model)
    (model / "extra.txt").unlink()
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes()), other.write_bytes(kept)
    with pytest.raises(publish.Corrupt, match=r"more\.bin is not what the manifest says"):
        publish.verify(model)
    other.write_bytes(one.read_bytes()), one.unlink()
    with pytest.raises(publish.Corrupt, match=r"weights\.bin is listed in the manifest and missing"):
        publish.verify(model)


def test_a_newer_format_is_refused_with_advice_even_if_all_else_changed(model: Path) -> None:
    (model / publish.MANIFEST).write_text(json.dumps({"format_version": 2, "tree": []}))
    with pytest.raises(publish.Corrupt, match="format version 2, this Framefall reads 1: update Framefall"):
        publish.verify(model)


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "null", "{}", "[" * 100_000, '{"format_version": 1}', '{"format_version": 1, "files": []}',
        '{"format_version": 1, "files": {"config.json": 3}}',
        '{"format_version": 1, "files": {"config.json": {"bytes": 1e999, "sha256": ""}}}',
    ],
)  # fmt: skip
def test_a_manifest_of_any_other_shape_is_refused(model: Path, text: str) -> None:
    (model / publish.MANIFEST).write_text(text)
    with pytest.raises(publish.Corrupt, match=r"manifest\.json is damaged"):
        publish.verify(model)


def test_a_manifest_cannot_point_outside_its_folder(model: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    manifest = json.loads((model / publish.MANIFEST).read_text())
    manifest["files"]["../secret"] = {"bytes": 1, "sha256": publish.sha256(tmp_path / "secret")}
    (model / publish.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(publish.Corrupt, match="secret is listed in the manifest and missing"):
        publish.verify(model)


def test_what_was_never_published_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "nothing", tmp_path / "file"):
        with pytest.raises(publish.Corrupt, match=r"has no manifest\.json"):
            publish.verify(path)


# ---------------------------------------------------------------- other processes


def test_a_sweep_takes_from_the_dead_and_not_from_the_living(tmp_path: Path) -> None:
    living = subprocess.Popen([sys.executable, __file__, "hold", str(tmp_path)], stdout=subprocess.PIPE)
    assert living.stdout is not None
    living.stdout.readline()  # it is inside its two blocks now
    held = set(tmp_path.iterdir())
    program("die", tmp_path)
    dead = set(tmp_path.iterdir()) - held
    foreign = tmp_path / next(p.name for p in dead).replace(publish._MACHINE, "0123abcd")
    foreign.write_text("of another machine on the same disk")
    bystander = tmp_path / ".partial-notes"
    bystander.write_text("somebody's own hidden file")
    try:
        assert len(held) == 2 and len(dead) == 2
        publish.sweep(tmp_path)
        assert set(tmp_path.iterdir()) == held | {foreign, bystander}
    finally:
        living.kill()
        living.communicate()
    publish.sweep(tmp_path)
    assert set(tmp_path.iterdir()) == {foreign, bystander}


def test_two_writers_of_one_name_never_mix(tmp_path: Path) -> None:
    publish_folder(tmp_path / "model", tagged("start", 0))
    known = {tuple(sorted(digests(tagged("start", 0)).items()))}
    for who in "ab":
        known |= {tuple(sorted(digests(tagged(who, turn)).items())) for turn in range(20)}
    writers = [subprocess.Popen([sys.executable, __file__, "race", str(tmp_path), who]) for who in "ab"]
    seen = []
    while any(writer.poll() is None for writer in writers):
        seen.append(tuple(sorted(publish.verify(tmp_path / "model").items())))
    assert [writer.returncode for writer in writers] == [0, 0]
    seen.append(tuple(sorted(publish.verify(tmp_path / "model").items())))
    assert set(seen) <= known and len(set(seen)) >= 5, "the reader must have met several versions"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


# ---------------------------------------------------------------- shared by the tests and the program


def contents(path: Path) -> dict[str, bytes]:
    files = (p for p in path.rglob("*") if p.is_file() and p != path / publish.MANIFEST)
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in sorted(files)}


def tagged(who: str, turn: int) -> dict[str, bytes]:
    return {f"{name}.bin": f"{who} {turn} {name}".encode() * 200 for name in "xyz"}


def digests(files: dict[str, bytes]) -> dict[str, str]:
    return {name: publish.hashlib.sha256(content).hexdigest() for name, content in files.items()}


class flipped:  # noqa: N801 - reads as a verb
    """One bit of a file is wrong for the length of the block."""

    def __init__(self, path: Path, bit: int) -> None:
        self.path, self.bit = path, bit

    def _flip(self) -> None:
        content = bytearray(self.path.read_bytes())
        content[self.bit // 8] ^= 1 << self.bit % 8
        self.path.write_bytes(content)

    def __enter__(self) -> None:
        self._flip()

    def __exit__(self, *_: object) -> None:
        self._flip()


def program(command: str, folder: Path, *more: str) -> list[Any]:
    """Runs this file as a program of its own and gives what it printed."""
    line = [sys.executable, __file__, command, str(folder), *more]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    result: list[Any] = json.loads(done.stdout)
    return result


# ---------------------------------------------------------------- the program

ENDS = {0: "", 1: "OSError", 3: "ValueError"}
CALLS = ("open", "write", "fsync", "close", "rename", "replace", "mkdir", "unlink", "rmdir")


def watch(strike: Callable[[str, tuple[Any, ...], Callable[[], Any]], Any]) -> None:
    """Every call that touches the disk goes through `strike(name, arguments, call)` from now on."""

    def through(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **options: strike(name, args, lambda: call(*args, **options))

    for name in CALLS:
        setattr(os, name, through(name, getattr(os, name)))
    builtins.open = io.open = through("open", io.open)  # type: ignore[assignment]
    publish._exchange = through("_exchange", publish._exchange)
    publish._took = through("_took", publish._took)


def in_child(work: Callable[[], None]) -> int:
    """The wait status of a fork that does `work` and ends with 0, or with 1 on an OSError, 3 on a ValueError."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except OSError:
            os._exit(1)
        except ValueError:
            os._exit(3)
        except BaseException:
            os._exit(2)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def fault_at(point: int, fault: str, note: Path) -> None:
    """Arms the `point`-th call from now; `note` keeps its name, and its absence says that it was not reached."""
    count = 0
    put_note = note.write_text

    def strike(name: str, _: tuple[Any, ...], call: Callable[[], Any]) -> Any:
        nonlocal count
        count += 1
        if count != point:
            return call()
        put_note(name)
        if fault in ERRORS:
            raise OSError(ERRORS[fault], os.strerror(ERRORS[fault]))
        try:
            if fault == "kill after":
                call()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)

    watch(strike)


def found_in(target: Path, writer: str) -> str:
    """What a reader makes of the name."""
    if writer in FILES:
        content = (target / "config.json").read_bytes()
        return {OLD["config.json"]: "old", NEW["config.json"]: "new"}.get(content, "corrupt")
    if not target.exists():
        return "missing"
    try:
        publish.verify(target)
    except publish.Corrupt:
        return "corrupt"
    found = contents(target)
    return "old" if found == OLD else "new" if found == NEW else "corrupt"


def fresh(target: Path, writer: str) -> None:
    for path in target.parent.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    publish_folder(target, OLD)
    if writer == "output_file":  # an output never lies inside of what was published as a whole
        (target / publish.MANIFEST).unlink()


def faults_of(folder: Path, writer: str) -> Iterator[dict[str, Any]]:
    note = folder / "note"
    (folder / "disk").mkdir()
    target = folder / "disk" / "target"
    for shift, fault in enumerate((*KILLS, *ERRORS)):
        for point in struck_points(target, writer, note, shift):
            fresh(target, writer)
            note.unlink(missing_ok=True)

            def work(point: int = point, fault: str = fault) -> None:
                fault_at(point, fault, note)
                WRITERS[writer](target)

            status = in_child(work)
            found = found_in(target, writer)
            publish.sweep(target.parent)
            publish.sweep(target)
            yield {
                "fault": fault,
                "point": point,
                "call": note.read_text(),
                "killed": os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL,
                "done": status == 0,
                "error": ENDS.get(os.waitstatus_to_exitcode(status), "other"),
                "found": found,
                "swept": found_in(target, writer),
                "left": [p.name for p in target.parent.rglob(".*")],
            }


def struck_points(target: Path, writer: str, note: Path, shift: int) -> list[int]:
    """Which calls to strike, by number from 1: those around a change of names, the first of each kind, and every
    `EVERY`-th one from `shift`.
    """
    fresh(target, writer)
    calls: list[str] = []
    put_note = note.write_text

    def work() -> None:
        watch(lambda name, _, call: (calls.append(name), call())[1])
        WRITERS[writer](target)
        put_note("\n".join(calls))

    assert in_child(work) == 0
    calls = note.read_text().split("\n")
    moves = {index for index, name in enumerate(calls, start=1) if name in ("rename", "replace", "_exchange")}
    chosen = {index + apart for index in moves for apart in (-1, 0, 1)} | {calls.index(name) + 1 for name in calls}
    return [point for point in range(1, len(calls) + 1) if point in chosen or (point + shift) % EVERY == 0]


def order_of(folder: Path, writer: str) -> list[tuple[str, str]]:
    """(call, path) in order; descriptors are traced back to the path that they were opened for."""
    fresh(folder / "target", writer)
    events: list[tuple[str, str]] = []
    opened: dict[int, str] = {}

    def strike(name: str, args: tuple[Any, ...], call: Callable[[], Any]) -> Any:
        result = call()
        if name == "open" and isinstance(result, int):
            opened[result] = str(args[0])
        elif name == "open" and "w" in "".join(map(str, args[1:2])):
            events.append(("write", str(args[0])))  # a Python stream: it is written by the time it is closed
        else:
            first = args[0]
            events.append((name, opened.get(first, "?") if isinstance(first, int) else str(first)))
        return result

    watch(strike)
    WRITERS[writer](folder / "target")
    return events


def full_disk(folder: Path, writer: str, limit: int) -> dict[str, Any]:
    target = folder / "target"
    fresh(target, writer)

    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        WRITERS[writer](target)

    status = os.waitstatus_to_exitcode(in_child(work))
    litter = [p.name for p in folder.rglob(".*")]
    return {"error": {0: "", 1: "OSError"}.get(status, "other"), "found": found_in(target, writer), "litter": litter}


def main(command: str, folder: Path, *more: str) -> None:
    if command == "faults":
        print(json.dumps(list(faults_of(folder, *more))))
    elif command == "order":
        print(json.dumps(order_of(folder, *more)))
    elif command == "full":
        print(json.dumps([full_disk(folder, more[0], int(more[1]))]))
    elif command == "race":
        for turn in range(20):
            publish_folder(folder / "model", tagged(more[0], turn))
    elif command in ("hold", "die"):
        with publish.folder(folder / command) as partial, publish.file(folder / f"{command}.bin") as other:
            write_all(partial, NEW)
            other.write_bytes(b"half")
            print("[]", flush=True)
            if command == "die":
                os._exit(0)
            time.sleep(60)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
