"""Networks as processes that take turns; our own, as the others are installed only where a benchmark is run."""

from pathlib import Path

import pytest

from framefall.bench.speed import backbones
from framefall.bench.speed.backbones import COMPARED, backbones_bench
from framefall.bench.speed.contestants import CONTESTANTS, find_peers
from framefall.bench.speed.worker import DTYPES, WORK


@pytest.mark.parametrize("given", [None, "here"])
def test_without_the_packages_one_sentence_says_how_to_get_them(given: str | None, tmp_path: Path) -> None:
    folder = None if given is None else tmp_path / given
    with pytest.raises(ValueError, match=r"^--peers must name a folder.*run: pip install --no-deps --target peers"):
        find_peers(folder)
    with pytest.raises(ValueError, match="pip install"):
        (backbones_bench(folder, 1.0))


@pytest.mark.slow
def test_a_ratio_is_how_much_longer_the_other_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "COMPARED", {"nano_over_pico": ("base_pico", ("base_nano",))})
    found = backbones_bench(None, 0.2, names=("base_pico", "base_nano"), frames=8, size=32, rounds=3)
    for work in WORK:
        ratio = found["ratios"][f"nano_over_pico_{work}"]
        assert 1.2 < ratio["low"] <= ratio["median"] <= ratio["high"]  # it has more than twice the weights
        assert found["results"]["fastest_peer"][f"nano_over_pico_{work}"].startswith("base of nano, ")
    row = found["results"]["base_nano"]
    assert row["forward_rounds"] == row["train_rounds"] == 3
    assert found["results"]["failed"] == {}


def _record(seconds: float) -> backbones._Record:
    first = {(work, dtype): seconds * (1 + (dtype == "float32")) for work in WORK for dtype in DTYPES}
    return backbones._Record({"gflops": 1.0, "parameters": 1}, first)


def test_only_what_came_near_takes_turns() -> None:
    times = {"unet": 9.0, "imagen": 1.3, "video_diffusion": 1.0, "unet3d": 1.5, "make_a_video": 5.0}
    near = backbones._near({name: _record(seconds) for name, seconds in times.items()}, "forward")
    assert near == ["unet", "imagen", "video_diffusion", "make_a_video"]


def test_the_fastest_peer_is_compared_round_by_round() -> None:
    records = {name: _record(1.0) for name in ("unet", "imagen", "svd")}
    records["unet"].turns["forward"] = [1.0, 2.0, 1.0]
    records["imagen"].turns["forward"] = [4.0, 8.0, 4.0]
    records["svd"].turns["forward"] = [3.0, 3.0, 30.0]
    ratios, fastest = backbones._ratios(records)
    assert ratios["best_peer_over_unet_forward"] == {"median": 3.0, "low": 2.25, "high": 16.5}
    assert fastest == {"best_peer_over_unet_forward": "diffusers UNetSpatioTemporal, bfloat16"}


def test_every_comparison_names_contestants() -> None:
    for ours, peers in COMPARED.values():
        assert CONTESTANTS[ours].ours and not any(CONTESTANTS[peer].ours for peer in peers)
    peers = {name for name, one in CONTESTANTS.items() if not one.ours}
    assert peers == {peer for _, group in COMPARED.values() for peer in group}
