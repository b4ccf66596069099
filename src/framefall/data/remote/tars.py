"""WebDataset shards: tar files whose members belong together where their names are equal up to the first dot.

Only headers and texts are read to know what there is; a video is a range of the shard's bytes. Members that are pickles
are never opened.
"""

import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from framefall.data.media.frame import readable
from framefall.data.media.kinds import PICTURES, SUFFIXES
from framefall.data.remote.place import Piece
from framefall.data.remote.skeleton import TEXTS, Skeleton, needed, unsafe
from framefall.data.remote.tree import File, SourceError, Tree, hashed, opened, reading

PICKLES = frozenset({".pyd", ".pickle", ".pkl", ".pth", ".pt", ".ckpt"})
LARGEST_HEADER = 1 << 20  # bytes that tarfile may want at once
_BLOCK = 1 << 16  # bytes that are fetched for a header


@dataclass(frozen=True)
class Member:
    """One file in a shard."""

    name: str
    shard: str
    piece: Piece
    identity: str
    head: bytes  # its first bytes, as many as are read to know what there is


def fill(skeleton: Skeleton, tree: Tree) -> None:
    """Puts the members of all shards into a skeleton, under the names that they have there."""
    members: list[Member] = []
    for shard in tree.ending(".tar"):
        try:
            members += _members(shard, tree.files[shard], skeleton)
        except SourceError as error:
            skeleton.left_out[readable(shard)] = str(error)
    for name in tree.ending(".tgz", ".gz", ".zst", ".bz2", ".xz"):
        skeleton.left_out[readable(name)] = "its members cannot be read one by one: unpack it to a plain .tar"
    shards = defaultdict(set)
    for member in members:
        shards[_key(member.name)].add(member.shard)
    twice = sum(len(several) > 1 for several in shards.values())
    if twice:  # names that are not one in the whole set begin with their shard
        skeleton.notes.append(f"{twice} names are in more than one shard: all names begin with their shard's")
    _place(skeleton, [(_named(one, twice > 0), one) for one in members])


def _members(shard: str, file: File, skeleton: Skeleton) -> Iterator[Member]:
    """What a shard holds; what is no file, or a pickle, is left out with a reason."""
    count, pickles = 0, Counter[str]()
    with reading(file.url):
        filesystem, path = opened(file.url)
        with filesystem.open(path, "rb", block_size=_BLOCK) as stream:
            try:
                with tarfile.open(fileobj=_Headers(stream), mode="r:") as tar:  # type: ignore[call-overload]
                    for info in tar:
                        count += 1
                        suffix = PurePosixPath(info.name).suffix.lower()
                        name = f"{readable(shard)}: {readable(info.name)}"
                        if info.isdir():
                            continue
                        if not info.isreg() or info.issparse():
                            skeleton.left_out[name] = "it is a link, a device or made of holes, and no plain file"
                        elif suffix in PICKLES:
                            pickles[suffix] += 1
                        elif info.offset_data + info.size > file.size:
                            raise tarfile.ReadError
                        else:
                            piece = Piece(info.name, file.url, info.offset_data, info.size)
                            stream.seek(info.offset_data)
                            head = stream.read(needed(info.name, info.size))
                            yield Member(info.name, shard, piece, hashed(file.identity, piece.start, piece.size), head)
            except (tarfile.TarError, ValueError, OverflowError) as error:
                what = "is cut off, or damaged," if count else "is no plain tar file, or damaged,"
                if not isinstance(error, tarfile.TarError):
                    what = "has a header that no writer makes"
                skeleton.left_out[readable(shard)] = f"it {what} after {count} members; copy it again"
    for suffix, found in pickles.items():
        skeleton.left_out[f"{readable(shard)}: *{suffix}"] = (
            f"{found} of its members are pickles, which can run code: they are never loaded"
        )


def _named(member: Member, twice: bool) -> str:
    stem = PurePosixPath(member.shard).with_suffix("").as_posix()
    return f"{stem}/{member.name}" if twice else member.name.removeprefix("./")


def _place(skeleton: Skeleton, members: list[tuple[str, Member]]) -> None:
    """Files as a folder has them: a video with the texts of its sample, several pictures in a folder of their own."""
    samples: dict[str, list[tuple[str, Member]]] = defaultdict(list)
    seen: set[str] = set()
    for name, member in members:
        if name in seen:
            skeleton.left_out[readable(f"{member.shard}: {member.name}")] = "a member before it has the same name"
            continue
        seen.add(name)
        samples[_key(name)].append((name, member))
    unread: Counter[str] = Counter()
    for key, sample in samples.items():
        pictures = [name for name, _ in sample if _suffix(name) in PICTURES]
        texts = []
        for name, member in sample:
            suffix = _suffix(name)
            if suffix not in SUFFIXES | TEXTS:
                unread[suffix or "no suffix"] += 1
            inside = f"{key}/{name[len(key) + 1 :]}" if len(pictures) > 1 and name in pictures else name
            skeleton.add(inside, member.piece, member.identity, member.head)
            if suffix in TEXTS and not unsafe(name):
                texts.append(name)
        for name, _ in sample:  # 0001.video.mp4 is said by 0001.txt, 0001.video.mp4 and 0001.prompt.txt are one sample
            if _suffix(name) in SUFFIXES and name not in (pictures if len(pictures) > 1 else ()):
                stem = PurePosixPath(name).with_suffix("").as_posix()
                for text in texts:
                    skeleton.copy(text, stem + _suffix(text))
    for suffix, count in unread.items():
        skeleton.notes.append(f"nobody reads its {count} members of the kind {suffix}")


def _key(name: str) -> str:
    """What the members of one sample share: the name up to the first dot of its last part."""
    folder, _, last = name.rpartition("/")
    key = last.partition(".")[0]
    return f"{folder}/{key}" if folder else key


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


class _Headers:
    """A stream of which nobody reads much at once: a header may claim to be as long as the shard."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.tell, self.seek = stream.tell, stream.seek

    def read(self, size: int) -> bytes:
        """So many bytes."""
        if size > LARGEST_HEADER:
            raise ValueError("a header is too large")
        return bytes(self._stream.read(size))
