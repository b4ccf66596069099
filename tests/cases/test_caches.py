"""What users meet of the cache: killed, flipped, removed or unusable, it costs time at most, and never a pixel."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from children import command

from cases.conftest import Case, refused
from cases.test_trainings import TOY, until
from examples import examples
from framefall import publish
from framefall.data import loader
from framefall.data.cached.store import Store
from framefall.data.folder import Folder, FolderConfig, open_folder
from framefall.progress import finish
from framefall.recipes.registry import RECIPES
from framefall.runs.training.train import train
from framefall.train import objective
from framefall.train.loop import TrainingStep

Run = Callable[..., object]


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that no other test reads."""
    monkeypatch.setenv("FRAMEFALL_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept"


def files(cache: Path) -> list[str]:
    """All that is kept, by name; compiled code has nothing to do with clips."""
    return sorted(
        str(path.relative_to(cache))
        for path in cache.rglob("*")
        if path.is_file() and "kernels" not in path.parts and path.name not in ("used", "lock")
    )


def seen(source: Path, steps: int = 3) -> list[bytes]:
    """Pixels, captions and caption states of the first batches that a training on the folder reads."""
    recipe = RECIPES["micro"]()
    part = recipe.stages["base"]
    folder = open_folder(source, recipe.data)
    clips = loader.batches(
        folder, objective.window(part), batch=4, seed=0, encoder=objective.encoder(part), say=lambda sentence: None
    )
    found = []
    for _ in range(steps):
        for clip in next(clips):
            states = b"" if clip.states is None else clip.states.float().numpy().tobytes()
            found.append(clip.pixels.tobytes() + states + str((clip.caption, clip.fps)).encode())
    clips.close()
    return found


def flipped(cache: Path, count: int) -> Iterator[str]:
    """One bit flipped in one kept file after another, its size and times as before; the cache is restored each time."""
    rng = np.random.default_rng(0)
    for number in range(count):
        names = files(cache)
        path = cache / names[number % len(names)]
        data, status = path.read_bytes(), path.stat()
        # every other one at the beginning, where shapes and counts stand
        place = int(rng.integers(min(len(data), 200) if number // len(names) % 2 else len(data)))
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << int(rng.integers(8))]) + data[place + 1 :])
        import os

        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        yield f"{names[number % len(names)]}, byte {place}"
        path.write_bytes(data)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.slow  # `data/cached/test_cache.py` and `test_records.py` flip every bit
def test_a_flipped_bit_anywhere_in_the_cache_changes_no_pixel_and_no_caption(case: Case, own_cache: Path) -> None:
    clips = case("cache-bit-flip") / "clips"
    whole = seen(clips)
    kinds = {Path(name).suffix for name in files(own_cache)}
    assert kinds == {".npy", ".json", ".records"}
    backup = shutil.copytree(own_cache, own_cache.with_name("backup"))
    hits = 0
    for what in flipped(own_cache, examples(12, 300)):
        assert seen(clips) == whole, what
        hits += 1
        shutil.rmtree(own_cache)
        shutil.copytree(backup, own_cache)
    assert hits == examples(12, 300)


def test_frames_without_checksums_the_control_would_be_read_with_the_bit(case: Case, own_cache: Path) -> None:
    clips = case("cache-bit-flip") / "clips"
    whole, array = seen(clips), next(own_cache.glob("*.npy"))
    data = bytearray(array.read_bytes())
    pixels = np.load(array)
    data[-1] ^= 128
    array.write_bytes(data)
    assert not np.array_equal(np.load(array), pixels) and seen(clips) == whole


