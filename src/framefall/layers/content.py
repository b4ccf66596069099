"""What things look like, as one more word of the caption."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from framefall.layers.modulation import small_word, zeroed


class ContentWord(nn.Module):
    """An embedding of what a clip looks like as a word before its caption's, and as an addition to the level.

    A clip whose embedding is zeros, or that is given none, has the learned null content. The addition starts as none.
    """

    def __init__(self, content_dim: int, text_dim: int, level_dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(content_dim, text_dim)
        self.level_proj = zeroed(nn.Linear(text_dim, level_dim))
        self.null_content = small_word(text_dim)

    def forward(
        self,
        text: Float[Tensor, "batch words features"],
        real: Bool[Tensor, "batch words"],
        content: Float[Tensor, "batch content_features"] | None,
    ) -> tuple[
        Float[Tensor, "batch one_more features"], Bool[Tensor, "batch one_more"], Float[Tensor, "batch level_features"]
    ]:
        """The caption's states with the content's first, which of them are real, and what is added to the level."""
        word = self.null_content.expand(len(text), -1)
        if content is not None:
            told = (content != 0).any(dim=1, keepdim=True)
            word = torch.where(told, self.proj(content), word)
        states = torch.cat((word[:, None].to(text.dtype), text), dim=1)
        return states, torch.cat((torch.ones_like(real[:, :1]), real), dim=1), self.level_proj(word)
