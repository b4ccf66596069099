import pytest
import torch

from framefall.models import precision, text
from framefall.models.minilm import minilm
from framefall.models.text import _MEMORY, TEXT_DIM, WORDS, CaptionEncoder, encode

CAPTIONS = ["a red ball falls", "two dogs", "rain on a window at night, seen from inside a slow train"]


def test_a_caption_is_its_words_states_and_which_of_them_are_real():
    states, mask = encode(CAPTIONS)
    assert states.shape == (3, WORDS, TEXT_DIM) and mask.shape == (3, WORDS)
    assert states.isfinite().all()
    lengths = mask.sum(1).tolist()
    assert lengths[:2] == [6, 4] and lengths[2] > 10  # words and the two marks at the ends
    assert not states[~mask].any() and (states[mask].abs().amax(1) > 0.1).all()
    assert (mask.int().diff(dim=1) <= 0).all()  # real ones come first


def test_a_caption_does_not_depend_on_its_batch():
    together, masks = encode(CAPTIONS)
    for index, caption in enumerate(CAPTIONS):
        state, mask = encode([caption])
        assert torch.equal(state[0], together[index]) and torch.equal(mask[0], masks[index])
    turned, _ = encode(CAPTIONS[::-1])
    assert torch.equal(turned.flip(0), together)


def test_a_caption_encoded_with_others_of_its_length_is_the_caption_encoded_alone():
    alike = ["a red ball falls", "a blue box rises", "two dogs run here"]
    for dtype in (torch.float32, torch.bfloat16):
        _MEMORY.clear()
        together, _ = encode(alike, dtype=dtype)
        for index, caption in enumerate(alike):
            _MEMORY.clear()
            assert torch.equal(encode([caption], dtype=dtype)[0][0], together[index])


def test_bfloat16_states_are_near_and_do_not_replace_the_exact_ones():
    exact, _ = encode(CAPTIONS)
    rough, _ = encode(CAPTIONS, dtype=torch.bfloat16)
    assert 0 < (rough - exact).abs().max() < 0.1
    assert torch.equal(encode(CAPTIONS)[0], exact)


def test_a_processor_without_bfloat16_computes_in_float32_and_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    exact, _ = encode(CAPTIONS)
    named = set()
    for dtype in (torch.float32, torch.bfloat16):
        monkeypatch.setattr(text, "fast_dtype", lambda device, dtype=dtype: dtype)
        monkeypatch.setattr(precision, "fast_dtype", lambda device, dtype=dtype: dtype)
        _MEMORY.clear()
        rounded, _ = encode(CAPTIONS, dtype=torch.bfloat16)
        assert torch.equal(rounded, exact.bfloat16().float()) == (dtype == torch.float32)  # bfloat16 is the control
        named.add(CaptionEncoder().name)
    _MEMORY.clear()
    assert len(named) == 2  # what one keeps the other does not read


def test_states_made_beforehand_are_those_that_are_made_live_to_the_bit():
    captions = [*CAPTIONS, "", "a blue box rises", "falling " * 60]
    for words in (24, 48):
        encoder = CaptionEncoder(words)
        _MEMORY.clear()
        made = encoder(captions)
        assert not _MEMORY and all(one.dtype == torch.bfloat16 for one in made)
        given, mask = encode(captions, words=words, dtype=torch.bfloat16, known=made)
        assert not _MEMORY  # nothing was encoded
        live, live_mask = encode(captions, words=words, dtype=torch.bfloat16)
        assert torch.equal(given, live) and torch.equal(mask, live_mask)
        exact, _ = encode(captions, words=words)
        assert not torch.equal(given, exact)  # the control: states of another precision are not these
    assert CaptionEncoder(24).name != CaptionEncoder(48).name == CaptionEncoder(48).name


def test_some_states_can_be_given_and_the_others_are_encoded():
    first, second = CaptionEncoder()(CAPTIONS[:2])
    mixed, mask = encode([CAPTIONS[0], None, CAPTIONS[1]], dtype=torch.bfloat16, known=[None, None, second])
    assert torch.equal(mixed[0, : len(first)], first.float()) and not mask[1].any()
    assert torch.equal(mixed[2, : len(second)], second.float())


def test_other_captions_have_other_states():
    states, _ = encode(["a ball rises", "a ball falls", "a ball falls"])
    assert (states[0] - states[1]).abs().max() > 0.1
    assert torch.equal(states[1], states[2])


def test_no_caption_is_the_null_caption():
    states, mask = encode([None, "", "   ", "a ball"])
    assert not mask[:3].any() and not states[:3].any()
    assert mask[3].any()


def test_a_long_caption_is_cut_to_the_words_that_fit():
    states, mask = encode(["falling " * 500])
    assert mask.all() and states.shape == (1, WORDS, TEXT_DIM)


def test_states_of_one_call_are_not_those_of_the_next():
    states, mask = encode(CAPTIONS[:1])
    states.zero_(), mask.zero_()
    assert encode(CAPTIONS[:1])[0].any()  # the memory of captions holds its own copy


def test_like_captions_have_like_states():
    states, mask = encode(["a red ball falls", "a crimson ball is falling", "quarterly tax report"])
    means = torch.stack([state[real].mean(0) for state, real in zip(states, mask, strict=True)])
    near, far = torch.cosine_similarity(means[:1], means[1:])
    assert near > 0.7 and far < 0.3


def test_a_caption_is_the_same_inside_autocast_and_outside() -> None:
    caption = "a caption that nothing else has encoded before"
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside, _ = encode([caption])
    _MEMORY.clear()
    outside, _ = encode([caption])
    assert torch.equal(inside, outside)
    ids = torch.tensor([minilm().tokens(caption, WORDS)])
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):  # the control: the network itself depends on it
        assert not torch.equal(minilm().states(ids).float(), outside[:, : ids.shape[1]])