@pytest.mark.parametrize("place", ["cache/kept", "cache", "a link to nothing"])
def test_a_cache_that_cannot_be_used_is_named_and_no_video_is_blamed(
    place: str, case: Case, framefall: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = case("cache-is-a-file")
    (out / "a link to nothing").symlink_to(out / "cache" / "nowhere")
    monkeypatch.setenv("FRAMEFALL_CACHE", str(out / place))
    said = framefall("train", out / "clips", "-o", tmp_path / "new", *TOY)
    assert refused(said), said.err  # type: ignore[attr-defined]
    assert f"the cache {out / place} must be" in said.err and "a red square" not in said.err  # type: ignore[attr-defined]
    assert "Errno" not in said.err  # type: ignore[attr-defined]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache-is-a-file"]


def test_what_a_killed_run_left_is_swept_by_the_next(case: Case, own_cache: Path, tmp_path: Path) -> None:
    out = case("killed-while-caching")
    words = ["train", out / "clips", "-o", tmp_path / "new", *TOY]
    child = command(*words)
    until(lambda: own_cache.is_dir() and any(".partial-" in path.name for path in own_cache.iterdir()), child)
    child.kill()
    child.join()
    assert any(".partial-" in path.name for path in own_cache.iterdir())  # the window was hit
    left = next(path.name for path in own_cache.iterdir() if ".partial-" in path.name)
    for place in (own_cache / "shards" / "0123", own_cache / "kernels"):  # as kills elsewhere leave it
        place.mkdir(parents=True, exist_ok=True)
        for suffix in (".npy", ".json", ".records", ".so", ""):
            name = left.partition(".partial-")
            stem = Path(name[0]).stem
            (place / f"{stem}{suffix}.partial-{Path(name[2]).stem}{suffix}").touch()
    (own_cache / "shards" / "0123" / ".theirs").touch()  # the control: not every hidden file is a leftover
    seen(out / "clips", steps=1)
    assert [path.name for path in own_cache.rglob(".*") if path.is_file()] == [".theirs"]
    assert [Path(name).suffix for name in files(own_cache) if "theirs" not in name] == [".json", ".npy", ".records"]


@pytest.mark.parametrize("unwritable", [False, True])
def test_a_cache_that_is_removed_in_mid_run_is_made_again_or_done_without(
    unwritable: bool, case: Case, own_cache: Path, tmp_path: Path
) -> None:
    clips = case("cache-removed-in-mid-run") / "clips"
    untouched = finish(train.inside(clips, tmp_path / "whole", "micro", stages=["base"], steps=6))
    losses = []
    for event in train.inside(clips, tmp_path / "new", "micro", stages=["base"], steps=6):
        if isinstance(event, TrainingStep):
            losses.append(event.loss)
            if event.step == 2:
                shutil.rmtree(own_cache)
                if unwritable:
                    own_cache.write_text("a file in its place")
    assert len(losses) == 6 and losses[-1] == untouched.losses["base"]
    assert publish.verify(tmp_path / "new").keys() == publish.verify(tmp_path / "whole").keys()


def test_sweeping_leaves_those_alone_who_still_write(own_cache: Path) -> None:
    store = Store(own_cache)
    with store.writing(own_cache / "shards" / "ab" / "000000.records") as partial:
        partial.write_bytes(b"half")
        child = subprocess.run(
            [sys.executable, "-c", f"from pathlib import Path; from framefall.data.cached.store import Store;"
             f" Store(Path({str(own_cache)!r})).sweep()"],
            check=True,
        )  # fmt: skip
        assert child.returncode == 0 and partial.read_bytes() == b"half"
    assert files(own_cache) == ["shards/ab/000000.records"]


def test_a_source_that_goes_with_the_cache_is_named(case: Case, own_cache: Path) -> None:
    """Nothing can bring back frames of which neither is there: one sentence, without an error's number."""
    clips = case("cache-removed-in-mid-run") / "clips"
    folder: Folder = open_folder(clips, FolderConfig(size=32))
    shot = folder.shots[0]
    shutil.rmtree(own_cache)
    folder.read(shot, [0])  # made again
    shutil.rmtree(own_cache)
    for path in clips.iterdir():
        path.unlink()
    began = time.monotonic()
    with pytest.raises(RuntimeError, match=r"a red square\.mp4.*is not there any more") as refusal:
        folder.read(shot, [0])
    assert "Errno" not in str(refusal.value) and time.monotonic() - began < 10
