from dataclasses import fields

import pytest
import torch

from framefall.models.backbone import Backbone, BackboneSettings, Condition
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
