"""What a source is, and its items: a folder, shards, tables or a data set, here or wherever fsspec reaches."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from framefall.data.captions import Captions
from framefall.data.item import Item, Items
from framefall.data.media.frame import readable
from framefall.data.media.kinds import SUFFIXES
from framefall.data.remote import lerobot, parquet, tars
from framefall.data.remote.place import Piece
from framefall.data.remote.skeleton import Skeleton
from framefall.data.remote.tree import SourceError, Tree, is_url, tree
from framefall.data.scan import look

SHARDS, TABLES = (".tar",), (".parquet", ".arrow")
LEROBOT = "meta/info.json"


@contextlib.contextmanager
def items(source: str | Path, scratch: Path, numbers: str = "action") -> Iterator[Items]:
    """What a source consists of; its texts may be asked for while the block runs."""
    if not is_elsewhere(source):
        yield in_folder(Path(source))
        return
    files = tree(source)
    if LEROBOT in files.files:
        yield lerobot.items(files, numbers)
        return
    if files.ending(*TABLES) and not files.ending(*SHARDS, *SUFFIXES):
        yield parquet.items(files)
        return
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="remote-", dir=scratch, ignore_cleanup_errors=True) as folder:
        skeleton = Skeleton(Path(folder))
        if files.ending(*SHARDS) and not files.ending(*SUFFIXES):
            tars.fill(skeleton, files)
        else:
            for name, file in files.files.items():
                skeleton.add(name, Piece(name, file.url, 0, file.size), file.identity)
        yield skeleton.items()


def is_elsewhere(source: str | Path) -> bool:
    """Whether a source is more than a folder of plain files: a URL, shards, tables, or a data set."""
    if is_url(source):
        return True
    path = Path(source)
    if path.is_dir():
        return (path / LEROBOT).is_file() or _only(path, *SHARDS, *TABLES)
    if path.exists():
        return path.suffix.lower() in (*SHARDS, *TABLES)
    return "{" in str(source)


def in_folder(root: Path) -> Items:
    """What a plain folder consists of."""
    found = look(root)
    words = Captions(root, found.sources)

    def item(source: Path) -> Item:
        name = readable(source.name if source == root else source.relative_to(root))
        return Item(name, source, lambda: words.annotate(source))

    return Items(tuple(map(item, found.sources)), found.left_out, words.notes)


def _only(folder: Path, *suffixes: str) -> bool:
    """Whether there are such files in a folder, or in folders in it, and neither videos nor pictures."""
    names = (path.suffix.lower() for path in folder.rglob("*") if not path.name.startswith("."))
    found = set(names)
    return bool(found & set(suffixes)) and not found & SUFFIXES


__all__ = ["Items", "SourceError", "Tree", "is_elsewhere", "items"]
