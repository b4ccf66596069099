from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from framefall.models.backbone import Backbone, BackboneSettings, Condition, frame_by_frame
from framefall.models.transformer import TransformerConfig
from framefall.models.unet import UNetConfig


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


@pytest.mark.parametrize("kind", [TransformerConfig, UNetConfig])
def test_structure_and_content_are_told_place_by_place_and_as_a_word(kind, inputs, toys, trained):
    config = replace(toys[kind](), structure_channels=2, content_dim=5)
    x_t, t, condition = inputs(config)
    generator = torch.Generator().manual_seed(3)
    structure = torch.randn(2, 2, *x_t.shape[2:], generator=generator)
    content = torch.randn(2, 5, generator=generator)
    told = replace(condition, structure=structure, content=content)
    network = trained(config)
    with torch.no_grad():
        plain, both = network(x_t, t, condition), network(x_t, t, told)
        without = network(x_t, t, told.without_structure()), network(x_t, t, told.without_content())
        assert torch.equal(network(x_t, t, told.without_structure().without_content()), plain)
        assert torch.equal(without[0], network(x_t, t, replace(told, structure=None)))
        assert torch.equal(without[1], network(x_t, t, replace(told, content=None)))
        different = [plain, both, *without]
        assert all(not torch.equal(one, other) for at, one in enumerate(different) for other in different[:at])
        # each clip is told its own
        swapped = network(x_t, t, replace(told, structure=structure.flip(0), content=content.flip(0)))
        again = network(x_t.flip(0), t.flip(0), replace(_flipped(condition), structure=structure, content=content))
    torch.testing.assert_close(again.flip(0), swapped)
    with pytest.raises(ValueError, match="content_dim needs a network that reads captions, got 5; set text_dim too"):
        replace(config, text_dim=0)


def _flipped(condition: Condition) -> Condition:
    values = {field.name: getattr(condition, field.name) for field in fields(condition)}
    return Condition(**{name: None if one is None else one.flip(0) for name, one in values.items()})


def test_a_config_that_names_nothing_reads_nothing(toys):
    plain = BackboneSettings()
    assert (plain.text_dim, plain.words, plain.numbers, plain.fusion) == (0, 0, 0, "")
    assert (plain.low_res_channels, plain.structure_channels, plain.content_dim) == (0, 0, 0)
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
        structure=x_t[:, 1:],
        content=torch.tensor([[3.0], [4.0]]),
    )
    for t in (torch.tensor([0.25, 0.5]), torch.arange(8.0).reshape(2, 4) / 8):
        out = frame_by_frame(predict)(x_t, t, condition)
        levels = t[:, None].expand(-1, 4) if t.ndim == 1 else t
        assert torch.equal(out, (x_t[:, :2] + (levels + condition.numbers[..., 0])[:, None, :, None, None]))
    x, _, told = asked[0]
    assert x.shape == (8, 3, 1, 1, 1) and told.seconds.flatten().tolist() == list(range(8))
    assert told.text.flatten().tolist() == [0] * 4 + [1] * 4 and told.text_mask.shape == (8, 1)
    assert torch.equal(told.low_res, x[:, :1]) and told.low_res_noise.unique().numel() == 2
