import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from examples import examples
from framefall.layers import sparse
from framefall.layers.patterns import Pattern, parse, window
from framefall.layers.sparse import sparse_attend, whole_attend

BFLOAT = 2.0**-8  # one rounding to bfloat16
EXAMPLES = [
    "window(0)",
    "window(4)",
    "window(100)",
    "dilated(2,5)",
    "dilated(1,30)",
    "anchors(3)",
    "window(3)+anchors(2)",
    "window(9)+anchors(20)",
    "window(2)+dilated(2,16)",
    "causal+window(4)",
    "causal+anchors(3)",
    "causal+window(2)+dilated(3,4)+anchors(2)",
]
FRAMES = examples([1, 7, 33, 130], [1, 2, 7, 16, 17, 33, 130])


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def dense(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    scores = query @ key.mT / query.shape[-1] ** 0.5
    return scores.masked_fill(~mask, -torch.inf).softmax(-1) @ value


def inputs(frames: int, dim: int = 16, rows: tuple[int, ...] = (2, 3)) -> list[Tensor]:
    return [noise(*rows, frames, dim, seed=seed) for seed in range(3)]


def with_gradients(call: Callable[..., Tensor], parts: list[Tensor], dtype: torch.dtype) -> list[Tensor]:
    """The answer and its gradients, in float64 to be compared."""
    leaves = [part.to(dtype).requires_grad_() for part in parts]
    out = call(*leaves)
    grads = torch.autograd.grad(out, leaves, noise(*out.shape, seed=9).bfloat16().to(dtype))
    return [one.detach().double() for one in (out, *grads)]


def worst(found: list[Tensor], true: list[Tensor]) -> float:
    """The largest error against the largest number of each; a gradient may be zero, as those of one key's scores."""
    return max(float((a - b).abs().max() / b.abs().max().clamp(min=0.1)) for a, b in zip(found, true, strict=True))


@pytest.mark.parametrize("frames", FRAMES)
@pytest.mark.parametrize("text", EXAMPLES)
def test_values_and_gradients_are_those_of_dense_masked_attention(way, text, frames):
    pattern, parts = parse(text), inputs(frames)
    true = with_gradients(lambda *qkv: dense(*qkv, pattern.mask(frames)), parts, torch.float64)
    found = with_gradients(lambda *qkv: sparse_attend(*qkv, pattern), parts, torch.float32)
    for one, other in zip(found, true, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert torch.equal(sparse_attend(*(part.float() for part in parts), pattern).double(), found[0]) or way == "torch"


@pytest.mark.parametrize("text", EXAMPLES)
def test_bfloat16_costs_a_few_roundings(way, text):
    pattern, parts = parse(text), [part.bfloat16().double() for part in inputs(150)]
    true = with_gradients(lambda *qkv: dense(*qkv, pattern.mask(150)), parts, torch.float64)
    found = with_gradients(lambda *qkv: sparse_attend(*qkv, pattern), parts, torch.bfloat16)
    # the kernel rounds its answer alone; blocks round scores, weights and products too
    assert worst(found, true) < (1.01 * BFLOAT if way == "kernel" else 8 * BFLOAT)
    assert worst([1.1 * one for one in found], true) > 8 * BFLOAT


@pytest.mark.parametrize(
    "change", ["window(5)", "window(3)", "causal+window(4)", "window(4)+anchors(1)", "dilated(4,2)"]
)
def test_another_pattern_is_another_answer(way, change):
    parts = inputs(33)
    true = with_gradients(lambda *qkv: dense(*qkv, window(4).mask(33)), parts, torch.float64)
    assert worst(with_gradients(lambda *qkv: sparse_attend(*qkv, parse(change)), parts, torch.float32), true) > 1e-2


@pytest.mark.parametrize("dim", [1, 20, 32])
@pytest.mark.parametrize("rows", [(), (3,), (2, 1, 3), (2, 2, 1, 2)])
def test_any_head_size_and_any_rows_will_do(way, rows, dim):
    pattern, parts = parse("window(2)+anchors(1)"), inputs(150, dim, rows)
    true = with_gradients(lambda *qkv: dense(*qkv, pattern.mask(150)), parts, torch.float64)
    assert worst(with_gradients(lambda *qkv: sparse_attend(*qkv, pattern), parts, torch.float32), true) < 1e-5


def test_views_of_one_projection_give_what_copies_give(way):
    whole = noise(2, 33, 5, 3, 4, 16).float().requires_grad_()  # batch frames positions qkv heads dim
    views = [part.movedim(1, -2) for part in whole.unbind(3)]
    out = sparse_attend(*views, window(4))
    assert torch.equal(out, sparse_attend(*(view.contiguous() for view in views), window(4)))
    grad = noise(*out.shape, seed=9).float()
    (found,) = torch.autograd.grad(out, whole, grad)
    leaves = [view.detach().contiguous().requires_grad_() for view in views]
    true = torch.autograd.grad(sparse_attend(*leaves, window(4)), leaves, grad)
    assert torch.equal(found, torch.stack([one.movedim(-2, 1) for one in true], dim=3))
    if way == "kernel":  # it lies as the query does, so that a projection needs no copy
        assert out.movedim(-2, 1).is_contiguous()


def test_gradients_that_are_one_number_spread_out_are_read_right(way):
    parts = inputs(150)
    leaves = [part.float().requires_grad_() for part in parts]
    found = torch.autograd.grad(sparse_attend(*leaves, window(4)).sum(), leaves)
    exact = [part.clone().requires_grad_() for part in parts]
    true = torch.autograd.grad(dense(*exact, window(4).mask(150)).sum(), exact)
    assert worst([one.double() for one in found[1:]], list(true[1:])) < 1e-5


@pytest.mark.parametrize("frames", [1, 2, 16, 33, 64, 65])
@pytest.mark.parametrize("rows", [(2,), (2, 3), (2, 3, 2)])
def test_the_whole_clip_is_the_widest_pattern(way, frames, rows):
    parts, everything = inputs(frames, rows=rows), torch.ones(frames, frames, dtype=torch.bool)
    true = with_gradients(lambda *qkv: dense(*qkv, everything), parts, torch.float64)
    assert worst(with_gradients(whole_attend, parts, torch.float32), true) < 1e-5


def test_large_numbers_do_not_overflow(way):
    query, key, value = (part.float() for part in inputs(150))
    found = sparse_attend(1e4 * query, 1e4 * key, value, window(4))
    true = dense(1e8 * query.double(), key.double(), value.double(), window(4).mask(150))
    assert (found.double() - true).abs().max() < 0.1  # weights are nearly 0 or 1; scores of 1e8 have 7 digits


def test_two_threads_give_the_bits_of_one():
    parts, threads = [part.float() for part in inputs(130, rows=(2, 9))], torch.get_num_threads()
    results = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            results.append(with_gradients(lambda *qkv: sparse_attend(*qkv, window(4)), parts, torch.float32))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(*pair) for pair in zip(*results, strict=True))


class Largest(TorchDispatchMode):
    """The number of elements of the largest tensor that any operation made."""

    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        made = out if isinstance(out, (tuple, list)) else (out,)
        self.numel = max(
            [self.numel, *(one.untyped_storage().nbytes() // 4 for one in made if isinstance(one, Tensor))]
        )
        return out


def largest(call: Callable[..., Tensor], frames: int) -> int:
    leaves = [part.float().requires_grad_() for part in inputs(frames, rows=(1,))]
    with Largest() as seen:
        torch.autograd.grad(call(*leaves).sum(), leaves)
    return seen.numel


@pytest.mark.parametrize("text", ["window(4)", "window(2)+anchors(2)", "causal+dilated(2,8)"])
def test_memory_grows_with_the_clip_and_not_with_its_square(way, text):
    pattern = parse(text)
    short, long = (largest(lambda *qkv: sparse_attend(*qkv, pattern), frames) for frames in (512, 2048))
    assert long <= 4.2 * short  # the last block may be a filling more
    assert long < 2048**2 / 8
    assert largest(lambda *qkv: dense(*qkv, pattern.mask(2048)), 2048) >= 2048**2  # the measure sees tables


def test_many_rows_are_taken_in_parts(monkeypatch):
    monkeypatch.setenv("FRAMEFALL_NO_KERNEL", "1")
    parts = [part.float() for part in inputs(150, rows=(3, 3))]
    whole = sparse_attend(*parts, window(4))
    monkeypatch.setattr(sparse, "_ROWS", 2)
    assert torch.equal(sparse_attend(*parts, window(4)), whole)


COMPILED = """
import torch
from framefall.layers.patterns import window
from framefall.layers.sparse import sparse_attend
parts = [torch.randn(2, 150, 16) for _ in range(3)]
compiled = torch.compile(sparse_attend, backend="aot_eager", fullgraph=True)
torch.testing.assert_close(compiled(*parts, window(4)), sparse_attend(*parts, window(4)))
"""


@pytest.mark.slow  # a process of its own: a compiler cannot read functions whose annotations are checked
def test_a_compiled_network_is_one_graph(way):
    subprocess.run([sys.executable, "-W", "error", "-c", COMPILED], check=True)


def test_an_exported_network_does_without_the_kernel():
    class Layer(torch.nn.Module):
        def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            return sparse_attend(query, key, value, Pattern((-1, 0, 1), anchors=1))

    parts = tuple(part.float() for part in inputs(9))
    exported = torch.export.export(Layer(), parts)
    assert "framefall" not in str(exported.graph)
    torch.testing.assert_close(exported.module()(*parts), Layer()(*parts), rtol=1e-5, atol=1e-5)
