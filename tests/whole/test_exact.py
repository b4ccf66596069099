"""Exact: equal bits for a seed whatever the window, the tile, the threads, and the order in which clips are made."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from examples import examples
from framefall.cascade import stage as stages
from framefall.cascade.cascade import Cascade, CascadeConfig, finished
from framefall.cascade.request import Request
from framefall.cascade.stage import Stage
from framefall.cascade.tasks import SpatialSR
from framefall.layers import convolution
from framefall.layers.motion import bidirectional_flow
from framefall.models import convnet, precision
from framefall.models.registry import build
from framefall.recipes.registry import RECIPES
from framefall.video import to_pixels

FRAMES = 17
REQUESTS = [
    Request(prompt, seed=3, frames=FRAMES, names=(name,)) for name, prompt in (("0", "a man talks"), ("1", None))
]
ORDERS = ("forwards", "backwards", "in turn", "paused", "together with itself")
# arithmetics x windows x tiles x threads x orders: all 120 by FRAMEFALL_FULL, a part that has each value otherwise
ALL = list(itertools.product((1, 5, 32), (16, 512), (1, 2), ORDERS))
ARITHMETICS = ("float32", "the machine's own")
CHOSEN = (
    [(arithmetic, *one) for arithmetic in ARITHMETICS for one in ALL]
    if examples(0, 1)
    else [
        ("float32", 1, 512, 1, "backwards"),
        ("float32", 5, 16, 1, "paused"),
        ("the machine's own", 5, 16, 1, "in turn"),
        ("the machine's own", 32, 512, 2, "forwards"),
    ]
)
FAST_TOLERANCE = 1e-4  # of a finished clip in -1..1, in float32: what batches may change (decision 28)


@pytest.fixture(scope="module")
def cascade() -> Cascade:
    """The toy with weights as large as trained ones."""
    generator = torch.Generator().manual_seed(1)
    found = []
    for name, part in RECIPES["micro"]().stages.items():
        backbone = build(part.stage.backbone).eval()
        for path, parameter in backbone.named_parameters():
            size = 0.3 if parameter.ndim == 1 else parameter[0].numel() ** -0.5
            nn.init.normal_(parameter, 1.5 if path.endswith("_norm.weight") else 0.0, size, generator=generator)
        found.append(Stage(name=name, config=part.stage, backbone=backbone))
    config = CascadeConfig(name="toy", stages={stage.name: stage.config for stage in found})
    return Cascade(config=config, stages=tuple(found))


@pytest.fixture
def arithmetic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Products in float32, and as this machine does them."""
    if request.param == "float32":
        monkeypatch.setattr(precision, "fast_dtype", lambda device: torch.float32)
    return str(request.param)


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def windowed(cascade: Cascade, frames: int) -> Cascade:
    """The same with so many frames of the spatial stage sampled at a time."""
    own = [
        replace(one, config=replace(one.config, task=replace(one.task, at_once=frames)))
        if isinstance(one.task, SpatialSR)
        else one
        for one in cascade.stages
    ]
    return replace(cascade, stages=tuple(own))


def made(cascade: Cascade, order: str, requests: Sequence[Request] = REQUESTS) -> dict[str, Tensor]:
    """The clips of requests by name, made in that order."""
    if order == "in turn":  # an event of one, an event of the next
        runs = {request.clips[0]: cascade.stream(request) for request in requests}
        parts: dict[str, list[Tensor]] = {name: [] for name in runs}
        while runs:
            for name in list(runs):
                event = next(runs[name], None)
                if event is None:
                    del runs[name]
                elif event.stage is cascade.stages[-1] and event.video is not None:
                    parts[name].append(event.video)
        return {name: torch.cat(found, dim=2) for name, found in parts.items()}
    found = {}
    for request in reversed(requests) if order == "backwards" else requests:
        run = cascade.stream(request)
        first = next(run)
        if order == "paused":  # other work comes between
            torch.randn(7)
            cascade.sample(replace(REQUESTS[1], until="base"))
        elif order == "together with itself":
            next(cascade.stream(request))
        events = itertools.chain([first], run)
        found[request.clips[0]] = torch.cat(list(finished(events, cascade.stages[-1].name)), dim=2)
    return found


