from framefall.models.counted import counted
from framefall.models.transformer import TransformerConfig


def test_a_call_is_counted_without_being_computed() -> None:
    network = TransformerConfig(dim=64, depth=2, heads=1, patch=(1, 4, 4))
    parameters, flops, kept = counted(network, (2, 16, 16))
    tokens = 2 * 4 * 4
    block = 2 * tokens * sum(a * b for a, b in ((64, 192), (64, 64), (64, 384), (192, 64))) + 4 * tokens**2 * 64
    assert 2 * block < flops < 2.5 * block and kept > 0 and parameters > 2 * 64 * 640
    assert counted(network, (4, 16, 16))[1] > 2 * flops  # what all see grows faster than the clip
