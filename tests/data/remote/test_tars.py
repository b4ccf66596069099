"""WebDataset shards, written by webdataset itself, against the same clips in a plain folder."""

import gzip
import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import webdataset
from encodes import encode, textured
from PIL import Image
from shards import COUNT, FRAMES, drawn, opened, plain, reasons, same, sharded
from webdataset.tariterators import group_by_keys, tar_file_expander

from framefall.data.remote import place as places
from framefall.data.remote import tars


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plain(tmp_path_factory.mktemp("plain") / "clips")


@pytest.fixture(scope="module")
def shards(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sharded(folder, tmp_path_factory.mktemp("shards") / "shards")


def add(tar: tarfile.TarFile, name: str, content: bytes, **more: object) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in more.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(content))


def test_shards_give_the_clips_of_the_folder_to_the_bit(folder: Path, shards: Path, tmp_path: Path) -> None:
    there = opened(folder, tmp_path / "there")
    for number, source in enumerate((shards, f"{shards}/{{000000..000002}}.tar", sharded(folder, tmp_path / "one", 9))):
        here = opened(source, tmp_path / str(number))
        assert here.fingerprint == there.fingerprint and here.names == there.names
        assert same(drawn(here), drawn(there))
    assert not same(drawn(there), drawn(there, start=1))  # the control: other clips are not the same


def test_members_are_those_that_webdataset_reads(shards: Path) -> None:
    """The ranges of bytes that are read are what WebDataset gives for each key."""
    from framefall.data.remote.skeleton import Skeleton
    from framefall.data.remote.tree import tree

    found = {}
    for name, file in tree(shards).files.items():
        for member in tars._members(name, file, Skeleton(Path("unused"))):
            key, _, suffix = member.name.partition(".")
            found[key, suffix] = member.piece.read(member.piece.size)
    theirs = []
    for path in sorted(shards.iterdir()):
        with open(path, "rb") as stream:  # what WebDataset opens by itself it leaves open
            theirs += list(group_by_keys(tar_file_expander([{"url": str(path), "stream": stream}])))
    assert found == {(one["__key__"], suffix): one[suffix] for one in theirs for suffix in ("mp4", "txt")}
    assert len(found) == 2 * COUNT


def test_a_stream_that_begins_in_the_middle_of_a_shard_goes_on_with_the_same_clips(
    shards: Path, tmp_path: Path
) -> None:
    whole = drawn(opened(shards, tmp_path / "cache"), steps=6)
    for start in (1, 3, 5):  # what was killed begins with nothing but the shards: no cache, no state
        again = drawn(opened(shards, tmp_path / f"cache {start}"), start, 6 - start)
        assert same(again, whole[2 * start :])


def test_frames_that_the_cache_has_no_room_for_are_read_from_their_shard_again(shards: Path, tmp_path: Path) -> None:
    kept, poor = opened(shards, tmp_path / "kept"), opened(shards, tmp_path / "poor", cache_gb=0.0)
    assert all(entry.kept for entry in kept.entries.values()) and not any(entry.kept for entry in poor.entries.values())
    assert same(drawn(poor, steps=1), drawn(kept, steps=1))
    assert not list((tmp_path / "poor").glob("remote-*"))  # nothing of the shards stays


