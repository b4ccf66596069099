"""The captions of a folder with their states: each distinct one encoded once, in batches, and kept."""

import hashlib
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from framefall.data.cached.kept import Kept
from framefall.data.cached.shards import Encoder, Shards
from framefall.data.cached.store import Store
from framefall.data.clip import Clip
from framefall.data.folder import Folder


@dataclass(frozen=True)
class Captions:
    """Captions as examples without pixels, so that their states are kept as those of clips are."""

    texts: tuple[str, ...]

    @property
    def examples(self) -> int:
        """How many there are."""
        return len(self.texts)

    @property
    def fingerprint(self) -> str:
        """A hash of them all."""
        return "captions-" + hashlib.blake2b("\0".join(self.texts).encode(), digest_size=16).hexdigest()

    @property
    def nbytes(self) -> int:
        """They have no pixels."""
        return 0

    def number(self, position: int) -> int:
        """They are asked for by number."""
        return position

    def in_order(self, position: int) -> bool:
        """They are asked for in any order."""
        return False

    def example(self, number: int) -> Clip:
        """One caption."""
        return Clip(np.zeros((0, 0, 0, 0), np.uint8), self.texts[number], None, 1.0, f"caption {number}")


def captions(folder: Folder) -> Captions:
    """The distinct captions of a folder."""
    return Captions(tuple(sorted({shot.caption for shot in folder.shots if shot.caption})))


def told(
    batches: Generator[list[Clip], None, None],
    folder: Folder,
    store: Store,
    encoder: Encoder | None,
    say: Callable[[str], object],
) -> Generator[list[Clip], None, None]:
    """The same clips with the states of their captions, as long as these can be kept."""
    known = captions(folder)
    numbers = {text: number for number, text in enumerate(known.texts)}
    if encoder is None or not numbers:
        return batches
    return _told(batches, Shards(known, store, encoder), say, numbers)


def _told(
    batches: Generator[list[Clip], None, None], shards: Shards, say: Callable[[str], object], numbers: dict[str, int]
) -> Generator[list[Clip], None, None]:
    with closing(Kept(shards, say)) as kept, closing(batches):
        for clips in batches:
            if not kept.keeps:  # whoever reads them encodes them, and remembers some
                yield clips
                continue
            wanted = sorted({numbers[clip.caption] for clip in clips if clip.caption})
            states = {one.caption: one.states for one in kept.clips(wanted)} if wanted else {}
            yield [replace(clip, states=states.get(clip.caption)) for clip in clips]
