import torch

from framefall.layers.content import ContentWord


def word() -> ContentWord:
    torch.manual_seed(0)
    made = ContentWord(6, 4, 5)
    torch.nn.init.normal_(made.level_proj.weight)
    return made


def test_a_content_is_a_word_before_the_others_and_an_addition_to_the_level() -> None:
    made, text, real = word(), torch.randn(2, 3, 4), torch.tensor([[True, True, False], [False, False, False]])
    content = torch.randn(2, 6)
    states, told, level = made(text, real, content)
    assert torch.equal(states[:, 1:], text) and torch.equal(told[:, 1:], real) and told[:, 0].all()
    torch.testing.assert_close(states[:, 0], made.proj(content))
    torch.testing.assert_close(level, made.level_proj(made.proj(content)))
    assert not ContentWord(6, 4, 5)(text, real, content)[2].any()  # before it has learnt anything


def test_zeros_and_nothing_are_the_null_content_of_that_clip_alone() -> None:
    made, text, real = word(), torch.randn(2, 3, 4), torch.ones(2, 3, dtype=torch.bool)
    content = torch.randn(2, 6)
    both = made(text, real, content)
    none = made(text, real, None)
    some = made(text, real, torch.stack((content[0], torch.zeros(6))))
    for index in (0, 2):
        assert torch.equal(some[index][0], both[index][0]) and torch.equal(some[index][1], none[index][1])
        assert not torch.equal(both[index], none[index])
