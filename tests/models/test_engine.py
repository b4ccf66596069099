"""Networks behind an engine: the same answers, with the engine's package installed and without."""

import importlib.util
from collections.abc import Callable, Iterator

import jaxtyping
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from framefall.models import engine
from framefall.models.backbone import Backbone, Condition
from framefall.models.engine import TOLERANCE, Engine, accelerated
from framefall.models.interpolator import InterpolatorConfig
from framefall.models.registry import BackboneConfig
from framefall.video import Time, Video

THERE = importlib.util.find_spec("openvino") is not None
Make = Callable[..., BackboneConfig]
Inputs = tuple[Tensor, Tensor, Condition]


@pytest.fixture(autouse=True)
def unchecked() -> Iterator[None]:
    """While a network is traced its sizes are no integers, which the checks of shapes do not know."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


class Squares(Backbone):
    """Computes outside torch, where no trace can follow."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x_t: Video, t: Time, condition: Condition) -> Video:
        return self.scale * torch.from_numpy(np.square(x_t.numpy()))


def distance(made: Tensor, expected: Tensor) -> float:
    return float((made - expected).norm() / expected.norm())


def test_an_engine_gives_what_the_network_gives(
    toy: Make, trained: Callable[[BackboneConfig], Backbone], inputs: Callable[..., Inputs]
) -> None:
    network, (x, t, condition) = trained(toy()), inputs(toy())
    fast = Engine(network)
    with torch.no_grad():
        for moved in (x, x.roll(1, -1)):  # the second time it is ready
            assert distance(fast(moved, t, condition), network(moved, t, condition)) <= TOLERANCE
        assert distance(fast(x, 1 - t, condition), network(x, t, condition)) > 0  # it hears the time
    follows = not isinstance(toy(), InterpolatorConfig)  # optical flow is not torch's
    assert [run is not None for run in fast.compiled.values()] == [THERE and follows]


def test_every_size_has_its_own(
    toys: dict[type, Make], trained: Callable[[BackboneConfig], Backbone], inputs: Callable[..., Inputs]
) -> None:
    config = next(iter(toys.values()))()
    network = trained(config)
    fast = Engine(network)
    with torch.no_grad():
        for frames in (4, 6):
            given = inputs(config, frames=frames)
            assert distance(fast(*given), network(*given)) <= TOLERANCE
            x, t, condition = given
            told = condition.without_text()
            assert distance(fast(x, t, told), network(x, t, told)) <= TOLERANCE
    assert len(fast.compiled) == 2


def test_sines_of_large_arguments_are_not_rounded(
    toys: dict[type, Make], trained: Callable[[BackboneConfig], Backbone], inputs: Callable[..., Inputs]
) -> None:
    """Half a step of bfloat16 at t = 1, a thousand radians, is two turns: such times would fall together or apart."""
    config = next(iter(toys.values()))()
    network, (x, _, condition) = trained(config), inputs(config)
    fast = Engine(network)
    with torch.no_grad():
        for t in (torch.full((2,), 0.9985), torch.full((2,), 0.9995)):
            assert distance(fast(x, t, condition), network(x, t, condition)) <= TOLERANCE / 2
    assert (None in fast.compiled.values()) is not THERE


def test_what_a_trace_takes_for_constant_runs_in_torch() -> None:
    fast = Engine(Squares())
    told = Condition(seconds=torch.zeros(1, 2))
    with torch.no_grad():
        for seed in (0, 1):
            x = torch.randn(1, 3, 2, 8, 8, generator=torch.Generator().manual_seed(seed))
            assert torch.equal(fast(x, torch.ones(1), told), x.square())
    assert list(fast.compiled.values()) == [None]


def test_a_wrong_engine_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def off_by(share: float) -> None:
        def wrong(backbone: Backbone, *_: object) -> engine.Network:
            return lambda *given: backbone(*given) * (1 + share)

        monkeypatch.setattr(engine, "openvino_engine", wrong)

    x, told = torch.rand(1, 3, 2, 8, 8) + 1, Condition(seconds=torch.zeros(1, 2))
    for share, used in ((2 * TOLERANCE, False), (TOLERANCE / 2, True)):
        off_by(share)
        with torch.no_grad():
            made = Engine(Squares())(x, torch.ones(1), told)
        assert torch.equal(made, x.square()) is not used


def test_gradients_flow_as_without_it(
    toys: dict[type, Make], trained: Callable[[BackboneConfig], Backbone], inputs: Callable[..., Inputs]
) -> None:
    config = next(iter(toys.values()))()
    network = trained(config)
    fast, given = Engine(network), inputs(config)
    made = fast(*given)
    assert torch.equal(made, network(*given)) and made.requires_grad
    assert not fast.compiled


def test_without_the_package_the_network_stays_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Squares()
    assert isinstance(accelerated(network), Engine) is THERE
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert accelerated(network) is network
