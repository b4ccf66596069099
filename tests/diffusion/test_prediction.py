import pytest
import torch

from framefall.diffusion.prediction import EARLIEST, PREDICTIONS, check, coefficients, split
from framefall.diffusion.process import PROCESSES, Cosine, RectifiedFlow, over_video

every_process = pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
every_kind = pytest.mark.parametrize("kind", PREDICTIONS)
# EDM's sigma is 80 t^7: below t = 0.2 its noise hides in the last bits of x_t, and no solve can find it
TIMES = torch.tensor([0.2, 0.35, 0.5, 0.8, 0.97, 1.0], dtype=torch.float64)


def pair(dtype=torch.float64):
    generator = torch.Generator().manual_seed(5)
    return [torch.randn(6, 3, 2, 4, 4, dtype=dtype, generator=generator) for _ in range(2)]


def target(kind, x0, noise, t, process):
    """What a network that knows everything says."""
    a, b = (over_video(coefficient, x0) for coefficient in coefficients(kind, t, process))
    return a * x0 + b * noise


def readable(kind, process) -> bool:
    try:
        check(kind, process)
    except ValueError:
        return False
    return True


@every_process
@every_kind
def test_what_a_prediction_is_made_of_is_read_out_of_it(kind, process):
    t = TIMES if readable(kind, process) else TIMES[:-1].repeat(2)[:6]
    x0, noise = pair()
    x_t = process.add_noise(x0, noise, t)
    said = target(kind, x0, noise, t, process)
    read_x0, read_noise = split(kind, said, x_t, t, process)
    # float64 keeps 16 digits; the solve divides by alpha or sigma, of which the smallest here is 1e-3
    torch.testing.assert_close(read_x0, x0, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(read_noise, noise, rtol=1e-10, atol=1e-10)
    # the control: read as another kind, or at another time, it is not undone
    other = PREDICTIONS[PREDICTIONS.index(kind) - 1]
    assert (split(other, said, x_t, t, process)[0] - x0).abs().max() > 0.1
    if kind != "x0":
        assert (split(kind, said, x_t, 0.9 * t, process)[0] - x0).abs().max() > 0.01


@every_process
@every_kind
def test_what_is_read_explains_x_t(kind, process):
    t = TIMES[:-1].repeat(2)[:6]
    guess, x_t = pair()
    x0, noise = split(kind, guess, x_t, t, process)
    torch.testing.assert_close(process.add_noise(x0, noise, t), x_t)
    torch.testing.assert_close(target(kind, x0, noise, t, process), guess)


def test_noise_is_refused_exactly_where_nothing_of_x0_is_left():
    refused = {(kind, name) for kind in PREDICTIONS for name, p in PROCESSES.items() if not readable(kind, p)}
    assert refused == {("noise", "rectified_flow"), ("noise", "cosine")}
    for process in (RectifiedFlow(), Cosine()):
        with pytest.raises(ValueError, match=r"at t = 1, got 'noise' on .* try 'x0' or 'velocity'"):
            check("noise", process)
        _, noise = pair()
        t = torch.ones(6, dtype=torch.float64)
        assert not split("noise", noise, noise, t, process)[0].isfinite().all()  # why it is refused


@every_process
@every_kind
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_clean_data_is_read_finitely(kind, process, dtype):
    x0, noise = pair(dtype)
    t = torch.zeros(6, dtype=dtype)
    said = target(kind, x0, noise, t, process)
    read_x0, read_noise = split(kind, said, x0, t, process)
    assert read_x0.isfinite().all() and read_noise.isfinite().all()
    # times below EARLIEST count as EARLIEST, where 1e-5 of the noise (here below 5) is in x_t
    assert (read_x0 - x0).abs().max() < 20 * EARLIEST


@every_process
def test_an_x0_prediction_is_the_x0_it_says(process):
    x0, x_t = pair(torch.float32)
    read, _ = split("x0", x0, x_t, TIMES.float(), process)
    torch.testing.assert_close(read, x0, rtol=1e-6, atol=0)  # two roundings of float32