def test_a_source_that_has_not_changed_is_not_copied_again(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = []
    copy = places.Piece.copy
    monkeypatch.setattr(places.Piece, "copy", lambda self, path: (copied.append(self.name), copy(self, path)))
    first = opened(shards, tmp_path / "cache")
    assert len(copied) == COUNT
    assert opened(shards, tmp_path / "cache").fingerprint == first.fingerprint and len(copied) == COUNT
    changed = sorted(shards.iterdir())[0]
    os.utime(changed, ns=(1, 1))  # the control: what may have changed is looked at
    assert opened(shards, tmp_path / "cache").fingerprint == first.fingerprint and len(copied) == COUNT + 2


def test_strangers_members_are_left_out_with_a_reason_and_never_loaded(folder: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "owned"),)

    evil = pickle.dumps(Evil())
    with pytest.MonkeyPatch.context() as control:  # the control: the pickle does what it says when it is loaded
        control.chdir(tmp_path)
        pickle.loads(evil)
        (tmp_path / "owned").rmdir()
    video = (folder / "0000.mp4").read_bytes()
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "good.mp4", video)
        add(tar, "good.pyd", evil)
        add(tar, "good.pth", evil)
        add(tar, "../out.mp4", video)
        add(tar, "/abs.mp4", video)
        add(tar, "a/../../out.txt", b"a caption")
        add(tar, "x" * 240 + ".mp4", video)
        add(tar, "link.mp4", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add(tar, "hard.mp4", b"", type=tarfile.LNKTYPE, linkname="good.mp4")
        add(tar, "pipe.mp4", b"", type=tarfile.FIFOTYPE)
        add(tar, "list.mp4", b"#EXTM3U\nfile:///etc/passwd\n")
        add(tar, "bad.mp4", video[: len(video) // 3])
        add(tar, "good.mp4", video)
        add(tar, "good.cls", b"3")
    found = opened(tmp_path / "a.tar", tmp_path / "cache")
    assert found.names == ["good.mp4"] and not (tmp_path / "owned").exists()
    left = reasons(found)
    assert "pickles, which can run code: they are never loaded" in left["a.tar: *.pyd"] + left["a.tar: *.pth"]
    assert left["../out.mp4"] == left["a/../../out.txt"] == "its name leads out of the source"
    assert "leads out" in left["/abs.mp4"] and "too long" in left["x" * 240 + ".mp4"]
    assert all("it is a link, a device" in left[f"a.tar: {one}.mp4"] for one in ("link", "hard", "pipe"))
    assert "playlist" in left["list.mp4"] and "bad.mp4" in left and "same name" in left["a.tar: good.mp4"]
    assert "nobody reads its 1 members of the kind .cls" in found.report.notes
    assert not list(tmp_path.parent.glob("out.*"))


def test_a_shard_that_is_cut_off_is_said_and_the_whole_ones_are_used(shards: Path, tmp_path: Path) -> None:
    (tmp_path / "some").mkdir()
    for path in shards.iterdir():
        (tmp_path / "some" / path.name).write_bytes(path.read_bytes())
    first = tmp_path / "some" / "000000.tar"
    with tarfile.open(first) as tar:
        second = tar.getmembers()[2]
    first.write_bytes(first.read_bytes()[: second.offset_data + 20])
    (tmp_path / "some" / "000007.tar").write_bytes(gzip.compress(b"0" * 2000))
    found = opened(tmp_path / "some", tmp_path / "cache")
    assert found.names == ["0000.mp4", "0002.mp4", "0003.mp4", "0004.mp4"]
    assert reasons(found)["000000.tar"] == "it is cut off, or damaged, after 3 members; copy it again"
    assert "no plain tar file" in reasons(found)["000007.tar"]
    with pytest.raises(ValueError, match=r"at least one file that can be used, got none \(000007.tar: it is no plain"):
        opened(tmp_path / "some" / "000007.tar", tmp_path / "cache")


def test_a_header_that_claims_to_be_endless_costs_no_memory(folder: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "good.mp4", (folder / "0000.mp4").read_bytes())
        add(tar, "name", b"0" * (2 << 20), type=tarfile.GNUTYPE_LONGNAME)
    found = opened(tmp_path / "a.tar", tmp_path / "cache")
    assert found.names == ["good.mp4"]
    assert reasons(found)["a.tar"].startswith("it has a header that no writer makes")


def test_samples_of_several_parts(folder: Path, tmp_path: Path) -> None:
    pictures = [Image.fromarray(frame) for frame in textured(8)]
    with webdataset.TarWriter(str(tmp_path / "a.tar")) as writer:
        writer.write({"__key__": "one", "video.mp4": (folder / "0000.mp4").read_bytes(), "prompt.txt": "words of it"})
        writer.write({"__key__": "in/two", "mp4": (folder / "0001.mp4").read_bytes(), "json": {"caption": "in two"}})
        frames = {f"{number:03d}.png": picture for number, picture in enumerate(pictures)}
        writer.write({"__key__": "seq", "txt": "eight frames", **{k: _png(v) for k, v in frames.items()}})
    found = opened(tmp_path / "a.tar", tmp_path / "cache", scene_cuts=False)
    assert {shot.source: (shot.caption, shot.frames) for shot in found.shots} == {
        "one.video.mp4": ("words of it", FRAMES),
        "in/two.mp4": ("in two", FRAMES),
        "seq": ("eight frames", 8),
    }
    seq = next(shot for shot in found.shots if shot.source == "seq")
    assert np.array_equal(found.read(seq, range(8)).transpose(1, 2, 3, 0), np.stack(textured(8)))


def test_equal_names_in_two_shards_are_two_clips(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    for shard in ("a", "b"):
        with webdataset.TarWriter(str(tmp_path / "two" / f"{shard}.tar")) as writer:
            path = encode(tmp_path / f"{shard}.mp4", textured(6, seed=ord(shard)))
            writer.write({"__key__": "0", "mp4": path.read_bytes(), "txt": f"of {shard}"})
    found = opened(tmp_path / "two", tmp_path / "cache")
    assert [(shot.source, shot.caption) for shot in found.shots] == [("a/0.mp4", "of a"), ("b/0.mp4", "of b")]


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
