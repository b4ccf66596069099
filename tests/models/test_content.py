"""What pictures look like as embeddings, on real frames."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from framefall.data.media.decode import decode
from framefall.models.content import CONTENT_DIM, content_of
from framefall.video import from_pixels, resize


@pytest.fixture(scope="module")
def frames(real: Path) -> Tensor:
    """Two frames of one video, and two of another, as videos of one frame."""
    pixels = []
    for name in ("carphone_pristine.mp4", "bikes.mp4"):
        some = [frame.pixels for frame, _ in zip(decode(real / name, fps=2.0, short_side=64), range(4), strict=False)]
        pixels += [resize(from_pixels(np.stack([some[at]])).permute(3, 0, 1, 2), 64, 64) for at in (0, 3)]
    return torch.stack(pixels)


def test_a_content_says_what_is_seen_and_hardly_where(frames: Tensor) -> None:
    found = content_of(torch.cat((frames, frames[:1].flip(-1))))
    assert found.shape == (5, CONTENT_DIM)
    torch.testing.assert_close(found.mean(1), torch.zeros(5), atol=1e-4, rtol=0)
    alike = torch.nn.functional.cosine_similarity(found[:, None], found[None], dim=2)
    others = alike[:2, 2:4].max()
    assert alike[0, 1] > others + 0.1 and alike[0, 4] > others + 0.1


def test_a_content_is_the_same_alone_and_among_others_and_inside_training(frames: Tensor) -> None:
    together = content_of(frames)
    with torch.autocast("cpu", torch.bfloat16):
        assert all(torch.equal(content_of(frames[at : at + 1])[0], together[at]) for at in range(4))
    assert not torch.equal(together[0], together[1])


def test_a_clip_looks_like_the_mean_of_its_frames(frames: Tensor) -> None:
    still = content_of(frames[:1].expand(-1, -1, 3, -1, -1))
    torch.testing.assert_close(still, content_of(frames[:1]), atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match="must be finite"):
        content_of(torch.full((1, 3, 1, 32, 32), torch.nan))
