"""Against a Gaussian model, whose every mean is known: x ~ N(0, C), z = alpha x + sigma noise."""

import weakref

import pytest
import torch
from torch import Tensor, nn

from framefall.diffusion.process import PROCESSES, RectifiedFlow
from framefall.diffusion.reconstruction_guidance import reconstruction_guided

FLOW = RectifiedFlow()
SIZE = 6  # frames of one pixel, of which the first is known
MASK = torch.tensor([1.0] + [0.0] * (SIZE - 1), dtype=torch.float64).reshape(1, 1, SIZE, 1, 1)


def covariance(spread: float) -> Tensor:
    """Frames that go together, the more the nearer they are."""
    at = torch.arange(SIZE, dtype=torch.float64)
    return spread**2 * torch.exp(-((at[:, None] - at).abs()) / 4)


def posterior(prior: Tensor, t: float) -> tuple[Tensor, Tensor]:
    """The covariance of x given z, and the matrix that makes its mean of z."""
    alpha, sigma = 1 - t, t
    inside = torch.linalg.inv(torch.linalg.inv(prior) + (alpha / sigma) ** 2 * torch.eye(SIZE, dtype=prior.dtype))
    return inside, alpha / sigma**2 * inside


def exact(prior: Tensor):
    """The denoiser of that model."""

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        matrices = torch.stack([posterior(prior, float(one))[1] for one in t.flatten()[: len(x_t)]])
        return torch.einsum("bij,bcjhw->bcihw", matrices, x_t)

    return denoise


def a_case(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 1, 2, SIZE, 1, 1, generator=generator, dtype=torch.float64).unbind(0)


def both(prior: Tensor, t: float, scale: float) -> tuple[Tensor, Tensor]:
    """What guidance says, and the exact mean given the known frame as well."""
    z, known = (one.transpose(0, 1) for one in a_case())
    z, known = z[:1], known[:1]
    guided = reconstruction_guided(exact(prior), FLOW, known, MASK, scale)(z, torch.tensor([t], dtype=torch.float64))
    inside, _ = posterior(prior, t)
    plain = exact(prior)(z, torch.tensor([t], dtype=torch.float64))
    gap = known[:, :, :1] - plain[:, :, :1]
    told = plain + inside[:, 0].reshape(1, 1, -1, 1, 1) / inside[0, 0] * gap
    return guided[:, :, 1:], told[:, :, 1:]


@pytest.mark.parametrize("t", [0.2, 0.5, 0.9])
def test_it_is_the_exact_mean_where_the_models_uncertainty_is_what_it_takes_it_for(t: float) -> None:
    """One known pixel of variance S: the scale that makes (sigma / alpha)^2 of it is (sigma / alpha)^2 / S."""
    prior = covariance(1.0)
    inside, _ = posterior(prior, t)
    guided, told = both(prior, t, float((t / (1 - t)) ** 2 / inside[0, 0]))
    torch.testing.assert_close(guided, told, rtol=1e-10, atol=1e-12)
    plain, _ = both(prior, t, 0.0)
    assert (plain - told).abs().max() > 0.01  # the control: without it the known frame says nothing of the others


def test_at_scale_1_it_nears_the_exact_mean_as_the_prior_widens() -> None:
    errors = []
    for spread in (1.0, 4.0, 16.0, 64.0):
        guided, told = both(covariance(spread), 0.5, 1.0)
        plain, _ = both(covariance(spread), 0.5, 0.0)
        errors.append(float((guided - told).norm() / (plain - told).norm()))
    assert errors == sorted(errors, reverse=True) and errors[0] > 0.1 and errors[-1] < 1e-3


@pytest.mark.parametrize("name", PROCESSES)
def test_it_is_the_equation_on_every_process_and_leaves_the_known_part_alone(name: str) -> None:
    process = PROCESSES[name]
    z, known = (one.transpose(0, 1) for one in a_case(1))
    matrix = torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(2), dtype=torch.float64) / SIZE

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        return torch.einsum("ij,bcjhw->bcihw", matrix, x_t)

    t, mask = torch.tensor([0.3, 0.6], dtype=torch.float64), MASK.expand(2, -1, -1, -1, -1)
    guided = reconstruction_guided(denoise, process, known, mask, 2.0)(z, t)
    plain, (alpha, _) = denoise(z, t), process.scales(t)
    slope = -2 * matrix[0].reshape(1, 1, -1, 1, 1) * (known - plain)[:, :, :1]  # of |known - x0|^2 at the first frame
    expected = plain - alpha.reshape(2, 1, 1, 1, 1) * slope
    torch.testing.assert_close(guided[:, :, 1:], expected[:, :, 1:])
    assert torch.equal(guided[:, :, 0], plain[:, :, 0])
    by_frame = reconstruction_guided(denoise, process, known, mask, 2.0)(z, t[:, None].expand(-1, SIZE))
    torch.testing.assert_close(by_frame, guided)


def test_a_soft_mask_is_a_share_of_both() -> None:
    prior, t = covariance(1.0), torch.tensor([0.5], dtype=torch.float64)
    z, known = (one.transpose(0, 1)[:1] for one in a_case())
    full, half, none = (
        reconstruction_guided(exact(prior), FLOW, known, share * MASK, 1.0)(z, t) for share in (1.0, 0.5, 0.0)
    )
    assert torch.equal(none, exact(prior)(z, t))
    torch.testing.assert_close(half[:, :, 1:], (full + none)[:, :, 1:] / 2)
    assert not torch.equal(half[:, :, :1], none[:, :, :1])  # half known is half unknown, and moved


class Kept:
    """An activation that a graph holds."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def test_no_gradient_leaks_and_no_graph_stays() -> None:
    network = nn.Conv3d(1, 1, (3, 1, 1), padding=(1, 0, 0)).double()
    kept: weakref.WeakSet[Kept] = weakref.WeakSet()

    def keep(tensor: Tensor) -> Kept:
        kept.add(box := Kept(tensor))
        return box

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda box: box.tensor):
            x0 = network(network(x_t).tanh())
        assert kept  # the control: while somebody holds the graph its activations are there
        return x0

    z, known = (one.transpose(0, 1) for one in a_case())
    mask, t = MASK.expand(2, -1, -1, -1, -1), torch.full((2,), 0.5, dtype=torch.float64)
    guided = reconstruction_guided(denoise, FLOW, known, mask)
    with torch.no_grad():
        x0 = guided(z, t)
    assert not x0.requires_grad and not z.requires_grad and z.grad is None
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not kept
    assert torch.equal(guided(z, t), x0)  # with gradients on: the same, and none either
    assert not guided(z, t).requires_grad


def test_a_denoiser_without_gradients_is_refused() -> None:
    z, known = (one.transpose(0, 1) for one in a_case())

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        with torch.no_grad():
            return 2 * x_t

    guided = reconstruction_guided(denoise, FLOW, known, MASK.expand(2, -1, -1, -1, -1))
    with pytest.raises(ValueError, match="needs a denoiser with gradients, got none"):
        guided(z, torch.full((2,), 0.5, dtype=torch.float64))


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1.0], ids=str)
def test_impossible_numbers_are_refused(wrong: float) -> None:
    known = torch.zeros(1, 1, SIZE, 1, 1, dtype=torch.float64)
    with pytest.raises(ValueError, match="scale must be a finite number of at least 0"):
        reconstruction_guided(exact(covariance(1.0)), FLOW, known, MASK, wrong)
    with pytest.raises(ValueError, match=r"mask must be within 0\.\.1"):
        reconstruction_guided(exact(covariance(1.0)), FLOW, known, wrong * torch.ones_like(MASK))
