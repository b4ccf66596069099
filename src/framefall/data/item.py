"""One video or picture of a source, before it is decoded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from framefall.data.captions import Annotation
from framefall.data.remote.place import Place


@dataclass(frozen=True)
class Item:
    """Where it is, and what is said about it."""

    name: str  # its path below the source
    place: Path | Place
    annotate: Callable[[], Annotation]
    identity: str = ""  # another one whenever its bytes may have changed; empty: read them to know
    span: tuple[int, int] | None = None  # which of the file's frames it is: from, to; None: all
    group: str = ""  # what stands on one side of a split together; empty: the same bytes


@dataclass(frozen=True)
class Items:
    """What a source consists of."""

    items: tuple[Item, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)  # why, by path
    notes: tuple[str, ...] = ()
