import pytest
import torch
from torch import Tensor

from examples import examples
from framefall.layers.patterns import PATTERNS, Pattern, anchors, dilated, parse, window

EXAMPLES = [
    "window(0)",
    "window(4)",
    "window(40)",
    "dilated(2,5)",
    "dilated(1,30)",
    "anchors(3)",
    "anchors(99)",
    "window(3)+anchors(2)",
    "window(1)+dilated(2,8)",
    "causal",
    "causal+window(4)",
    "causal+anchors(3)",
    "window(2)+causal+dilated(2,6)+anchors(2)",
]
FRAMES = examples([1, 7, 17, 33], [1, 2, 7, 16, 17, 33, 70])


def seen_by_the_words(text: str, query: int, key: int) -> bool:
    """What the words of a pattern say of one frame and another, a case at a time."""
    if "causal" in text and key > query:
        return False
    for word in text.replace("causal", "window(0)").split("+"):
        name, _, numbers = word[:-1].partition("(")
        values = [int(number) for number in numbers.split(",")]
        if name == "window" and abs(key - query) <= values[0]:
            return True
        if name == "dilated" and abs(key - query) <= values[0] * values[1] and (key - query) % values[1] == 0:
            return True
        if name == "anchors" and (key < values[0] or key == query):
            return True
    return False


def table(text: str, frames: int) -> Tensor:
    return torch.tensor([[seen_by_the_words(text, q, k) for k in range(frames)] for q in range(frames)])


@pytest.mark.parametrize("frames", FRAMES)
@pytest.mark.parametrize("text", EXAMPLES)
def test_a_mask_is_what_the_words_say(text, frames):
    assert torch.equal(parse(text).mask(frames), table(text, frames))


def test_a_wider_window_is_another_mask():
    assert not torch.equal(window(5).mask(17), table("window(4)", 17))


@pytest.mark.parametrize("size", examples([None, 4], [None, 1, 4, 16]))
@pytest.mark.parametrize("frames", FRAMES)
@pytest.mark.parametrize("text", EXAMPLES)
def test_blocks_hold_every_seen_key_once_and_nothing_else(text, frames, size):
    layout = parse(text).blocks(frames, size)
    found = torch.zeros(frames, frames, dtype=torch.long)
    for block in range(layout.count):
        keys = list(range(layout.anchors))
        for first, last in layout.runs:
            keys += range(block * layout.size + first, block * layout.size + last + 1)
        assert layout.mask.shape == (layout.count, layout.size, len(keys))
        for row in range(layout.size):
            query = block * layout.size + row
            if query >= frames:
                assert layout.mask[block, row].all()  # filling: an empty row would have no softmax
                continue
            for key, known in zip(keys, layout.mask[block, row].tolist(), strict=True):
                if known:
                    found[query, key] += 1
    assert torch.equal(found, table(text, frames).long())


@pytest.mark.parametrize("text", ["window(4)", "causal+dilated(2,4)+anchors(3)"])
def test_blocks_grow_with_the_clip_and_not_with_its_square(text):
    short, long = (parse(text).blocks(frames).mask.numel() for frames in (256, 1024))
    assert long <= 4.1 * short  # the last block may be a filling more


def test_reach_is_the_farthest_frame_back():
    assert (window(4).reach, window(4).ahead) == (4, 4)
    assert (parse("causal+dilated(3,5)").reach, parse("causal+dilated(3,5)").ahead) == (15, 0)
    assert anchors(3).reach == 0


def test_a_union_sees_what_either_sees():
    one, other = window(2), dilated(2, 7)
    assert torch.equal((one | other).mask(33), one.mask(33) | other.mask(33))
    assert one | other == other | one
    assert not (one | other).causal
    assert (one | Pattern(causal=True)).causal


def test_every_pattern_has_a_word():
    arguments = {"window": (4,), "dilated": (2, 5), "anchors": (3,)}
    assert arguments.keys() == PATTERNS.keys()
    for name, values in arguments.items():
        assert parse(f"{name}({','.join(map(str, values))})") == PATTERNS[name](*values)
    assert parse(" window( 4 ) + anchors(2) ") == window(4) | anchors(2)


@pytest.mark.parametrize(
    "text",
    ["", "wndow(4)", "window", "window()", "window(4,2)", "dilated(4)", "window(-1)", "window(4)+", "causal(1)",
     "window(4) anchors(2)", "window(1.5)", "window(99999999)", "dilated(2,0)"],
)  # fmt: skip
def test_words_that_mean_nothing_are_refused_in_one_sentence(text):
    with pytest.raises(ValueError, match=r"(a pattern must be a sum of|a window must have).*try window\(4\)"):
        parse(text)


@pytest.mark.parametrize(
    "values", [{"offsets": (1, 2)}, {"offsets": (0, 0)}, {"offsets": (0, -1)}, {"offsets": (0, 1), "causal": True},
               {"anchors": -1}]
)  # fmt: skip
def test_patterns_that_cannot_be_are_refused(values):
    with pytest.raises(ValueError, match="try "):
        Pattern(**values)
