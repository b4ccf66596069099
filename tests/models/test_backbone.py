from dataclasses import fields

import pytest
import torch
from torch import Tensor

from framefall.models.backbone import Backbone, BackboneSettings, Condition, frame_by_frame
from framefall.models.transformer import TransformerConfig


def test_the_null_condition_forgets_text_and_numbers_and_nothing_else(inputs, toys):
    condition = inputs(toys[TransformerConfig]())[2]
    plain = condition.without_text()
    assert not plain.text_mask.any() and not plain.numbers.any()
    assert plain.seconds is condition.seconds and plain.low_res is condition.low_res
    assert condition.text_mask.any()  # the condition itself is left alone
    empty = Condition(seconds=condition.seconds)
    assert empty.without_text().text_mask is None and empty.without_text().numbers is None


@pytest.mark.parametrize("nothing", [field.name for field in fields(Condition) if field.name != "seconds"])
def test_everything_but_the_moments_may_be_absent(nothing):
    assert getattr(Condition(seconds=torch.zeros(1, 4)), nothing) is None


def test_a_config_that_names_nothing_reads_nothing(toys):
    plain = BackboneSettings()
    assert (plain.text_dim, plain.words, plain.numbers, plain.fusion) == (0, 0, 0, "")
    config = toys[TransformerConfig]()
    assert isinstance(config, BackboneSettings)
    assert config.text_dim > 0 and config.words > 0 and config.numbers > 0 and config.fusion == "joint"


def test_a_network_must_say_what_it_does():
    with pytest.raises(TypeError, match="abstract"):
        Backbone()
    assert Backbone.halo is None  # unless one says otherwise it sees everything


def test_frame_by_frame_asks_of_each_frame_alone_with_what_is_its_own() -> None:
    asked = []

    def predict(x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        asked.append((x_t, t, condition))
        return x_t[:, :2] + t.reshape(-1, 1, 1, 1, 1) + condition.numbers.reshape(-1, 1, 1, 1, 1)

    x_t = torch.arange(2.0 * 3 * 4).reshape(2, 3, 4, 1, 1)
    condition = Condition(
        seconds=torch.arange(8.0).reshape(2, 4),
        text=torch.tensor([0.0, 1.0]).reshape(2, 1, 1),
        text_mask=torch.ones(2, 1, dtype=torch.bool),
        numbers=torch.arange(8.0).reshape(2, 4, 1),
        low_res=x_t[:, :1],
        low_res_noise=torch.tensor([0.1, 0.2]),
    )
    for t in (torch.tensor([0.25, 0.5]), torch.arange(8.0).reshape(2, 4) / 8):
        out = frame_by_frame(predict)(x_t, t, condition)
        levels = t[:, None].expand(-1, 4) if t.ndim == 1 else t
        assert torch.equal(out, (x_t[:, :2] + (levels + condition.numbers[..., 0])[:, None, :, None, None]))
    x, _, told = asked[0]
    assert x.shape == (8, 3, 1, 1, 1) and told.seconds.flatten().tolist() == list(range(8))
    assert told.text.flatten().tolist() == [0] * 4 + [1] * 4 and told.text_mask.shape == (8, 1)
    assert torch.equal(told.low_res, x[:, :1]) and told.low_res_noise.unique().numel() == 2
