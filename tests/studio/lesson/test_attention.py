"""3-D convolution and attention: who listens to whom is what the layers really do."""

import pytest
import torch

from framefall.bench.speed.attention import WINDOW
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.layers.attention import SelfAttention
from framefall.layers.patterns import parse
from framefall.layers.tokens import coordinates, rotary_angles
from framefall.studio.lesson.attention import (
    FRAMES,
    attention_weights,
    convolved,
    crossing,
    deciding,
    listened,
    work,
)
from framefall.studio.lesson.basics import a_case
from framefall.studio.lesson.examples import examples, make
from framefall.studio.lesson.media import Media
from framefall.worlds.captions.sentences import describe


@pytest.mark.parametrize("bias", [False, True])
def test_values_mixed_by_the_weights_are_what_the_layer_says(bias):
    torch.manual_seed(0)
    layer = SelfAttention(32, 2)
    x = torch.randn(1, 12, 32)
    angles = rotary_angles(coordinates(torch.arange(3.0)[None], 2, 2, (1, 1, 1)), 16)
    hidden = torch.zeros(1, 12)
    hidden[:, :2] = -torch.inf
    given = (x, angles, hidden) if bias else (x, angles)
    with torch.no_grad():
        weights = attention_weights(layer, *given)
        _, _, value = (part[:, 0].transpose(1, 2) for part in layer.project(x[:, None], angles[:, None]))
        mixed = layer.proj((weights @ value).transpose(1, 2).flatten(-2))
        assert torch.allclose(mixed, layer(*given), atol=1e-5)
        assert not torch.allclose(
            layer.proj((weights.flip(-1) @ value).transpose(1, 2).flatten(-2)), layer(*given), atol=1e-3
        )
    assert torch.allclose(weights.sum(-1), torch.ones(()))
    assert not bias or weights[..., :2].abs().max() == 0


def test_a_convolution_reaches_one_frame_a_layer():
    for layers in (1, 3):
        assert torch.equal(convolved(layers), parse(f"window({layers})").mask(FRAMES))


def test_the_shipped_weights_are_those_of_the_shipped_model():
    shipped, case = examples()["attention-weights"], a_case("projectile", 2)
    from framefall.noise import Key, normal

    stage = deciding(load_cascade("worlds").stages[0])
    for level in shipped["levels"]:
        rows = torch.tensor(level["blocks"])
        assert rows.shape == (stage.config.backbone.depth, FRAMES, FRAMES + 1)
        assert torch.allclose(rows.sum(-1), torch.ones(()), atol=1e-4)
    eps = normal([Key(0, "lesson", "attention")], case.video.shape[1:])
    level = shipped["levels"][1]
    x_t = stage.process.add_noise(case.video, eps, torch.tensor([level["t"]]))
    found = listened(stage, x_t, level["t"], describe(case.log.scene))
    assert torch.allclose(torch.stack(found), torch.tensor(level["blocks"]), atol=2e-3)
    other = shipped["levels"][0]
    assert not torch.allclose(torch.stack(found), torch.tensor(other["blocks"]), atol=2e-3)


def test_work_is_the_square_and_the_line(tmp_path):
    made = work(Media(tmp_path, "x"))
    assert made == examples()["attention-work"] or make("attention-work", tmp_path) == examples()["attention-work"]
    by_frames = {row["frames"]: row for row in made["rows"]}
    assert by_frames[1024]["full"] == 16 * by_frames[256]["full"]
    assert by_frames[1024]["sparse"] / by_frames[256]["sparse"] == pytest.approx(4, rel=0.02)
    assert by_frames[1024]["sparse"] == 1024 * made["seen"] - WINDOW.reach * (WINDOW.reach + 1)


def test_patterns_are_made_again_as_they_are(tmp_path):
    assert make("attention-patterns", tmp_path) == examples()["attention-patterns"]


def test_curves_cross_where_their_ratio_is_one():
    full = {"16": 1.0, "64": 16.0, "256": 256.0}
    sparse = {"16": 4.0, "64": 16.0 / 4, "256": 16.0}
    assert crossing(full, sparse) == pytest.approx(32.0)
    assert crossing(sparse, full) is None
    shipped = examples()["attention-measured"]
    curves = [
        dict(zip(map(str, shipped["lengths"]), shipped["microseconds"][way], strict=True)) for way in ("full", "blocks")
    ]
    assert shipped["crossing"] is None or crossing(*curves) == pytest.approx(shipped["crossing"], rel=1e-4)
