import pytest
import torch
from torch import nn

from framefall.models.backbone import Condition
from framefall.models.convnet import ConvNetConfig
from framefall.models.registry import build
from framefall.recipes.presets import PRESETS
from framefall.recipes.registry import RECIPES
from framefall.train.muon import KernelMuon
from framefall.train.optim import AveragedWeights, _power, optimizers, rate, set_rates
from framefall.train.recipe import Optim

STAGES = [(recipe, stage) for recipe, make in RECIPES.items() for stage in make().stages]
SMALL = [(recipe, stage) for recipe, stage in STAGES if recipe in PRESETS]  # networks that fit into memory


@pytest.mark.parametrize(
    ("step", "progress", "expected"),
    [
        (0, 0.0, 0.25),  # the first of four steps of warm-up
        (1, 0.0, 0.5),
        (3, 0.1, 1.0),
        (50, 0.5, 1.0),  # constant
        (80, 0.8, 1.0),  # the cool-down begins
        (90, 0.9, 0.5),
        (99, 0.99, 0.05),
        (100, 1.0, 0.0),
        (1, 0.9, 0.25),  # a run so short that both act
    ],
)
def test_the_rate_warms_up_stays_and_cools_down(step: int, progress: float, expected: float) -> None:
    assert rate(step, progress, Optim(warmup_steps=4, cooldown=0.2)) == pytest.approx(expected)


def test_warm_up_and_cool_down_can_be_left_out() -> None:
    plain = Optim(warmup_steps=0, cooldown=0.0)
    assert {rate(step, step / 10, plain) for step in range(11)} == {1.0}


@pytest.mark.parametrize(("name", "stage"), STAGES)
def test_every_recipe_begins_low_reaches_the_full_rate_and_ends_at_nothing(name: str, stage: str) -> None:
    optim = RECIPES[name]().stages[stage].optim
    rates = [rate(step, step / 1000, optim) for step in range(1001)]
    assert 0 < rates[0] <= 0.1 and max(rates) == 1.0 and rates[-1] == 0.0
    top = rates.index(1.0)
    assert rates[:top] == sorted(rates[:top]) and rates[top:] == sorted(rates[top:], reverse=True)


@pytest.mark.parametrize(("name", "stage"), SMALL)
def test_every_parameter_is_in_exactly_one_group_and_muon_has_the_matrices_inside_blocks(name: str, stage: str) -> None:
    part = RECIPES[name]().stages[stage]
    network = build(part.stage.backbone)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    chosen = optimizers(network, part.optim)
    given = [[names[id(p)] for p in held(one)] for one in chosen]
    assert sorted(name for part in given for name in part) == sorted(names.values())
    muon = {name for one, part in zip(chosen, given, strict=True) if isinstance(one, torch.optim.Muon) for name in part}
    ends = ("attn.qkv.weight", "attn.proj.weight", "mlp.gate_up_proj.weight", "mlp.down_proj.weight")
    matrices = {name for name in names.values() if "blocks." in name and name.endswith(ends) and "_blocks" not in name}
    kernels = muon - matrices
    assert muon >= matrices and bool(kernels) == part.optim.kernels
    assert bool(muon) == (part.stage.backbone.kind not in ("convnet", "unet") or part.optim.kernels)
    for name in kernels:
        assert network.get_parameter(name).ndim in (2, 4) and "conv_in" not in name and "time_emb_proj" not in name


def held(one: torch.optim.Optimizer) -> list[nn.Parameter]:
    """The weights that an optimiser changes."""
    return one.weights if isinstance(one, KernelMuon) else [p for group in one.param_groups for p in group["params"]]


def test_a_convolutional_network_overfits_a_batch_faster_with_its_kernels_given_to_muon() -> None:
    left = []
    for kernels in (False, True):
        torch.manual_seed(0)
        network = build(ConvNetConfig(dim=32, depth=4, unshuffle=2))
        chosen = optimizers(network, Optim(kernels=kernels))
        clip, low = torch.rand(2, 2, 3, 2, 16, 16, generator=torch.Generator().manual_seed(1))
        condition = Condition(seconds=torch.zeros(2, 2), low_res=low)
        for _ in range(25):
            loss = (network(low, torch.full((2,), 0.5), condition) - clip).square().mean()
            loss.backward()
            for one in chosen:
                one.step()
                one.zero_grad()
        left.append(float(loss.detach()))
    assert left[1] < 0.9 * left[0]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_rates_are_shares_of_the_full_ones_however_often_they_are_set(share: float) -> None:
    part = RECIPES["micro"]().stages["base"]
    adam, muon = optimizers(build(part.stage.backbone), part.optim)
    for before in (0.7, 0.1, share):
        set_rates([adam, muon], before)
    assert adam.param_groups[0]["lr"] == pytest.approx(share * part.optim.adam_lr)
    assert muon.param_groups[0]["lr"] == pytest.approx(share * part.optim.muon_lr)


def test_a_width_of_a_tenth_is_the_papers_gamma() -> None:
    assert _power(0.10) == pytest.approx(6.94, abs=0.005)  # EDM2, table in appendix B
    assert _power(0.05) == pytest.approx(16.97, abs=0.005)


def walk(count: int) -> list[torch.Tensor]:
    return list(torch.randn(count, 3, generator=torch.Generator().manual_seed(0)).cumsum(0))


def averaged(places: list[torch.Tensor], width: float) -> torch.Tensor:
    network = nn.Linear(3, 1, bias=False)
    average = AveragedWeights(network, width)
    for place in places:
        network.load_state_dict({"weight": place[None]})
        average.update(network)
    assert average.updates == len(places)
    return average.tensors["weight"][0]


def weights_of(count: int, width: float) -> torch.Tensor:
    """How much each step counts: the difference of (i / n)^(gamma + 1) from step to step."""
    edges = torch.linspace(0, 1, count + 1, dtype=torch.float64) ** (_power(width) + 1)
    return edges.diff()


@pytest.mark.parametrize("width", [0.05, 0.1, 0.2])
def test_averaged_weights_are_the_direct_weighted_average(width: float) -> None:
    places = walk(40)
    direct = (weights_of(40, width)[:, None] * torch.stack(places).double()).sum(0)
    assert torch.allclose(
        averaged(places, width).double(), direct, atol=1e-5
    )  # 40 float32 roundings of numbers near 10
    other = (weights_of(40, 1.3 * width)[:, None] * torch.stack(places).double()).sum(0)  # the control: another window
    assert not torch.allclose(averaged(places, width).double(), other, atol=1e-2)


@pytest.mark.parametrize("width", [0.05, 0.1, 0.2])
def test_the_window_is_as_wide_as_it_is_called(width: float) -> None:
    weights, when = weights_of(5000, width), torch.arange(1, 5001) / 5000
    mean = (weights * when).sum()
    assert float((weights * (when - mean) ** 2).sum().sqrt()) == pytest.approx(width, rel=1e-2)


def test_one_update_is_the_weights_themselves() -> None:
    assert torch.equal(averaged(walk(1), 0.1), walk(1)[0])


def test_counters_among_the_weights_are_copied_not_averaged() -> None:
    network = nn.BatchNorm1d(2)
    average = AveragedWeights(network, 0.1)
    for _ in range(3):
        network(torch.randn(4, 2, generator=torch.Generator().manual_seed(1)))
        average.update(network)
    assert int(average.tensors["num_batches_tracked"]) == 3
    assert not torch.equal(average.tensors["running_mean"], network.running_mean)
