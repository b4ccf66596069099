from pathlib import Path

import pytest
import torch

from framefall.bench.speed.contestants import CONTESTANTS, find_peers, open_peers
from framefall.models.backbone import Backbone


@pytest.mark.parametrize("name", ["unet", "base_pico"])
def test_ours_is_a_network_and_a_call_of_it(name: str) -> None:
    with torch.no_grad(), torch.device("meta"):  # sizes are all that is asked about
        network, call = CONTESTANTS[name].make(2, 16)
        assert isinstance(network, Backbone) and call().shape == (1, 3, 2, 16, 16)


def test_peers_are_found_by_two_of_their_packages(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="which lacks them; run: pip install"):
        find_peers(tmp_path)
    for name in ("diffusers", "video_diffusion_pytorch"):
        (tmp_path / name).mkdir()
    assert find_peers(tmp_path) == tmp_path.resolve()


def test_peers_come_after_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setattr(sys, "path", list(sys.path))
    open_peers(tmp_path)
    assert sys.path[-1] == str(tmp_path)


def test_every_family_has_one_of_ours() -> None:
    assert {one.family for one in CONTESTANTS.values()} == {one.family for one in CONTESTANTS.values() if one.ours}
