import math

import pytest
import torch
from torch import Tensor

from framefall.evaluate.metrics import features
from framefall.evaluate.metrics.features import Embeddings, embed, frame_consistency, tfd
from framefall.evaluate.metrics.gates import GATED


@pytest.fixture(scope="module")
def real(carphone: Tensor) -> Embeddings:
    return embed(carphone[:, :, :12])


def order(frames: int) -> Tensor:
    return torch.randperm(frames, generator=torch.Generator().manual_seed(2))


def path(vectors: Tensor) -> Embeddings:
    return Embeddings(vectors, 1, "none")


def reordered(embeddings: Embeddings, frames: Tensor) -> Embeddings:
    return path(embeddings.vectors[frames])


def test_a_still_clip_is_wholly_consistent_which_is_why_it_is_gated(real: Embeddings) -> None:
    still = reordered(real, torch.zeros(12, dtype=torch.long))
    assert frame_consistency(still) == pytest.approx(1.0, abs=1e-5)
    assert frame_consistency(still) > frame_consistency(real) and "frozen" in GATED["frame_consistency"]


def test_real_video_is_more_consistent_than_unlike_frames(real: Embeddings, carphone: Tensor) -> None:
    patchwork = carphone[:, :, :12].clone()
    patchwork[:, :, 1::2] = patchwork[:, :, 1::2].flip(-2) * -1  # every other frame upside down, in negative
    assert frame_consistency(real) > 0.8 > frame_consistency(embed(patchwork)) + 0.1


def test_the_formula_of_consistency_is_known() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0], [-1.0, 0.0]])
    # to the frame before: 0, 1, 0; to the first: 0, 0, -1 cut to 0
    assert frame_consistency(path(vectors)) == pytest.approx(1 / 6)


def test_tfd_is_the_difference_in_pace(real: Embeddings) -> None:
    still = reordered(real, torch.zeros(12, dtype=torch.long))
    units = torch.nn.functional.normalize(real.vectors, dim=1)
    pace = 100 * (1 - (units[1:] * units[:-1]).sum(1)).mean()
    assert tfd(real, real) == 0.0
    assert tfd(still, real) == pytest.approx(float(pace), abs=1e-3)
    assert tfd(reordered(real, order(12)), real) > tfd(reordered(real, torch.arange(12).flip(0)), real)
    with pytest.raises(ValueError, match="same number of frames"):
        tfd(embed(torch.zeros(1, 3, 2, 32, 32)), real)


@pytest.mark.parametrize("frames", [0, 1, 2, 3])
def test_too_few_frames_are_not_measurable(frames: int) -> None:
    embeddings = embed(torch.rand(1, 3, frames, 32, 32) * 2 - 1)
    assert embeddings.vectors.shape == (frames, 1280)
    assert math.isnan(frame_consistency(embeddings)) == (frames < 2)


def test_a_black_clip_and_one_that_is_not_finite_give_numbers_or_nothing() -> None:
    black = embed(torch.full((1, 1, 4, 32, 32), -1.0))
    assert frame_consistency(black) == pytest.approx(1.0, abs=1e-5)
    broken = torch.full((1, 3, 4, 32, 32), math.nan)
    assert math.isnan(frame_consistency(embed(broken)))


def test_a_long_clip_is_thinned_out_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "MOST_FRAMES", 4)
    assert embed(torch.zeros(1, 1, 9, 8, 8)).stride == 3
    assert embed(torch.zeros(1, 1, 4, 8, 8)).stride == 1