@pytest.fixture(scope="module")
def reference(cascade: Cascade) -> Callable[[str], dict[str, Tensor]]:
    kept: dict[str, dict[str, Tensor]] = {}

    def find(arithmetic: str) -> dict[str, Tensor]:
        if arithmetic not in kept:
            before = torch.get_num_threads()
            torch.set_num_threads(1)
            kept[arithmetic] = made(cascade, "forwards")
            torch.set_num_threads(before)
        return kept[arithmetic]

    return find


@pytest.mark.parametrize(("arithmetic", "window", "tile", "count", "order"), CHOSEN, indirect=["arithmetic"])
def test_the_bits_of_a_clip_depend_on_its_seed_alone(
    window: int,
    tile: int,
    count: int,
    order: str,
    cascade: Cascade,
    arithmetic: str,
    reference: Callable[[str], dict[str, Tensor]],
    threads: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = reference(arithmetic)
    monkeypatch.setattr(stages, "TILE", tile)
    threads(count)
    some = REQUESTS[: count % 2 + 1]  # two threads take minutes where others want the cores: one clip will do
    for name, video in made(windowed(cascade, window), order, some).items():
        assert torch.equal(video, expected[name])


@pytest.mark.parametrize(("window", "tile"), [(5, 512), (32, 16)])
def test_windows_and_tiles_without_their_margins_would_be_noticed(
    window: int,
    tile: int,
    cascade: Cascade,
    reference: Callable[[str], dict[str, Tensor]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = reference("the machine's own")
    monkeypatch.setattr(stages, "TILE", tile)
    monkeypatch.setattr(cascade.stages[-1].backbone, "halo", (0, 0))
    video = windowed(cascade, window).sample(REQUESTS[0])
    assert float((video - expected["0"]).abs().max()) > 0.1


def test_rows_that_are_not_alone_would_be_noticed(
    cascade: Cascade, reference: Callable[[str], dict[str, Tensor]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of float32: convolutions of all rows at once, where this machine's library sums by their number."""
    monkeypatch.setattr(precision, "fast_dtype", lambda device: torch.float32)
    expected = reference("float32")["0"]
    for module in (convolution, convnet):
        monkeypatch.setattr(module, "by_row", lambda layer, x: layer(x))
    one, other = (windowed(cascade, window).sample(REQUESTS[0]) for window in (1, 32))
    if torch.equal(one, other):
        pytest.skip("this machine's library sums alike")
    assert float((one - expected).abs().max()) < FAST_TOLERANCE


@pytest.mark.parametrize("arithmetic", ARITHMETICS, indirect=True)
def test_a_batch_is_its_clips_up_to_the_stated_tolerance(
    cascade: Cascade, arithmetic: str, reference: Callable[[str], dict[str, Tensor]]
) -> None:
    """Fast: batches may sum in another order. In bfloat16 a difference of one rounding is 2 ** -8.

    Motion is found in bytes: where a base's last bit turns one it may be another, and with it what is made between.
    Then only the base is held against the tolerance.
    """
    expected = reference(arithmetic)
    both = Request(tuple(one.prompt for one in REQUESTS), seed=3, frames=FRAMES)  # type: ignore[misc]
    together, bases = cascade.sample(both), cascade.sample(replace(both, until="base"))
    for index, name in enumerate(expected):
        alone = cascade.sample(replace(REQUESTS[index], until="base"))
        if arithmetic == "float32":
            assert float((bases[index : index + 1] - alone).abs().max()) <= FAST_TOLERANCE
        if not all(map(torch.equal, bidirectional_flow(bases[index : index + 1]), bidirectional_flow(alone))):
            continue
        difference = together[index : index + 1] - expected[name]
        levels = (to_pixels(together[index]).float() - to_pixels(expected[name][0]).float()).square().mean()
        assert 20 * torch.log10(255 / levels.sqrt().clamp(min=1e-9)) >= 60.0  # decibels between the files
        if arithmetic == "float32":
            assert float(difference.abs().max()) <= FAST_TOLERANCE
    other = cascade.sample(replace(REQUESTS[0], seed=4))
    assert float((other - expected["0"]).abs().max()) > 0.1  # the control: another seed is another clip
