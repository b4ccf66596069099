"""Text towers as folders, with networks of some thousand random weights, built by transformers.

The library is loaded when a tower is built: to collect the tests, which are named after the towers, it is not needed.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from tokenizers import processors


def bert(folder: Path, seed: int = 0) -> None:
    """A sentence encoder: a BERT of two layers, with a pooler that nobody reads."""
    from transformers import BertConfig, BertModel

    from tiny_pipelines import WORDS

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(WORDS), max_position_embeddings=64, **sizes)
    _save(folder, BertModel, config, seed)


def t5(folder: Path, seed: int = 0) -> None:
    """A T5's encoder, and a tokenizer that marks the end of a text."""
    from transformers import T5Config, T5EncoderModel

    from tiny_pipelines import WORDS

    sizes = {"d_model": 24, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 3}
    config = T5Config(vocab_size=len(WORDS), pad_token_id=0, eos_token_id=1, **sizes)
    _save(folder, T5EncoderModel, config, seed)


TOWERS: dict[str, Callable[..., None]] = {"bert": bert, "t5": t5}


def _save(folder: Path, kind: type, config: object, seed: int) -> None:
    from tiny_pipelines import WORDS, tokenizer

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        kind(config).eval().save_pretrained(folder)
    words = tokenizer(length=64)
    words.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", WORDS.index("</s>"))]
    )
    words.save_pretrained(folder)
