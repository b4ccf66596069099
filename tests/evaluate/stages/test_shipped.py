"""What the shipped temporal stages add to real frames, as anybody sees it: nothing that trembles."""

from dataclasses import replace

import pytest

import framefall as ff
from framefall.evaluate.metrics.coherence import flicker
from framefall.evaluate.stages.blame import cascade_links
from framefall.flow import look
from framefall.video import from_pixels
from framefall.worlds.render.renderer import View, render
from framefall.worlds.state import frame_times
from framefall.worlds.world import World

SEEN = 1e-3  # of the 0..1 range, a pixel and frame: a quarter of a level


@pytest.mark.parametrize("name", ["pico", "worlds"])
def test_a_shipped_temporal_stage_adds_no_flicker_to_real_frames(name: str) -> None:
    cascade = ff.load(name)
    shape = cascade.stage("temporal_sr").config.shape
    log = World(("projectile",), "id").log(0)
    real = from_pixels(render([log], [frame_times(21, 24.0)], View(shape.height, shape.width)))
    found = []
    for steps in (None, 2):  # as it is shipped; and the control, which was: noise that its last call leaves
        stages = [
            replace(one, config=replace(one.config, fast=replace(one.config.fast, steps=steps)))
            if steps and one.name == "temporal_sr"
            else one
            for one in cascade.stages
        ]
        made = cascade_links(replace(cascade, stages=tuple(stages)))[0].run(real[:, :, ::4], 6.0)
        found.append(flicker(look(made)) - flicker(look(real)))
    assert found[0] < SEEN / 2 and found[1] > 3 * SEEN, found
