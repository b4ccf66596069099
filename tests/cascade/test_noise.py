"""Which noise a stage starts from: a matter of names, not of circumstances."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from framefall.cascade.stage import Sampling, Stage, StageConfig
from framefall.diffusion.process import PROCESSES
from framefall.models.backbone import Backbone, Condition
from framefall.noise import Key, normal

KEY = Key(0, "sample", "0")
ONE = Sampling(steps=1, low_res_noise=0.0)


class Echo(Backbone):
    """Says what it is shown, so that noise can be read where it goes in."""

    halo = (0, 0)

    def __init__(self) -> None:
        super().__init__()
        self.nothing = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        return x_t.clone()


def echo(config: StageConfig) -> Stage:
    return Stage(name="echo", config=replace(config, bridge=None), backbone=Echo())


def test_noise_of_a_frame_does_not_depend_on_its_window(run, configs, moving):
    stage, low = echo(configs["spatial_sr"]), moving(12)
    one = run(stage, low[:, :, 2:9], range(2, 9), ONE)
    two = run(stage, low[:, :, 5:12], range(5, 12), ONE)
    assert torch.equal(one[:, :, 3:], two[:, :, :4])
    assert not torch.equal(one[:, :, :4], two[:, :, :4])  # the same place in the window is another frame


def test_noise_of_a_place_does_not_depend_on_the_size_of_the_picture(run, configs, moving):
    stage = echo(configs["spatial_sr"])
    small, large = (run(stage, moving(3, 8, width), range(3), ONE) for width in (8, 12))
    assert torch.equal(large[..., :16], small)


def test_noise_belongs_to_the_clip_the_stage_and_the_seed(run, configs):
    keys = (Key(0, "sample", "a"), Key(0, "sample", "b"), Key(1, "sample", "a"))
    stage = echo(configs["base"])
    one, two, three = run(stage, None, range(8), ONE, keys).unbind(0)
    assert min((one - two).abs().mean(), (one - three).abs().mean(), (two - three).abs().mean()) > 0.5
    assert torch.equal(run(stage, None, range(8), ONE, keys[1:2])[0], two)
    renamed = replace(stage, name="other")
    assert (run(renamed, None, range(8), ONE, keys[:1])[0] - one).abs().mean() > 0.5


@pytest.mark.parametrize("process", PROCESSES)
def test_a_base_stage_starts_from_the_processes_own_noise(run, configs, process):
    stage = echo(replace(configs["base"], process=process))
    found = run(stage, None, range(8), ONE)
    noise = normal([KEY.named("echo/start")], (3, 8, 16, 16))
    start = stage.process.start(noise)
    torch.testing.assert_close(found, stage.process.scale_input(start, torch.ones(1)))
